import { assertEquals, assertStrictEquals } from "@std/assert";
import { WaiterQueue } from "../../../src/core/waiter_queue.ts";
import { Waiting } from "../../../src/core/waiting.ts";
import { EXCLUSIVE } from "../../../src/core/wish.ts";
import { VirtualClock } from "../../../src/testing/mod.ts";
import { countedSignal } from "../setup.ts";
import { test } from "../../support/harness.ts";
import { SILENT } from "./slots.ts";

function bench() {
  const clock = new VirtualClock({ startMs: 100 });
  const queue = new WaiterQueue<string>(clock, () => {});
  const seen: unknown[] = [];
  const emptied = () => seen.push("emptied");
  const waiting = new Waiting<string>(clock, queue, SILENT, emptied, () => {});
  const begin = (timeoutMs: number, signal?: AbortSignal) =>
    waiting.begin(() => {}, (error) => seen.push(error), timeoutMs, signal, EXCLUSIVE, undefined);
  return { begin, queue, seen, waiting };
}

test("Waiting.begin() counts the deadline from now, and none for 0 and Infinity", () => {
  const { begin, queue } = bench();
  assertEquals([50, 0, Infinity].map((ms) => begin(ms).deadline), [150, Infinity, Infinity]);
  assertEquals(queue.size, 3);
  queue.dispose();
});

test("Waiting.leave() ends a wait once, without a word", () => {
  const { begin, seen, waiting } = bench();
  const [first, second] = [begin(Infinity), begin(Infinity)];
  waiting.leave(first);
  waiting.leave(first);
  assertEquals(seen, []);
  waiting.leave(second);
  waiting.leave(second);
  assertEquals(seen, ["emptied"]);
});

test("Waiting refuses with the signal's own reason, and listens no more", () => {
  const { begin, queue, seen } = bench();
  const counted = countedSignal();
  begin(Infinity, counted.abort.signal);
  assertEquals(counted.listeners, 1);
  const reason = new Error("mine");
  counted.abort.abort(reason);
  assertEquals([queue.size, counted.listeners, seen.length], [0, 0, 2]);
  assertStrictEquals(seen[1], reason);
});
