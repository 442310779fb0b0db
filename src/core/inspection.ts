/**
 * What can be seen of a pool's connections.
 *
 * @module
 */

import type { Driver } from "./driver.ts";
import type { Slot, SlotState } from "./slot.ts";

/** One connection of a pool at one instant. */
export interface ConnectionInfo {
  /** Number of the connection, unique in its pool; 0 while it is being opened. */
  readonly epoch: number;
  /** What the pool does with it. */
  readonly state: Exclude<SlotState, "gone">;
  /** Process id of the server's end, where the driver knows it. */
  readonly pid: number | undefined;
  /** Number of its generation: how many had ended when it was opened; -1 once `evict` named it. */
  readonly generation: number;
  /** Whether it is to be replaced as soon as it can be. */
  readonly retiring: boolean;
  /** How long it has been open, in milliseconds; 0 while it is being opened. */
  readonly ageMs: number;
  /** How often it was lent. */
  readonly uses: number;
  /** For how long nobody has used it, in milliseconds; 0 unless it is idle or being checked. */
  readonly idleMs: number;
  /** How long it has been in use, in milliseconds; 0 if it is not. */
  readonly heldMs: number;
  /** The `label` of the acquire of who has it for itself. */
  readonly label: string | undefined;
  /** Where that was made; only of some, and only with `leakAfterMs`. */
  readonly stack: string | undefined;
  /** How many single statements, or leases of `acquireShared()`, share it; 0 while one borrower has it for itself. */
  readonly shares: number;
  /** Its last statement without any values, where the driver knows it. */
  readonly statement: string | undefined;
}

/**
 * Looks at connections.
 *
 * @param driver Knows more of them.
 * @param slots Their slots.
 * @param now The time.
 * @returns One element for each, by number.
 */
export function inspect<C>(
  driver: Pick<Driver<C>, "describe">,
  slots: Iterable<Slot<C>>,
  now: number,
): ConnectionInfo[] {
  const all: ConnectionInfo[] = [];
  for (const slot of slots) {
    all.push(inspectSlot(driver, slot, now));
  }
  return all.sort((one, other) => one.epoch - other.epoch);
}

/**
 * Looks at a connection.
 *
 * @param driver Knows more of it.
 * @param slot Its slot, not gone.
 * @param now The time.
 * @returns What is known.
 */
export function inspectSlot<C>(
  driver: Pick<Driver<C>, "describe">,
  slot: Slot<C>,
  now: number,
): ConnectionInfo {
  const { state, connection, steady, generation, retiring, uses } = slot;
  const shares = slot.shares + slot.holders;
  const more = connection === undefined ? undefined : driver.describe?.(connection);
  const isUsed = state === "used";
  const isUnused = state === "idle" || state === "checking";
  const site = isUsed && shares === 0 ? slot.site : undefined;
  return {
    epoch: connection === undefined ? 0 : steady?.epoch ?? 0,
    state: state === "gone" ? "closing" : state,
    pid: more?.pid,
    generation,
    retiring,
    ageMs: connection === undefined ? 0 : now - slot.openedAt,
    uses,
    idleMs: isUnused ? now - slot.usedAt : 0,
    heldMs: isUsed ? now - slot.lentAt : 0,
    label: site?.label,
    stack: site?.stack,
    shares,
    statement: more?.statement,
  };
}
