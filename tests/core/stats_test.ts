import { assertEquals } from "@std/assert";
import { describeStats, type PoolCounts } from "../../src/core/stats.ts";
import { test } from "../support/harness.ts";

const NOTHING: PoolCounts = {
  state: "open",
  max: 10,
  total: 0,
  connecting: 0,
  idle: 0,
  used: 0,
  checking: 0,
  resetting: 0,
  closing: 0,
  waiters: 0,
  shared: 0,
  sharedLeases: 0,
  sharing: false,
};

test("describeStats() names what there is, and nothing else", () => {
  assertEquals(describeStats(NOTHING), "0 of 10 connections; 0 waiting");
  assertEquals(
    describeStats({ ...NOTHING, total: 3, idle: 1, used: 2, waiters: 4 }),
    "3 of 10 connections: 1 idle, 2 used; 4 waiting",
  );
  assertEquals(
    describeStats({
      ...NOTHING,
      total: 21,
      connecting: 1,
      idle: 2,
      used: 3,
      checking: 4,
      resetting: 5,
      closing: 6,
    }),
    "21 of 10 connections: 1 connecting, 2 idle, 3 used, 4 checking, 5 resetting, 6 closing; 0 waiting",
  );
});
