import { assertEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import { Removal } from "../../../src/core/removal.ts";
import type { SlotState } from "../../../src/core/slot.ts";
import { type FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { addOpenSlot, SILENT, UNMEASURED } from "./slots.ts";

function bench() {
  const clock = new VirtualClock();
  const driver = new FakeDriver({ clock });
  const bag = new Bag<FakeConnection>();
  const freed: number[] = [];
  const forgotten: number[] = [];
  const shared = { forget: (_slot: unknown, count: number) => forgotten.push(count) };
  const removal = new Removal<FakeConnection>({
    clock,
    bag,
    shared,
    usage: UNMEASURED,
    commons: { forget: () => {} },
    events: SILENT,
    freed: () => freed.push(bag.total),
  });
  const add = (state: SlotState) => addOpenSlot(bag, state, driver, clock);
  return { add, bag, clock, driver, forgotten, freed, removal };
}

test("Removal.close() keeps the place until the connection is closed", async () => {
  const { add, clock, driver, freed, removal } = bench();
  const slot = await add("idle");
  driver.hold("close");
  removal.close(slot);
  await clock.settle();
  assertEquals([slot.state, freed], ["closing", []]);
  driver.restore("close");
  for (const call of driver.held()) call.answer();
  await clock.settle();
  assertEquals([slot.state, freed, driver.open], ["gone", [0], 0]);
});

test("Removal.destroy() frees the place at once; discard() and drop() leave that to the caller", async () => {
  const { add, driver, forgotten, freed, removal } = bench();
  const [first, second, third] = [await add("used"), await add("used"), await add("used")];
  first.shares = 3;
  removal.destroy(first);
  assertEquals([first.state, freed, forgotten, driver.open], ["gone", [2], [3], 2]);
  removal.discard(second);
  assertEquals([second.state, freed, driver.open], ["gone", [2], 1]);
  const cleaning = third.cleaning = new AbortController();
  removal.drop(third);
  assertEquals([third.state, freed, driver.open], ["gone", [2], 1]);
  assertEquals(cleaning.signal.aborted, true);
  third.steady?.destroy();
});

test("Removal.closeUnused() closes what nobody has; retireAll() and destroyAll() spare none", async () => {
  const { add, bag, driver, removal } = bench();
  const states = ["connecting", "idle", "used", "checking", "resetting"] as const;
  const slots = [];
  for (const state of states) slots.push(await add(state));
  for (const slot of slots) slot.plainUntil = 1_000;
  removal.retireAll("evicted");
  assertEquals(slots.map((slot) => [slot.retiring, slot.plainUntil]), slots.map(() => [true, 0]));
  removal.closeUnused();
  assertEquals(slots.map(({ state }) => state), [
    "closing",
    "closing",
    "used",
    "closing",
    "resetting",
  ]);
  removal.destroyAll();
  assertEquals([bag.total, driver.open], [0, 0]);
});

test("Removal.condemn() closes what nobody has, and lets nothing be lent again", async () => {
  const { add, driver, removal } = bench();
  const slots = [await add("idle"), await add("used"), await add("connecting")];
  for (const slot of slots) removal.condemn(slot, "evicted");
  assertEquals(slots.map(({ state }) => state), ["closing", "used", "closing"]);
  assertEquals(slots.map(({ generation, reason }) => [generation < 0, reason]), [
    [true, "evicted"],
    [true, "evicted"],
    [true, "evicted"],
  ]);
  removal.destroyAll();
  assertEquals(driver.open, 0);
});
