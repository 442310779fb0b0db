import { assertEquals, assertStrictEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import { AcquireTimeoutError, ConnectError } from "../../../src/core/errors.ts";
import { Expiry } from "../../../src/core/expiry.ts";
import { Waiter } from "../../../src/core/waiter.ts";
import { WaiterQueue } from "../../../src/core/waiter_queue.ts";
import { type FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import { must } from "../setup.ts";
import { test } from "../../support/harness.ts";
import { addOpenSlot, addSlot, SILENT, STATS } from "./slots.ts";

function bench() {
  const clock = new VirtualClock();
  const bag = new Bag<FakeConnection>();
  const outage: { on: boolean; error: unknown } = { on: false, error: undefined };
  const errors: AcquireTimeoutError[] = [];
  let emptied = 0;
  const queue = new WaiterQueue<FakeConnection>(clock, () => expiry.run());
  const expiry = new Expiry<FakeConnection>({
    clock,
    queue,
    bag,
    setsUp: true,
    suspension: { on: false },
    outage,
    stats: () => ({ ...STATS }),
    events: SILENT,
    emptied: () => emptied++,
    advanced: () => {},
  });
  const wait = (timeoutMs: number) =>
    queue.push(
      new Waiter<FakeConnection>(
        () => {},
        (error) => {
          if (error instanceof AcquireTimeoutError) errors.push(error);
        },
        timeoutMs,
        clock.now() + timeoutMs,
      ),
    );
  const phase = async () => {
    wait(1);
    await clock.advance(1);
    return must(errors.pop()).phase;
  };
  return { bag, clock, errors, outage, phase, queue, wait, emptied: () => emptied };
}

test("Expiry refuses who waited too long, and nobody else", async () => {
  const { clock, errors, queue, wait, emptied } = bench();
  wait(10);
  wait(20);
  await clock.advance(10);
  assertEquals([errors.map(({ timeoutMs }) => timeoutMs), queue.size, emptied()], [[10], 1, 0]);
  await clock.advance(10);
  assertEquals([errors.map(({ timeoutMs }) => timeoutMs), queue.size, emptied()], [[10, 20], 0, 1]);
});

test("Expiry says what was waited for", async () => {
  const { bag, clock, outage, phase } = bench();
  assertEquals(await phase(), "queue");
  addSlot(bag, "checking");
  assertEquals(await phase(), "check");
  const connecting = addSlot(bag, "connecting");
  assertEquals(await phase(), "connect");
  const open = await addOpenSlot(bag, "connecting", new FakeDriver({ clock }), clock);
  assertEquals(await phase(), "session");
  bag.move(connecting, "gone");
  open.steady?.destroy();
  outage.on = true;
  outage.error = new Error("down");
  assertEquals(await phase(), "connect");
  outage.error = new ConnectError("no", { phase: "session", retryable: true });
  assertEquals(await phase(), "session");
});

test("Expiry lets alike errors of one batch share the counts, and the next batch not", async () => {
  const { clock, errors, wait, emptied } = bench();
  for (let count = 0; count < 200; count++) wait(10);
  await clock.advance(10);
  assertEquals([errors.length, new Set(errors).size, emptied()], [200, 200, 1]);
  assertStrictEquals(must(errors[127]).stats, must(errors[0]).stats);
  assertEquals(must(errors[128]).stats === must(errors[0]).stats, false);
  assertStrictEquals(must(errors[199]).stats, must(errors[128]).stats);
});
