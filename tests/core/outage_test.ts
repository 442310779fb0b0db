import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Outage } from "../../src/core/outage.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";
import { SILENT } from "./pool_parts/slots.ts";

interface Bench {
  readonly clock: VirtualClock;
  readonly outage: Outage;
  readonly retries: number[];
}

/** By default every pause is as long as it can be, nearly. */
function bench(acquireTimeoutMs = 60_000, random: () => number = () => 0.999_999): Bench {
  const clock = new VirtualClock({ random, turns: 1 });
  const retries: number[] = [];
  const outage = new Outage(clock, acquireTimeoutMs, () => retries.push(clock.now()), SILENT);
  return { clock, outage, retries };
}

/** Fails until the pauses are as long as they get; each attempt when its pause is over. */
async function pauses({ clock, outage, retries }: Bench, count: number): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = clock.now();
    outage.failed(new Error("down"));
    outage.wait(true);
    await clock.advance(20_000);
    all.push(Math.round((retries.at(-1) ?? NaN) - start));
  }
  return all;
}

test("Outage is on from a failure until ended(), and keeps the last error", () => {
  const { outage } = bench();
  assertEquals([outage.on, outage.mayTry, outage.error], [false, true, undefined]);
  outage.ended();
  const [first, second] = [new Error("first"), new Error("second")];
  outage.failed(first);
  assertEquals([outage.on, outage.mayTry], [true, false]);
  outage.failed(second);
  assertStrictEquals(outage.error, second);
  outage.ended();
  assertEquals([outage.on, outage.mayTry, outage.error], [false, true, undefined]);
});

test("Outage pauses 100 ms at first, then twice as long each time, up to 10 s", async () => {
  assertEquals(await pauses(bench(), 10), [
    100,
    200,
    400,
    800,
    1_600,
    3_200,
    6_400,
    10_000,
    10_000,
    10_000,
  ]);
});

test("Outage pauses no longer than a quarter of the acquire's deadline", async () => {
  assertEquals(await pauses(bench(2_000), 5), [100, 200, 400, 500, 500]);
  assertEquals(await pauses(bench(100), 2), [25, 25]);
  for (const unlimited of [0, Infinity]) {
    assertEquals((await pauses(bench(unlimited), 9)).at(-1), 10_000);
  }
});

test("Outage draws each pause by chance, from nothing to the longest", async () => {
  const draws = [0.5, 0.25, 0, 0.75];
  const drawn = await pauses(bench(60_000, () => draws.shift() ?? 0), 4);
  assertEquals(drawn, [50, 50, 0, 600]);
});

test("Outage.mayTry is true when the pause is over", async () => {
  const { clock, outage } = bench();
  outage.failed(new Error("down"));
  await clock.advance(99);
  assert(!outage.mayTry);
  await clock.advance(1);
  assert(outage.mayTry);
});

test("Outage takes failures within one pause for one: they began before it", async () => {
  const { clock, outage } = bench();
  for (let i = 0; i < 10; i++) outage.failed(new Error(`refused ${i}`));
  await clock.advance(100);
  assert(outage.mayTry, "the first pause is short, however many attempts failed at once");
  outage.failed(new Error("the prober's"));
  await clock.advance(199);
  assert(!outage.mayTry);
  await clock.advance(1);
  assert(outage.mayTry);
});

test("Outage.wait() sets one timer, which holds the process; stopWaiting() leaves none", async () => {
  const { clock, outage, retries } = bench();
  outage.failed(new Error("down"));
  assertEquals(clock.pending, 0);
  outage.wait(true);
  outage.wait(true);
  assertEquals([clock.pending, clock.referenced], [1, 1]);
  outage.stopWaiting();
  outage.stopWaiting();
  assertEquals(clock.pending, 0);
  await clock.advance(1_000);
  assertEquals(retries, []);
  // The pause was over long ago.
  outage.wait(true);
  await clock.advance(0);
  assertEquals([retries, clock.pending], [[1_000], 0]);
});

test("Outage.ended() cancels the retry and starts afresh", async () => {
  const { clock, outage, retries } = bench();
  await pauses({ clock, outage, retries }, 5);
  outage.failed(new Error("down"));
  outage.wait(true);
  outage.ended();
  assertEquals(clock.pending, 0);
  assertEquals(await pauses({ clock, outage, retries }, 1), [100]);
});
