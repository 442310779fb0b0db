import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { DeadlineHeap } from "../../src/core/deadline_heap.ts";
import { Waiter } from "../../src/core/waiter.ts";
import { test } from "../support/harness.ts";

function waiter(deadline: number): Waiter<string> {
  return new Waiter<string>(() => {}, () => {}, deadline, deadline);
}

test("DeadlineHeap.first is the earliest, undefined when empty", () => {
  const heap = new DeadlineHeap<string>();
  assertStrictEquals(heap.first, undefined);
  const [late, early] = [waiter(20), waiter(10)];
  heap.add(late);
  heap.add(early);
  assertStrictEquals(heap.first, early);
  heap.remove(early);
  assertStrictEquals(heap.first, late);
  heap.remove(late);
  assertStrictEquals(heap.first, undefined);
});

test("DeadlineHeap.remove() makes the waiter know that it is out", () => {
  const heap = new DeadlineHeap<string>();
  const waiters = [3, 1, 2].map(waiter);
  for (const one of waiters) heap.add(one);
  assert(waiters.every(({ heapIndex }) => heapIndex >= 0));
  for (const one of waiters) {
    heap.remove(one);
    assertEquals(one.heapIndex, -1);
  }
});

test("DeadlineHeap agrees with a sorted array", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ add: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ remove: fc.nat() }) },
    { weight: 1, arbitrary: fc.constant({ removeFirst: true }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const heap = new DeadlineHeap<string>();
      const present: Waiter<string>[] = [];
      for (const step of steps) {
        if ("add" in step) {
          const added = waiter(step.add);
          heap.add(added);
          present.push(added);
        } else {
          const leaving = "remove" in step ? present[step.remove % present.length] : heap.first;
          if (leaving === undefined) continue;
          heap.remove(leaving);
          present.splice(present.indexOf(leaving), 1);
        }
        const sorted = present.map(({ deadline }) => deadline).sort((a, b) => a - b);
        assertStrictEquals(heap.first?.deadline, sorted[0]);
        assertEquals(new Set(present.map(({ heapIndex }) => heapIndex)).size, present.length);
      }
      const rest: number[] = [];
      for (let first = heap.first; first !== undefined; first = heap.first) {
        rest.push(first.deadline);
        heap.remove(first);
      }
      assertEquals(rest, present.map(({ deadline }) => deadline).sort((a, b) => a - b));
    }),
  );
});
