import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { ListeningWaiter, type Waiter } from "../../src/core/waiter.ts";
import { WaiterQueue } from "../../src/core/waiter_queue.ts";
import { EXCLUSIVE, FOR_ONE, PROMISED } from "../../src/core/wish.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { countedSignal, must } from "./setup.ts";
import { test } from "../support/harness.ts";

interface Bench {
  readonly clock: VirtualClock;
  readonly queue: WaiterQueue<string>;
  readonly expired: Waiter<string>[];
  /** Queues one with a deadline so far from now. */
  readonly push: (timeoutMs: number, high?: unknown) => ListeningWaiter<string>;
}

/** Takes out the expired as a pool does: some, then the others a turn later. */
function bench(onExpired: (waiter: Waiter<string>) => void = () => {}): Bench {
  const clock = new VirtualClock({ turns: 20 });
  const expired: Waiter<string>[] = [];
  let count = 0;
  const expire = (): void => {
    for (let count = 0; count < 100; count++) {
      const waiter = queue.takeExpired(clock.now());
      if (waiter === undefined) return;
      expired.push(waiter);
      onExpired(waiter);
    }
    queueMicrotask(expire);
  };
  const queue = new WaiterQueue<string>(clock, expire);
  const push = (timeoutMs: number, high?: unknown): ListeningWaiter<string> => {
    const deadline = clock.now() + timeoutMs;
    // Those that are told by a promise take a way of their own.
    const wish = high === true ? FOR_ONE.high : ++count % 3 === 0 ? EXCLUSIVE : PROMISED;
    const waiter = new ListeningWaiter<string>(() => {}, () => {}, timeoutMs, deadline, wish);
    queue.push(waiter);
    return waiter;
  };
  return { clock, queue, expired, push };
}

function shiftAll(queue: WaiterQueue<string>): Waiter<string>[] {
  const all: Waiter<string>[] = [];
  for (let { head } = queue; head !== undefined; { head } = queue) {
    if (head.wish === PROMISED) queue.advance(head);
    else assertStrictEquals(queue.shift(), head);
    all.push(head);
  }
  return all;
}

test("WaiterQueue.shift() takes who waits longest", () => {
  const { queue, push } = bench();
  assertStrictEquals(queue.shift(), undefined);
  const waiters = [30, 10, Infinity, 20].map((ms) => push(ms));
  assertEquals(queue.size, 4);
  assertStrictEquals(queue.head, waiters[0]);
  assertEquals(shiftAll(queue), waiters);
  assertEquals([queue.size, queue.head], [0, undefined]);
});

test("WaiterQueue puts those of high priority before the others, each in their order", () => {
  const { queue, push } = bench();
  const [first, second] = [push(30), push(30)];
  const [high, next] = [push(50, true), push(40, true)];
  assertEquals([queue.size, queue.line(false).high, queue.head === high], [4, 2, true]);
  queue.remove(next);
  const last = push(20, true);
  const third = push(30);
  assertEquals(shiftAll(queue), [high, last, first, second, third]);
  assertEquals([queue.size, queue.line(false).high], [0, 0]);
});

test("WaiterQueue keeps the deadlines of all exactly, whoever goes before", async () => {
  const { clock, expired, push } = bench();
  const [late, soon] = [push(30), push(50)];
  const [high, highSoon] = [push(40, true), push(10, true)];
  for (const [ms, who] of [[10, highSoon], [30, late], [40, high], [50, soon]] as const) {
    await clock.advance(ms - clock.now());
    assertEquals([clock.now(), expired.at(-1) === who], [ms, true]);
  }
  assertEquals(expired.length, 4);
});

test("WaiterQueue forgets the deadline of one that is out of order when it is served first in line", async () => {
  const { clock, queue, push, expired } = bench();
  const [first, second, third] = [push(30), push(20), push(Infinity)];
  const last = push(25);
  assertEquals([queue.shift(), queue.shift()], [first, second]);
  await clock.advance(24);
  assertEquals(expired, []);
  await clock.advance(1);
  assertEquals(expired, [last]);
  assertEquals([queue.size, queue.head === third], [1, true]);
});

test("WaiterQueue.has() knows who is queued, in every place", () => {
  const { queue, push } = bench();
  const only = push(10);
  assert(queue.has(only));
  queue.shift();
  assert(!queue.has(only));
  const waiters = [1, 2, 3].map((ms) => push(ms));
  for (const waiter of waiters) assert(queue.has(waiter));
  queue.remove(must(waiters[1]));
  assertEquals(waiters.map((waiter) => queue.has(waiter)), [true, false, true]);
  queue.remove(must(waiters[0]));
  assertEquals(waiters.map((waiter) => queue.has(waiter)), [false, false, true]);
  queue.remove(must(waiters[2]));
  assertEquals(waiters.map((waiter) => queue.has(waiter)), [false, false, false]);
});

for (const [place, index] of [["head", 0], ["middle", 1], ["tail", 2]] as const) {
  for (const timeouts of [[10, 20, 30], [30, 20, 10], [Infinity, 5, Infinity], [7, 7, 7]]) {
    test(`WaiterQueue.remove() at the ${place} of ${timeouts} keeps the rest in order`, async () => {
      const { clock, queue, push, expired } = bench();
      const waiters = timeouts.map((ms) => push(ms));
      const [removed] = waiters.splice(index, 1);
      queue.remove(must(removed));
      assertEquals(queue.size, 2);
      const later = push(15);
      waiters.push(later);
      assertStrictEquals(queue.head, waiters[0]);
      await clock.advance(40);
      const finite = waiters.filter(({ deadline }) => deadline !== Infinity);
      assertEquals(new Set(expired), new Set(finite));
      assertEquals(shiftAll(queue), waiters.filter(({ deadline }) => deadline === Infinity));
    });
  }
}

test("WaiterQueue sets one timer for all deadlines", async () => {
  const { clock, push, expired } = bench();
  for (let i = 0; i < 1_000; i++) push(100);
  assertEquals(clock.pending, 1);
  await clock.advance(50);
  for (let i = 0; i < 1_000; i++) push(i % 2 === 0 ? 100 : 70);
  assertEquals(clock.pending, 1);
  await clock.advance(50);
  assertEquals([expired.length, clock.pending], [1_000, 1]);
  await clock.advance(50);
  assertEquals([expired.length, clock.pending], [2_000, 0]);
});

test("WaiterQueue.takeExpired() takes each waiter out at its own deadline", async () => {
  const seen: [number, number, boolean][] = [];
  const { clock, queue, push } = bench((waiter) => {
    seen.push([waiter.timeoutMs, clock.now(), queue.has(waiter)]);
  });
  for (const timeoutMs of [50, 20, 80, 20, 60, Infinity, 10]) push(timeoutMs);
  await clock.advance(100);
  assertEquals(
    seen,
    [10, 20, 20, 50, 60, 80].map((timeoutMs) => [timeoutMs, timeoutMs, false]),
  );
  assertEquals([queue.size, clock.pending], [1, 0]);
});

test("WaiterQueue waits on when the earliest was served before its deadline", async () => {
  const { clock, queue, push, expired } = bench();
  push(10);
  const second = push(30);
  queue.shift();
  await clock.advance(10);
  assertEquals([expired, clock.timers()], [[], [{ dueMs: 30, referenced: true }]]);
  await clock.advance(20);
  assertEquals(expired, [second]);
});

test("WaiterQueue holds the process only while somebody waits", async () => {
  const { clock, queue, push } = bench();
  push(100);
  assertEquals([clock.pending, clock.referenced], [1, 1]);
  queue.shift();
  assertEquals([clock.pending, clock.referenced], [1, 0]);
  push(200);
  assertEquals([clock.pending, clock.referenced], [1, 1]);
  push(Infinity);
  queue.shift();
  assertEquals(clock.referenced, 1);
  queue.shift();
  assertEquals(clock.referenced, 0);
  await clock.advance(100);
  assertEquals(clock.pending, 0);
  push(Infinity);
  assertEquals(clock.pending, 0);
});

test("WaiterQueue.shift() and remove() leave no listener on a signal", async () => {
  const { clock, queue, push } = bench();
  const counted = countedSignal();
  const home = { aborted: () => {} };
  const waiters = [10, 20, 30].map((ms) => push(ms));
  for (const waiter of waiters) waiter.listen(counted.abort.signal, home);
  assertEquals(counted.listeners, 3);
  queue.shift();
  queue.remove(must(waiters[2]));
  assertEquals(counted.listeners, 1);
  await clock.advance(20);
  assertEquals(counted.listeners, 0);
});

test("WaiterQueue.takeExpired() takes new waiters into account", async () => {
  let again = 3;
  const { clock, queue, push, expired } = bench(() => {
    if (again-- > 0) push(5);
  });
  push(10);
  push(10);
  await clock.advance(10);
  assertEquals([expired.length, queue.size, clock.pending], [2, 2, 1]);
  await clock.advance(5);
  assertEquals([expired.length, queue.size, clock.pending], [4, 1, 1]);
  await clock.advance(5);
  assertEquals([expired.length, queue.size, clock.pending], [5, 0, 0]);
});

test("WaiterQueue keeps to one timer when somebody queues while hundreds expire", async () => {
  let again = 1;
  const { clock, queue, push, expired } = bench(() => {
    if (again-- > 0) queueMicrotask(() => push(1_000));
  });
  for (let i = 0; i < 500; i++) push(10);
  await clock.advance(10);
  assertEquals([expired.length, queue.size], [500, 1]);
  assertEquals(clock.timers(), [{ dueMs: 1_010, referenced: true }]);
  queue.shift();
  assertEquals(clock.referenced, 0);
  queue.dispose();
  assertEquals(clock.pending, 0);
});

test("WaiterQueue.takeExpired() takes into account who left meanwhile", async () => {
  const { clock, queue, push, expired } = bench(() => shiftAll(queue));
  for (const timeoutMs of [10, 10, 5, 20]) push(timeoutMs);
  await clock.advance(30);
  assertEquals([expired.length, queue.size, clock.pending], [1, 0, 0]);
});

test("WaiterQueue.dispose() leaves no timer, and may be called without one", () => {
  const { clock, queue, push } = bench();
  queue.dispose();
  push(10);
  queue.shift();
  queue.dispose();
  assertEquals(clock.pending, 0);
});

test("WaiterQueue agrees with an array, whoever leaves whenever", async () => {
  const timeout = fc.oneof(fc.constant(20), fc.constant(Infinity), fc.integer({ min: 1, max: 60 }));
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        push: timeout,
        high: fc.oneof(fc.constant(false), fc.constant(false), fc.boolean()),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ shift: true }) },
    { weight: 2, arbitrary: fc.record({ remove: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ advance: fc.integer({ min: 0, max: 30 }) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { clock, queue, push, expired } = bench();
      let present: Waiter<string>[] = [];
      for (const step of steps) {
        if ("push" in step) {
          const waiter = push(step.push, step.high);
          const place = present.findIndex(({ wish }) => !wish.high);
          present.splice(step.high && place >= 0 ? place : present.length, 0, waiter);
        } else if ("shift" in step) assertStrictEquals(queue.shift(), present.shift());
        else if ("remove" in step) {
          const [waiter] = present.splice(step.remove % Math.max(1, present.length), 1);
          if (waiter !== undefined) queue.remove(waiter);
        } else {
          const told = expired.length;
          await clock.advance(step.advance);
          const due = present.filter(({ deadline }) => deadline <= clock.now());
          present = present.filter(({ deadline }) => deadline > clock.now());
          assertEquals(new Set(expired.slice(told)), new Set(due));
          const deadlines = expired.slice(told).map(({ deadline }) => deadline);
          assertEquals(deadlines, deadlines.toSorted((a, b) => a - b));
        }
        assertEquals(queue.size, present.length);
        assertEquals(queue.line(false).high, present.filter(({ wish }) => wish.high).length);
        assertStrictEquals(queue.head, present[0]);
        assert(clock.pending <= 1);
        // Nobody's deadline is forgotten, and nothing holds the process in vain.
        const next = Math.min(...present.map(({ deadline }) => deadline));
        if (next < Infinity) assert(must(clock.timers()[0]).dueMs <= next);
        assertEquals(clock.referenced > 0, clock.pending > 0 && present.length > 0);
      }
      assertEquals(shiftAll(queue), present);
    }),
  );
});
