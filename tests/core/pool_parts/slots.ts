/**
 * Slots for the tests of the pool's parts.
 *
 * @module
 */

import type { Bag } from "../../../src/core/bag.ts";
import { Events } from "../../../src/core/observer.ts";
import { Slot, type SlotState } from "../../../src/core/slot.ts";
import { SteadyConnection } from "../../../src/core/steady_connection.ts";
import type { FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";
import type { PoolCounts } from "../../../src/core/stats.ts";

/** Counts for errors. */
export const STATS: PoolCounts = {
  state: "open",
  max: 2,
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

/** Events that nobody watches. */
export const SILENT: Events = new Events(undefined, { name: "test" }, { now: () => 0 });

/** Measures nothing. */
export const UNMEASURED = { over: () => {}, connected: () => {} };

/**
 * Puts a slot into the books that has no connection.
 *
 * @param bag The books.
 * @param state Its state.
 * @param generation Its generation.
 * @returns The slot.
 */
export function addSlot<C>(bag: Bag<C>, state: SlotState, generation = 0): Slot<C> {
  const slot = new Slot<C>(generation);
  bag.add(slot);
  bag.move(slot, state);
  return slot;
}

/**
 * Puts a slot into the books whose connection is open.
 *
 * @param bag The books.
 * @param state Its state.
 * @param driver Opens the connection.
 * @param clock Source of time.
 * @returns The slot.
 */
export async function addOpenSlot(
  bag: Bag<FakeConnection>,
  state: SlotState,
  driver: FakeDriver,
  clock: VirtualClock,
): Promise<Slot<FakeConnection>> {
  const slot = new Slot<FakeConnection>(0);
  slot.steady = new SteadyConnection<FakeConnection>(driver, { clock });
  bag.add(slot);
  slot.connection = await slot.steady.open();
  bag.move(slot, state);
  return slot;
}
