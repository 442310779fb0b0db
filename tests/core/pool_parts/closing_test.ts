import { assertEquals, assertInstanceOf } from "@std/assert";
import { Closing } from "../../../src/core/closing.ts";
import { PoolClosedError } from "../../../src/core/errors.ts";
import { Waiter } from "../../../src/core/waiter.ts";
import { WaiterQueue } from "../../../src/core/waiter_queue.ts";
import { VirtualClock } from "../../../src/testing/mod.ts";
import { watch } from "../setup.ts";
import { test } from "../../support/harness.ts";
import { SILENT } from "./slots.ts";

function bench(total: number) {
  const clock = new VirtualClock();
  const queue = new WaiterQueue<string>(clock, () => {});
  const bag = { total };
  const calls: string[] = [];
  const note = (name: string) => () => void calls.push(name);
  const removal = {
    retireAll: note("retire"),
    closeUnused: note("close"),
    destroyAll: note("destroy"),
  };
  const stop = note("stop");
  const [closed, opened] = [note("closed"), note("opened")];
  const events = SILENT;
  const closing = new Closing<string>({
    clock,
    bag,
    queue,
    removal,
    events,
    stop,
    closed,
    opened,
  });
  return { bag, calls, clock, closing, queue };
}

test("Closing closes an empty pool at once, and leaves no timer", async () => {
  const { calls, clock, closing, queue } = bench(0);
  assertEquals([closing.state, closing.isOpen], ["open", true]);
  closing.freed();
  assertEquals(closing.state, "open");
  queue.push(new Waiter<string>(() => {}, () => {}, 10, 10));
  await closing.close(5_000);
  assertEquals([closing.state, closing.isOpen], ["closed", false]);
  assertEquals(calls, ["retire", "stop", "close", "closed"]);
  assertEquals(clock.pending, 0);
});

test("Closing refuses who waits before it waits for what is lent", async () => {
  const { bag, clock, closing, queue } = bench(1);
  const errors: unknown[] = [];
  queue.push(new Waiter<string>(() => {}, (error) => errors.push(error), Infinity, Infinity));
  const closed = watch(closing.close(5_000));
  assertInstanceOf(errors[0], PoolClosedError);
  await clock.settle();
  assertEquals([closing.state, closed.state], ["draining", "pending"]);
  bag.total = 0;
  closing.freed();
  await clock.settle();
  assertEquals([closing.state, closed.state, clock.pending], ["closed", "fulfilled", 0]);
});

test("Closing destroys what is left when the time is over; a later call can only shorten it", async () => {
  const { calls, clock, closing } = bench(1);
  const first = closing.close(5_000);
  assertEquals(closing.close(9_000) === first, true);
  closing.close(1_000);
  assertEquals(clock.pending, 1);
  await clock.advance(999);
  assertEquals(calls.includes("destroy"), false);
  await clock.advance(1);
  assertEquals(calls, ["retire", "stop", "close", "destroy"]);
});

test("Closing may be asked to close by who is refused", async () => {
  const { calls, closing, queue } = bench(0);
  const again: Promise<void>[] = [];
  queue.push(
    new Waiter<string>(() => {}, () => again.push(closing.close(1)), Infinity, Infinity),
  );
  const first = closing.close(5_000);
  assertEquals(again[0] === first, true);
  await first;
  assertEquals(calls.filter((name) => name === "retire"), ["retire"]);
});

test("Closing.open() opens what is closed, at once; what is open it leaves alone", async () => {
  const { calls, clock, closing } = bench(0);
  await closing.open();
  assertEquals(calls, []);
  await closing.close(5_000);
  await closing.open();
  assertEquals([closing.state, calls.at(-1)], ["open", "opened"]);
  await closing.close(5_000);
  assertEquals([closing.state, clock.pending], ["closed", 0]);
});

test("Closing.open() waits for the end of the close, unless somebody closes again", async () => {
  const { bag, clock, closing } = bench(1);
  const closed = watch(closing.close(5_000));
  const first = watch(closing.open());
  const again = watch(closing.close(9_000));
  await clock.settle();
  assertInstanceOf(first.error, PoolClosedError);
  const [second, third] = [watch(closing.open()), watch(closing.open())];
  await clock.settle();
  assertEquals([closing.state, second.state], ["draining", "pending"]);
  bag.total = 0;
  closing.freed();
  await clock.settle();
  assertEquals([closing.state, closing.isOpen, clock.pending], ["open", true, 0]);
  assertEquals(
    [closed, again, second, third].map(({ state }) => state),
    Array(4).fill("fulfilled"),
  );
  // The deadline of the life before is no limit of this one.
  bag.total = 1;
  const last = watch(closing.close(60_000));
  await clock.advance(10_000);
  assertEquals([closing.state, last.state], ["draining", "pending"]);
});
