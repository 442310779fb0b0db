import { assertEquals, assertThrows } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import type { CloseReason } from "../../../src/core/observer.ts";
import { Shrinking, Sizing } from "../../../src/core/sizing.ts";
import type { Slot, SlotState } from "../../../src/core/slot.ts";
import { test } from "../../support/harness.ts";
import { addSlot } from "./slots.ts";

const LIMITS = {
  max: 5,
  minIdle: 2,
  maxIdle: undefined,
  maxPendingConnects: undefined,
  reserved: 1,
};

test("Sizing.resize() takes along what was not given", () => {
  const sizing = new Sizing(LIMITS, Infinity);
  assertEquals([sizing.max, sizing.maxIdle, sizing.maxPendingConnects], [5, 5, 5]);
  sizing.resize(7);
  assertEquals([sizing.max, sizing.maxIdle, sizing.maxPendingConnects], [7, 7, 7]);
  const given = new Sizing({ ...LIMITS, maxIdle: 3, maxPendingConnects: 1 }, Infinity);
  given.resize(9);
  assertEquals([given.max, given.maxIdle, given.maxPendingConnects], [9, 3, 1]);
});

test("Sizing.resize() refuses what contradicts the other limits, and changes nothing", () => {
  const sizing = new Sizing(LIMITS, Infinity);
  for (const max of [0, 1, 2.5, Infinity]) assertThrows(() => sizing.resize(max), RangeError);
  const reserving = new Sizing({ ...LIMITS, minIdle: 0, reserved: 2 }, Infinity);
  assertThrows(() => reserving.resize(2), RangeError, "reserved must be less than max");
  const single = new Sizing({ ...LIMITS, max: 1, minIdle: 0, reserved: 0 }, 1);
  assertThrows(() => single.resize(2), RangeError, 'sharing is "single"');
  assertEquals([sizing.max, reserving.max, single.max], [5, 5, 1]);
});

function bench(states: readonly SlotState[], max: number, maxIdle = max) {
  const bag = new Bag<string>();
  const sizes = { max, minIdle: 0, maxIdle, maxPendingConnects: max, reserved: 0 };
  const slots = states.map((state) => addSlot(bag, state));
  for (const slot of slots) slot.plainUntil = 1_000;
  const said: unknown[] = [];
  const number = (slot: Slot<string>) => slots.indexOf(slot);
  const shrinking = new Shrinking<string>({
    sizes,
    bag,
    removal: {
      close: (slot, reason) => {
        said.push([number(slot), reason]);
        bag.move(slot, "closing");
      },
      retire: (slot: Slot<string>, reason: CloseReason) =>
        said.push(["retire", number(slot), reason]),
    },
  });
  return { said, shrinking, slots };
}

test("Shrinking closes idle ones, the longest unused first, then connects, then what is checked; no more than needed", () => {
  const states = ["checking", "idle", "used", "connecting", "idle", "closing"] as const;
  const { said, shrinking, slots } = bench(states, 2);
  assertEquals(shrinking.excess, 3);
  shrinking.shrink();
  assertEquals(said, [[1, "resized"], [4, "resized"], [3, "resized"]]);
  assertEquals(shrinking.excess, 0);
  assertEquals(slots.map(({ plainUntil }) => plainUntil), [
    1_000,
    1_000,
    1_000,
    1_000,
    1_000,
    1_000,
  ]);
});

test("Shrinking has what is lent looked at when it comes back, and lets shared ones come to their end", () => {
  const { said, shrinking, slots } = bench(["used", "used", "used"], 2);
  for (const slot of slots.slice(1)) slot.shares = 5;
  shrinking.shrink();
  assertEquals(said, [["retire", 1, "resized"]]);
  assertEquals([shrinking.excess, slots.map(({ plainUntil }) => plainUntil)], [1, [0, 0, 0]]);
});

test("Shrinking.trim() closes the idle above maxIdle, the longest unused first", () => {
  const { said, shrinking } = bench(["idle", "used", "idle", "idle"], 4, 1);
  shrinking.trim();
  shrinking.trim();
  assertEquals(said, [[0, "surplus"], [2, "surplus"]]);
});
