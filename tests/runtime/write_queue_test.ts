import { assertEquals, assertStrictEquals } from "@std/assert";
import { WriteQueue } from "../../src/runtime/write_queue.ts";
import { test } from "../support/harness.ts";

const KIB = 1024;

function bytes(size: number, value = 0): Uint8Array {
  return new Uint8Array(size).fill(value);
}

test("WriteQueue.take() hands over a single piece without copying it", () => {
  const queue = new WriteQueue();
  const piece = bytes(10);
  queue.push(piece);
  assertEquals(queue.bytes, 10);
  assertStrictEquals(queue.take(), piece);
  assertEquals(queue.bytes, 0);
});

test("WriteQueue.take() joins small pieces", () => {
  const queue = new WriteQueue();
  for (let i = 0; i < 100; i++) queue.push(bytes(3, i));
  const taken = queue.take();
  assertEquals(taken.byteLength, 300);
  assertEquals([...taken.subarray(0, 7)], [0, 0, 0, 1, 1, 1, 2]);
  assertEquals([...taken.subarray(297)], [99, 99, 99]);
  assertEquals(queue.bytes, 0);
});

test("WriteQueue.take() joins no more than 64 KiB, and keeps the order", () => {
  const queue = new WriteQueue();
  const sizes = [40 * KIB, 24 * KIB, 1, 100 * KIB, 2];
  sizes.forEach((size, index) => queue.push(bytes(size, index)));
  const taken: number[][] = [];
  while (queue.bytes > 0) {
    const piece = queue.take();
    taken.push([piece.byteLength, piece[0] ?? -1, piece.at(-1) ?? -1]);
  }
  assertEquals(taken, [[64 * KIB, 0, 1], [1, 2, 2], [100 * KIB, 3, 3], [2, 4, 4]]);
});

test("WriteQueue.take() takes nothing from an empty queue", () => {
  const queue = new WriteQueue();
  assertEquals(queue.take().byteLength, 0);
  queue.push(bytes(5));
  queue.clear();
  assertEquals(queue.bytes, 0);
  assertEquals(queue.take().byteLength, 0);
});

test("WriteQueue ignores empty pieces", () => {
  const queue = new WriteQueue();
  queue.push(bytes(0));
  assertEquals(queue.bytes, 0);
  queue.push(bytes(2, 7));
  assertEquals([...queue.take()], [7, 7]);
});
