import { assertEquals } from "@std/assert";
import { Slot } from "../../../src/core/slot.ts";
import { SteadyConnection } from "../../../src/core/steady_connection.ts";
import { Trust } from "../../../src/core/trust.ts";
import { TurnClock } from "../../../src/core/turn_clock.ts";
import { type FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";

async function bench(options = {}, maxUses = Infinity) {
  const clock = new VirtualClock();
  const driver = new FakeDriver({ clock });
  const generations = { doubts: 0 };
  const outage = { on: false };
  const turn = new TurnClock(clock, () => generations.doubts++);
  const trust = new Trust<FakeConnection>(turn, generations, outage, {
    checkAfterIdleMs: 5_000,
    idleTimeoutMs: Infinity,
    looksTwice: false,
    ...options,
  });
  const slot = new Slot<FakeConnection>(0);
  slot.steady = new SteadyConnection<FakeConnection>(driver, { clock, maxUses });
  await slot.steady.open();
  /** Lets time go by, and looks at the clock. */
  const pass = async (ms: number) => {
    await clock.advance(ms);
    turn.now();
  };
  return { clock, generations, outage, slot, steady: slot.steady, trust, turn, pass };
}

test("Trust.isFresh() takes one second, a retiring connection and doubts into account", async () => {
  const { generations, slot, trust, pass } = await bench();
  assertEquals(trust.isFresh(slot), true);
  await pass(1_000);
  assertEquals(trust.isFresh(slot), true);
  slot.retiring = true;
  assertEquals(trust.isFresh(slot), false);
  slot.retiring = false;
  generations.doubts++;
  assertEquals([trust.isFresh(slot), trust.isTrusted(slot)], [false, false]);
  slot.cleared = 1;
  assertEquals([trust.isFresh(slot), trust.isTrusted(slot)], [true, true]);
  await pass(1);
  assertEquals([trust.isFresh(slot), trust.isRestless(slot)], [false, false]);
  await pass(4_000);
  assertEquals(trust.isRestless(slot), true);
});

test("Trust with checkAfterIdleMs 0 never lends unasked", async () => {
  const { slot, trust } = await bench({ checkAfterIdleMs: 0 });
  assertEquals([trust.isFresh(slot), trust.isRestless(slot)], [false, true]);
});

test("Trust.isWorn() takes nothing for too old while the server cannot be had", async () => {
  const { outage, slot, steady, trust } = await bench({ looksTwice: true }, 1);
  assertEquals([trust.isWorn(slot), trust.isWornByNow(slot), slot.retiring], [false, false, false]);
  steady.countUse();
  outage.on = true;
  assertEquals([trust.isWorn(slot), trust.isWornByNow(slot), slot.retiring], [false, false, true]);
  outage.on = false;
  assertEquals([trust.isWorn(slot), trust.isWornByNow(slot)], [true, true]);
});

test("Trust.isWornByNow() looks once a second, unless each return needs it", async () => {
  const { slot, trust, pass } = await bench();
  assertEquals([trust.isWornByNow(slot), trust.isPlain(slot)], [false, true]);
  await pass(999);
  assertEquals(trust.isPlain(slot), true);
  await pass(1);
  assertEquals(trust.isPlain(slot), false);
  const other = await bench({ looksTwice: true });
  assertEquals(other.trust.isWornByNow(other.slot), false);
  assertEquals(other.trust.isPlain(other.slot), false);
});
