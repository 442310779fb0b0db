import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { seededRandom } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";

function draw(seed: number, count: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, random);
}

test("seededRandom() gives the same numbers for the same seed, others for another", () => {
  assertEquals(draw(7, 100), draw(7, 100));
  assertNotEquals(draw(7, 100), draw(8, 100));
  assertEquals(draw(7, 5), draw(7 + 2 ** 32, 5));
});

test("seededRandom() spreads its numbers evenly from 0 to 1", () => {
  const tenths = Array.from({ length: 10 }, () => 0);
  for (const number of draw(1, 100_000)) {
    assert(number >= 0 && number < 1);
    tenths[Math.floor(number * 10)] = (tenths[Math.floor(number * 10)] ?? 0) + 1;
  }
  for (const count of tenths) assert(Math.abs(count - 10_000) < 500, String(tenths));
});
