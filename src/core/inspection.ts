/**
 * What can be seen of a connection.
 *
 * @module
 */

import type { Slot, SlotState } from "./slot.ts";

/** One connection of a pool at one instant. */
export interface ConnectionInfo {
  /** What it is doing. */
  readonly state: Exclude<SlotState, "gone">;
  /** Number of the physical connection, unique in its pool; 0 before it is open. */
  readonly epoch: number;
  /** Since when it is open, in milliseconds; 0 before. */
  readonly ageMs: number;
  /** For how long nobody has used it, in milliseconds; 0 unless it is idle or being checked. */
  readonly idleMs: number;
  /** How many single statements share it now. */
  readonly shares: number;
}

/**
 * Looks at a connection.
 *
 * @param slot Its slot, not gone.
 * @param now The monotonic time.
 * @returns What is seen.
 */
export function inspectSlot<C>(slot: Slot<C>, now: number): ConnectionInfo {
  const { state, steady, shares, usedAt } = slot;
  const isUnused = state === "idle" || state === "checking";
  return {
    state: state === "gone" ? "closing" : state,
    epoch: steady?.epoch ?? 0,
    ageMs: Math.max(0, now - (steady?.openedAt ?? now)),
    idleMs: isUnused ? Math.max(0, now - usedAt) : 0,
    shares,
  };
}
