import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import {
  AcquireTimeoutError,
  ConnectError,
  TooManyConnectionsError,
  TooManyWaitersError,
} from "../../../src/core/errors.ts";
import { Refusal } from "../../../src/core/refusal.ts";
import { Waiter } from "../../../src/core/waiter.ts";
import { WaiterQueue } from "../../../src/core/waiter_queue.ts";
import { EXCLUSIVE, FOR_ONE } from "../../../src/core/wish.ts";
import { VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { addSlot, SILENT, STATS } from "./slots.ts";

interface Limits {
  maxWaiters?: number;
  reserved?: number;
  unavailable?: "wait" | "fail-fast";
}

function bench(options: Limits = {}) {
  const { maxWaiters = Infinity, reserved = 0, unavailable = "wait" } = options;
  const estimate: { ms: number | undefined } = { ms: undefined };
  const bag = new Bag<string>();
  const queue = new WaiterQueue<string>(new VirtualClock(), () => {});
  const error = new Error("down");
  const outage = { on: false, error: undefined as unknown, mayTry: true };
  const suspension = { on: false };
  const refusal = new Refusal<string>({
    options: { maxWaiters, unavailable },
    sizes: { max: 2, reserved },
    room: () => 2 - bag.total,
    suspension,
    readiness: { refuse: () => {} },
    bag,
    queue,
    commons: { free: 0, asking: 0 },
    rate: { tooLongMs: (ahead) => ahead > 0 ? estimate.ms : undefined },
    outage,
    isLendable: ({ generation }) => generation === 0,
    leave: (waiter) => queue.remove(waiter),
    events: SILENT,
    stats: () => STATS,
  });
  const refused: unknown[] = [];
  const wait = (timeoutMs: number, then = () => {}, wish = EXCLUSIVE) => {
    const waiter = new Waiter<string>(
      () => {},
      (error) => {
        refused.push(error);
        then();
      },
      timeoutMs,
      Infinity,
      wish,
    );
    queue.push(waiter);
    return waiter;
  };
  /** The server cannot be had. */
  const down = (mayTry: boolean) => Object.assign(outage, { on: true, error, mayTry });
  return { bag, down, error, estimate, queue, refusal, refused, wait };
}

test("Refusal lets in who must not queue as long as something comes for it", () => {
  const { bag, refusal, wait } = bench();
  assertEquals(refusal.ofNewcomer(0, EXCLUSIVE), undefined);
  addSlot(bag, "used");
  wait(0);
  assertInstanceOf(refusal.ofNewcomer(0, EXCLUSIVE), TooManyConnectionsError);
  assertEquals(refusal.ofNewcomer(10, EXCLUSIVE), undefined);
});

test("Refusal says why the server cannot be had to who must not queue", () => {
  const { bag, down, error, refusal } = bench();
  down(false);
  const refused = refusal.ofNewcomer(0, EXCLUSIVE);
  assertInstanceOf(refused, ConnectError);
  assertStrictEquals(refused.cause, error);
  // The attempt that is due is one for one.
  down(true);
  assertEquals(refusal.ofNewcomer(0, EXCLUSIVE), undefined);
  addSlot(bag, "used");
  addSlot(bag, "used");
  assertInstanceOf(refusal.ofNewcomer(0, EXCLUSIVE), TooManyConnectionsError);
});

test("Refusal counts those who queue in vain against maxWaiters", () => {
  const { bag, refusal, wait } = bench({ maxWaiters: 1 });
  addSlot(bag, "connecting");
  addSlot(bag, "used");
  assertEquals(refusal.ofNewcomer(10, EXCLUSIVE), undefined);
  wait(10);
  assertEquals(refusal.ofNewcomer(10, EXCLUSIVE), undefined);
  wait(10);
  assertInstanceOf(refusal.ofNewcomer(10, EXCLUSIVE), TooManyWaitersError);
});

test("Refusal.rejected() refuses all, each with an error of its own", () => {
  const { error, queue, refusal, refused, wait } = bench();
  const second = { leave: () => {} };
  wait(10, () => second.leave());
  const waiter = wait(10);
  wait(10);
  // Who is refused may end the wait of another.
  second.leave = () => queue.remove(waiter);
  refusal.rejected(error, false);
  assertEquals([refused.length, new Set(refused).size, queue.size], [2, 2, 0]);
  for (const one of refused) {
    assertInstanceOf(one, ConnectError);
    assertEquals([one.retryable, one.cause], [false, error]);
  }
});

test("Refusal.failed() refuses who must not queue; all, if nobody is to wait for the server", () => {
  const waiting = bench();
  waiting.down(false);
  waiting.wait(0);
  waiting.wait(10);
  waiting.refusal.failed(waiting.error);
  assertEquals([waiting.refused.length, waiting.queue.size], [1, 1]);
  const failing = bench({ unavailable: "fail-fast" });
  failing.down(false);
  failing.wait(0);
  failing.wait(10);
  failing.refusal.failed(failing.error);
  assertEquals([failing.refused.length, failing.queue.size], [2, 0]);
});

test("Refusal with fail-fast lets wait as long as a connection is left, and for the attempt that is due", () => {
  const { bag, down, refusal, queue, wait } = bench({ unavailable: "fail-fast" });
  down(false);
  assertInstanceOf(refusal.ofNewcomer(10, EXCLUSIVE), ConnectError);
  const used = addSlot(bag, "used");
  assertEquals(refusal.ofNewcomer(10, EXCLUSIVE), undefined);
  wait(10);
  refusal.lost();
  assertEquals(queue.size, 1);
  bag.move(used, "gone");
  addSlot(bag, "used", 1);
  down(true);
  assertEquals(refusal.ofNewcomer(10, EXCLUSIVE), undefined);
  wait(10);
  // One connect is under way: who came first waits for it.
  addSlot(bag, "connecting");
  assertInstanceOf(refusal.ofNewcomer(10, EXCLUSIVE), ConnectError);
  refusal.lost();
  assertEquals(queue.size, 1);
});

test("Refusal counts for who goes before only those who do, too", () => {
  const { bag, refusal, wait } = bench({ maxWaiters: 1 });
  addSlot(bag, "used");
  wait(10);
  wait(10);
  assertInstanceOf(refusal.ofNewcomer(0, EXCLUSIVE), TooManyConnectionsError);
  // The one place that is left is for who goes before all others.
  assertEquals(refusal.ofNewcomer(0, FOR_ONE.high), undefined);
  assertEquals(refusal.ofNewcomer(10, FOR_ONE.high), undefined);
  wait(10, () => {}, FOR_ONE.high);
  assertInstanceOf(refusal.ofNewcomer(0, FOR_ONE.high), TooManyConnectionsError);
  assertInstanceOf(refusal.ofNewcomer(10, FOR_ONE.high), TooManyWaitersError);
});

test("Refusal counts reserved connections only for those they are reserved for", () => {
  const { bag, refusal } = bench({ reserved: 1, maxWaiters: 0 });
  addSlot(bag, "used");
  addSlot(bag, "idle");
  assertInstanceOf(refusal.ofNewcomer(0, EXCLUSIVE), TooManyConnectionsError);
  assertInstanceOf(refusal.ofNewcomer(10, EXCLUSIVE), TooManyWaitersError);
  assertEquals(refusal.ofNewcomer(0, FOR_ONE.high), undefined);
  assertEquals(refusal.ofNewcomer(10, FOR_ONE.high), undefined);
});

test("Refusal tells who would wait in vain how long that would be", () => {
  const { estimate, refusal, wait } = bench();
  estimate.ms = 120;
  assertEquals(refusal.ofNewcomer(50, EXCLUSIVE), undefined);
  wait(50);
  assertEquals(refusal.ofNewcomer(50, FOR_ONE.high), undefined);
  const error = refusal.ofNewcomer(50, EXCLUSIVE);
  assertInstanceOf(error, AcquireTimeoutError);
  assertEquals([error.phase, error.timeoutMs, error.outcome], ["queue", 50, "not-applied"]);
  assertEquals(
    error.message,
    "Cannot acquire a connection within 50 ms as it would have to wait about 120 ms in the queue: " +
      "0 of 2 connections; 0 waiting",
  );
});
