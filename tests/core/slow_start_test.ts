import { assertEquals } from "@std/assert";
import { SlowStart } from "../../src/core/slow_start.ts";
import { test } from "../support/harness.ts";

test("SlowStart limits nothing until the server was lost", () => {
  const slowStart = new SlowStart({ max: 10 });
  slowStart.succeeded();
  assertEquals(slowStart.limit, Infinity);
});

test("SlowStart allows one connect, and one more for each that succeeds, until that is no limit", () => {
  const slowStart = new SlowStart({ max: 4 });
  slowStart.begin();
  const limits = [slowStart.limit];
  for (let i = 0; i < 4; i++) {
    slowStart.succeeded();
    limits.push(slowStart.limit);
  }
  assertEquals(limits, [1, 2, 3, Infinity, Infinity]);
  slowStart.begin();
  assertEquals(slowStart.limit, 1);
});
