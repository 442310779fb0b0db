import { assertEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import { Demand } from "../../../src/core/demand.ts";
import { Slot, type SlotState } from "../../../src/core/slot.ts";
import { Waiter } from "../../../src/core/waiter.ts";
import { WaiterQueue } from "../../../src/core/waiter_queue.ts";
import {
  EXCLUSIVE,
  FOR_MANY,
  FOR_ONE,
  READER_FOR_MANY,
  type Wish,
} from "../../../src/core/wish.ts";
import { VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";

function bench(max: number, reserved = 0) {
  const bag = new Bag<string>();
  const queue = new WaiterQueue<string>(new VirtualClock(), () => {});
  const commons = { free: 2 };
  const suspension = { on: false };
  const patience = { hanging: () => 0 };
  const demand = new Demand<string>({
    sizes: { max, reserved },
    suspension,
    bag,
    queue,
    commons,
    patience,
  });
  const wait = (wish: Wish, since = 0) =>
    queue.push(new Waiter<string>(() => {}, () => {}, Infinity, Infinity, wish, since));
  const add = (state: SlotState, reader = false): Slot<string> => {
    const slot = new Slot<string>(0, reader);
    bag.add(slot);
    bag.move(slot, state);
    return slot;
  };
  return { add, bag, commons, demand, patience, queue, suspension, wait };
}

test("Demand counts one connection for each who waits, and none while nothing is lent", () => {
  const { demand, suspension, wait } = bench(5);
  assertEquals([demand.count, demand.next], [0, undefined]);
  for (let i = 0; i < 7; i++) wait(EXCLUSIVE);
  assertEquals([demand.of(false), demand.of(true), demand.count, demand.next], [7, 0, 7, false]);
  suspension.on = true;
  assertEquals([demand.count, demand.next], [0, undefined]);
});

test("Demand counts for those who share no more than may be shared", () => {
  const { commons, demand, wait } = bench(5);
  for (let i = 0; i < 100; i++) wait(FOR_MANY.normal);
  wait(EXCLUSIVE);
  assertEquals(demand.of(false), 3);
  commons.free = 0;
  assertEquals(demand.of(false), 1);
});

test("Demand counts one more for each connect that hangs, but no more than wait, and none if none may be shared", () => {
  const { commons, demand, patience, wait } = bench(5);
  patience.hanging = () => 2;
  wait(FOR_MANY.normal);
  assertEquals(demand.of(false), 1);
  for (let i = 0; i < 2; i++) wait(FOR_MANY.normal);
  assertEquals(demand.of(false), 3);
  for (let i = 0; i < 100; i++) wait(FOR_MANY.normal);
  assertEquals(demand.of(false), 4);
  commons.free = 0;
  assertEquals(demand.of(false), 0);
});

test("Demand leaves what is reserved to those of high priority", () => {
  const { add, bag, demand, wait } = bench(3, 1);
  const second = [add("used"), add("used")][1];
  wait(EXCLUSIVE);
  assertEquals([demand.of(false), demand.allows(EXCLUSIVE), demand.allows(FOR_ONE.high)], [
    0,
    false,
    true,
  ]);
  wait(FOR_ONE.high);
  assertEquals(demand.of(false), 1);
  const third = add("used");
  bag.mark(third, true);
  // Of normal priority, it may go from one to the next; of high priority not.
  assertEquals(second && demand.allowsSlot(EXCLUSIVE, second), true);
  assertEquals(demand.allowsSlot(EXCLUSIVE, third), false);
});

test("Demand counts nobody of high priority who shares and may not, where some are reserved", () => {
  const { add, commons, demand, wait } = bench(2, 1);
  add("used");
  wait(FOR_MANY.high);
  wait(EXCLUSIVE);
  assertEquals(demand.of(false), 1);
  commons.free = 0;
  assertEquals(demand.of(false), 0);
  wait(FOR_ONE.high);
  assertEquals(demand.of(false), 1);
});

test("Demand has that kind opened first whose waiter came first, or goes before", () => {
  const { add, demand, wait } = bench(3);
  wait(READER_FOR_MANY.normal, 5);
  wait(EXCLUSIVE, 7);
  assertEquals(demand.next, true);
  add("connecting", true);
  add("connecting", true);
  assertEquals(demand.next, false);
  add("connecting");
  assertEquals(demand.next, undefined);
  const other = bench(3);
  other.wait(READER_FOR_MANY.normal, 5);
  other.wait(FOR_ONE.high, 7);
  assertEquals(other.demand.next, false);
});

test("Demand has a connection make room only for who goes before, and only as many as are needed", () => {
  const { add, demand, wait } = bench(2);
  const [one] = [add("used"), add("used")];
  wait(EXCLUSIVE, 3);
  wait(READER_FOR_MANY.normal, 5);
  assertEquals([demand.inWay(true), demand.isInWay(one)], [1, false]);
  const other = bench(2);
  const [mine] = [other.add("used"), other.add("used")];
  other.wait(READER_FOR_MANY.normal, 3);
  other.wait(EXCLUSIVE, 5);
  assertEquals(other.demand.isInWay(mine), true);
  other.bag.move(mine, "closing");
  assertEquals([other.demand.inWay(true), other.demand.inWay(false)], [0, 0]);
});
