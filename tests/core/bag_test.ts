import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { Bag, type CountedState } from "../../src/core/bag.ts";
import { Slot, type SlotState } from "../../src/core/slot.ts";
import { test } from "../support/harness.ts";

const STATES: readonly CountedState[] = [
  "connecting",
  "idle",
  "used",
  "checking",
  "resetting",
  "closing",
];

function filled(count: number): { bag: Bag<string>; slots: Slot<string>[] } {
  const bag = new Bag<string>();
  const slots = Array.from({ length: count }, () => new Slot<string>(0));
  for (const slot of slots) bag.add(slot);
  return { bag, slots };
}

test("Bag.add() counts a new slot as connecting", () => {
  const { bag, slots } = filled(3);
  assertEquals([bag.total, bag.counts.connecting, bag.counts.idle], [3, 3, 0]);
  assertEquals([...bag.slots()], slots);
});

test("Bag.move() keeps the counts through every state", () => {
  const { bag, slots: [slot] } = filled(1);
  assert(slot !== undefined);
  for (const state of STATES) {
    bag.move(slot, state);
    assertEquals(slot.state, state);
    assertEquals(STATES.filter((one) => bag.counts[one] === 1), [state]);
    assertEquals(bag.total, 1);
  }
});

test("Bag.move() to gone takes the slot out of the books, for good", () => {
  const { bag, slots: [slot] } = filled(1);
  assert(slot !== undefined);
  bag.move(slot, "idle");
  bag.move(slot, "gone");
  assertEquals([bag.total, [...bag.slots()], bag.takeIdle()], [0, [], undefined]);
  bag.move(slot, "idle");
  assertEquals([slot.state, bag.total, bag.counts.idle], ["gone", 0, 0]);
  assertEquals(STATES.map((state) => bag.counts[state]), [0, 0, 0, 0, 0, 0]);
});

test("Bag.move() to the same state changes nothing", () => {
  const { bag, slots } = filled(2);
  for (const slot of slots) {
    bag.move(slot, "idle");
    bag.move(slot, "idle");
  }
  assertEquals(bag.counts.idle, 2);
  assertStrictEquals(bag.takeIdle(), slots[1]);
  assertStrictEquals(bag.takeIdle(), slots[0]);
  assertStrictEquals(bag.takeIdle(), undefined);
});

test("Bag.takeIdle() lends who came back last, and marks it used", () => {
  const { bag, slots } = filled(3);
  for (const slot of slots) bag.move(slot, "idle");
  const taken = bag.takeIdle();
  assertStrictEquals(taken, slots[2]);
  assertEquals([taken?.state, bag.counts.used, bag.counts.idle], ["used", 1, 2]);
  assertStrictEquals(bag.takeIdle(), slots[1]);
});

test("Bag.restore() puts a slot back where its last use puts it; idle() lists the longest unused first", () => {
  const { bag, slots } = filled(4);
  for (const [index, slot] of slots.entries()) {
    slot.usedAt = index;
    bag.move(slot, "idle");
  }
  const ids = () => bag.idle().map((slot) => slots.indexOf(slot));
  assertEquals(ids(), [0, 1, 2, 3]);
  for (const index of [1, 3, 0, 2]) {
    const slot = slots[index];
    assert(slot !== undefined);
    bag.move(slot, "checking");
    assertEquals([bag.counts.idle, bag.counts.checking], [3, 1]);
    bag.restore(slot);
    bag.restore(slot);
    assertEquals([ids(), bag.counts.idle, bag.counts.checking], [[0, 1, 2, 3], 4, 0]);
  }
  for (const slot of slots) bag.move(slot, "checking");
  for (const index of [2, 0, 3, 1]) {
    const slot = slots[index];
    if (slot !== undefined) bag.restore(slot);
  }
  assertEquals(ids(), [0, 1, 2, 3]);
  for (const index of [3, 2, 1, 0]) assertStrictEquals(bag.takeIdle(), slots[index]);
  assertStrictEquals(bag.top, undefined);
});

test("Bag.restore() does not bring back what is gone", () => {
  const { bag, slots: [slot] } = filled(1);
  assert(slot !== undefined);
  bag.move(slot, "gone");
  bag.restore(slot);
  assertEquals([slot.state, bag.total, bag.counts.idle], ["gone", 0, 0]);
});

test("Bag agrees with an array, whatever leaves whatever place", () => {
  const step = fc.record({
    slot: fc.nat(5),
    to: fc.constantFrom<SlotState | "take">(...STATES, "gone", "take"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { bag, slots } = filled(6);
      const states: SlotState[] = slots.map(() => "connecting");
      const idle: Slot<string>[] = [];
      for (const { slot: index, to } of steps) {
        if (to === "take") {
          const expected = idle.pop();
          assertStrictEquals(bag.takeIdle(), expected);
          if (expected !== undefined) states[slots.indexOf(expected)] = "used";
        } else {
          const slot = slots[index];
          assert(slot !== undefined);
          bag.move(slot, to);
          const from = states[index];
          if (from !== "gone" && from !== to) {
            states[index] = to;
            if (from === "idle") idle.splice(idle.indexOf(slot), 1);
            if (to === "idle") idle.push(slot);
          }
        }
        assertEquals(slots.map(({ state }) => state), states);
        for (const state of STATES) {
          assertEquals(bag.counts[state], states.filter((one) => one === state).length);
        }
        assertEquals(bag.total, states.filter((state) => state !== "gone").length);
      }
      for (let next = idle.pop(); next !== undefined; next = idle.pop()) {
        assertStrictEquals(bag.takeIdle(), next);
      }
      assertStrictEquals(bag.takeIdle(), undefined);
    }),
  );
});
