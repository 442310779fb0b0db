import { assertEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import type { LossScope } from "../../../src/core/driver.ts";
import { Generations } from "../../../src/core/generations.ts";
import { Losses } from "../../../src/core/losses.ts";
import { Removal } from "../../../src/core/removal.ts";
import { type FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import { must } from "../setup.ts";
import { test } from "../../support/harness.ts";
import { addOpenSlot, addSlot, SILENT, UNMEASURED } from "./slots.ts";

function bench(scope: LossScope = "single") {
  const clock = new VirtualClock({ startMs: 10_000 });
  const driver = new FakeDriver({ clock });
  driver.lossOf = () => scope;
  const bag = new Bag<FakeConnection>();
  const generations = new Generations(clock, SILENT);
  const life = { isOpen: true };
  const counts = { freed: 0, slow: 0, ended: 0 };
  const freed = () => void counts.freed++;
  const removal = new Removal<FakeConnection>({
    clock,
    bag,
    shared: undefined,
    usage: UNMEASURED,
    commons: { forget: () => {} },
    events: SILENT,
    freed,
  });
  const slowStart = { begin: () => void counts.slow++ };
  const losses = new Losses({
    driver,
    life,
    bag,
    generations,
    slowStart,
    removal,
    events: SILENT,
    ended: () => void counts.ended++,
    freed,
  });
  return { bag, clock, counts, driver, generations, life, losses };
}

test("Losses: one loss raises a doubt, a second within a second ends the generation", () => {
  const { bag, counts, generations, losses } = bench();
  const [first, second, idle, used] = (["idle", "idle", "idle", "used"] as const)
    .map((state) => addSlot(bag, state));
  losses.lost(must(first), undefined);
  assertEquals([generations.doubts, generations.current, counts.freed], [1, 0, 1]);
  losses.lost(must(second), undefined);
  assertEquals([generations.current, counts.slow, counts.ended, counts.freed], [1, 1, 1, 2]);
  assertEquals([idle?.state, used?.state, used?.retiring], ["gone", "used", true]);
});

test("Losses: that an old connection is lost, or any while the pool closes, is no news", () => {
  const { bag, generations, life, losses } = bench("generation");
  losses.lost(addSlot(bag, "used", 7), undefined);
  life.isOpen = false;
  const slot = addSlot(bag, "used");
  assertEquals(losses.isLendable(slot), false);
  losses.lost(slot, undefined);
  assertEquals([generations.doubts, generations.current, bag.total], [0, 0, 0]);
});

test("Losses: our own deadline in a cleaning is a doubt, elsewhere nothing", () => {
  const { bag, generations, losses } = bench("own");
  losses.lost(addSlot(bag, "used"), undefined);
  assertEquals(generations.doubts, 0);
  losses.lost(addSlot(bag, "resetting"), undefined);
  assertEquals(generations.doubts, 1);
});

test("Losses.unanswered() destroys the connection; a second one in a row ends the generation", async () => {
  const { bag, clock, counts, driver, generations, losses } = bench();
  losses.unanswered(await addOpenSlot(bag, "checking", driver, clock));
  assertEquals([bag.total, driver.open, generations.current, counts.freed], [0, 0, 0, 1]);
  await clock.advance(5_000);
  addSlot(bag, "used");
  losses.unanswered(addSlot(bag, "checking"));
  assertEquals(generations.current, 1);
});

test("Losses.condemn() hears nobody who saw it on an old connection, or when the pool closes", async () => {
  const { bag, clock, counts, driver, generations, life, losses } = bench();
  const slot = await addOpenSlot(bag, "used", driver, clock);
  const old = addSlot(bag, "used", 7);
  const stranger = must(slot.connection);
  old.connection = stranger;
  slot.connection = undefined;
  losses.condemn(stranger);
  life.isOpen = false;
  losses.condemn(undefined);
  assertEquals([generations.current, counts.freed], [0, 0]);
  life.isOpen = true;
  losses.condemn(undefined);
  assertEquals([generations.current, counts.freed], [1, 1]);
  losses.condemn(undefined);
  assertEquals([generations.current, counts.freed], [1, 2]);
  slot.steady?.destroy();
});
