import { assertEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import { Checking } from "../../../src/core/checking.ts";
import type { Slot } from "../../../src/core/slot.ts";
import { type FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { addOpenSlot, SILENT } from "./slots.ts";

type FakeSlot = Slot<FakeConnection>;

async function bench(idle: number) {
  const clock = new VirtualClock();
  const driver = new FakeDriver({ clock });
  const bag = new Bag<FakeConnection>();
  const queue = { size: 0 };
  const generations = { doubts: 3 };
  const life = { isOpen: true };
  const ready: FakeSlot[] = [];
  const said: unknown[] = [];
  const lending = {
    mayServe: true,
    takeReady: () => ready.pop(),
    serve: (slot: FakeSlot) => {
      queue.size--;
      said.push("served", slot);
      return true;
    },
  };
  const checking = new Checking<FakeConnection>({
    checkTimeoutMs: 100,
    clock,
    life,
    bag,
    demand: { of: () => queue.size },
    lending,
    generations,
    events: SILENT,
    answered: (slot, doubts) => said.push("answered", slot, doubts),
    unanswered: (slot) => said.push("unanswered", slot),
  });
  const slots: FakeSlot[] = [];
  for (let i = 0; i < idle; i++) slots.push(await addOpenSlot(bag, "idle", driver, clock));
  const end = () => slots.forEach(({ steady }) => steady?.destroy());
  return {
    bag,
    checking,
    clock,
    driver,
    end,
    generations,
    lending,
    life,
    queue,
    ready,
    said,
    slots,
  };
}

test("Checking checks as many as there are waiters", async () => {
  const { bag, checking, clock, end, queue, said, slots } = await bench(3);
  checking.checkIdle();
  assertEquals(bag.counts.checking, 0);
  queue.size = 2;
  checking.checkIdle();
  checking.checkIdle();
  assertEquals(bag.counts.checking, 2);
  await clock.settle();
  assertEquals(said, ["answered", slots[2], 3, "answered", slots[1], 3]);
  end();
});

test("Checking lends what needs no check, and leaves all to who is serving, or closing", async () => {
  const { bag, checking, end, lending, life, queue, ready, said, slots: [slot] } = await bench(2);
  queue.size = 1;
  lending.mayServe = false;
  checking.checkIdle();
  lending.mayServe = true;
  life.isOpen = false;
  checking.checkIdle();
  assertEquals([said, bag.counts.checking], [[], 0]);
  life.isOpen = true;
  if (slot !== undefined) ready.push(slot);
  checking.checkIdle();
  assertEquals([said, bag.counts.checking], [["served", slot], 0]);
  end();
});

test("Checking says who gave no sign of life in time, by the doubts of when it was asked", async () => {
  const { checking, clock, driver, end, generations, queue, said, slots } = await bench(2);
  queue.size = 2;
  driver.hold("ping", 1);
  checking.checkIdle();
  generations.doubts = 4;
  await clock.settle();
  assertEquals(said, ["answered", slots[0], 3]);
  await clock.advance(100);
  assertEquals(said.slice(3), ["unanswered", slots[1]]);
  end();
});

test("Checking says nothing of what became something else meanwhile", async () => {
  const { bag, checking, clock, end, queue, said, slots: [slot] } = await bench(1);
  queue.size = 1;
  checking.checkIdle();
  if (slot !== undefined) bag.move(slot, "closing");
  await clock.settle();
  assertEquals(said, []);
  end();
});
