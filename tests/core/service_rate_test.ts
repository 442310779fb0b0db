import { assertEquals } from "@std/assert";
import { ServiceRate } from "../../src/core/service_rate.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";

async function serving(count: number, everyMs: number) {
  const clock = new VirtualClock();
  const rate = new ServiceRate(clock);
  for (let i = 0; i <= count; i++) {
    rate.served(10);
    await clock.advance(everyMs);
  }
  return { clock, rate };
}

test("ServiceRate tells how long a newcomer waits, if that is longer than it can", async () => {
  const { rate } = await serving(200, 10);
  assertEquals(rate.tooLongMs(99, 500), 1_014);
  assertEquals(rate.tooLongMs(99, 900), undefined);
  assertEquals(rate.tooLongMs(0, 1), undefined);
});

test("ServiceRate knows nothing before some were served, nor after nobody waited", async () => {
  assertEquals((await serving(31, 10)).rate.tooLongMs(1_000, 1), undefined);
  const { rate } = await serving(32, 10);
  assertEquals(typeof rate.tooLongMs(1_000, 1), "number");
  rate.served(0);
  for (let i = 0; i < 10; i++) rate.served(5);
  assertEquals(rate.tooLongMs(1_000, 1), undefined);
});

test("ServiceRate forgets how fast it went long ago", async () => {
  const { clock, rate } = await serving(128, 10);
  for (let i = 0; i < 256; i++) {
    rate.served(10);
    await clock.advance(1);
  }
  assertEquals(rate.tooLongMs(99, 200), undefined);
  // And that it stands still is seen without anybody being served.
  await clock.advance(1_000);
  assertEquals((rate.tooLongMs(99, 200) ?? 0) > 500, true);
});
