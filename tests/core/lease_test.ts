import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { LeaseReleasedError } from "../../src/core/errors.ts";
import { PoolLease } from "../../src/core/lease.ts";
import { Slot } from "../../src/core/slot.ts";
import { test } from "../support/harness.ts";

interface Bench {
  readonly lease: PoolLease<string>;
  readonly slot: Slot<string>;
  readonly calls: unknown[];
}

function bench(): Bench {
  const slot = new Slot<string>(0);
  slot.state = "used";
  slot.connection = "the connection";
  const calls: unknown[] = [];
  const lease = new PoolLease<string>({
    takeBack: (slot) => calls.push("takeBack", slot),
    discard: (slot) => calls.push("discard", slot),
  }, slot);
  return { lease, slot, calls };
}

test("PoolLease gives the connection until it is released (A-15)", () => {
  const { lease } = bench();
  assertStrictEquals(lease.connection, "the connection");
  assertEquals([lease.released, lease.lost, lease.epoch], [false, false, 0]);
  lease.release();
  assertEquals([lease.released, lease.lost], [true, false]);
  assertThrows(() => lease.connection, LeaseReleasedError);
  assertThrows(() => lease.epoch, LeaseReleasedError);
});

test("PoolLease.release() gives back once, whatever follows (A-16, A-17, Y-11)", () => {
  const { lease, slot, calls } = bench();
  lease.release();
  lease.release();
  lease.destroy();
  lease[Symbol.dispose]();
  assertEquals(calls, ["takeBack", slot]);
});

test("PoolLease.destroy() gives up once, whatever follows", () => {
  const { lease, slot, calls } = bench();
  lease.destroy();
  lease.destroy();
  lease.release();
  assertEquals(calls, ["discard", slot]);
  assertThrows(() => lease.connection, LeaseReleasedError);
});

test("PoolLease is released at the end of `using` and `await using` (A-18)", async () => {
  const first = bench();
  {
    using _lease = first.lease;
  }
  assertEquals(first.calls, ["takeBack", first.slot]);
  const second = bench();
  {
    await using _lease = second.lease;
  }
  assertEquals(second.calls, ["takeBack", second.slot]);
});

test("PoolLease is dead before the home hears of it: a callback cannot use it", () => {
  const slot = new Slot<string>(0);
  slot.connection = "the connection";
  const lease = new PoolLease<string>({
    takeBack: () => assertThrows(() => lease.connection, LeaseReleasedError),
    discard: () => {},
  }, slot);
  lease.release();
});

test("PoolLease.lost tells that the connection is gone; the lease never finds another", () => {
  const { lease, slot } = bench();
  slot.state = "gone";
  assertEquals(lease.lost, true);
  assertStrictEquals(lease.connection, "the connection");
});
