/**
 * Who has had a connection for long.
 *
 * @module
 */

import { callSite } from "./site.ts";
import type { Slot } from "./slot.ts";

/** Who has a connection. */
export interface Holder {
  /** Number of the connection, unique in its pool. */
  readonly epoch: number;
  /** How long it has been held, in milliseconds. */
  readonly heldMs: number;
  /** The `label` of its acquire. */
  readonly label: string | undefined;
  /** Where it was acquired; only of some, and only with `leakAfterMs`. */
  readonly stack: string | undefined;
}

/** How many are named. */
const MOST = 3;

/**
 * Describes who has a connection.
 *
 * @param slot Its slot.
 * @param now The time.
 * @returns What is known.
 */
export function holderOf<C>(slot: Slot<C>, now: number): Holder {
  const { steady, lentAt, site } = slot;
  return {
    epoch: steady?.epoch ?? 0,
    heldMs: now - lentAt,
    label: site?.label,
    stack: site?.stack,
  };
}

/**
 * Finds who has had a connection for itself longest.
 *
 * @param slots All slots.
 * @param now The time.
 * @returns Up to three, the longest first.
 */
export function longestHolders<C>(slots: Iterable<Slot<C>>, now: number): Holder[] {
  const longest: Slot<C>[] = [];
  for (const slot of slots) {
    if (slot.state !== "used" || slot.shares + slot.holders > 0) continue;
    const index = longest.findIndex(({ lentAt }) => lentAt > slot.lentAt);
    longest.splice(index < 0 ? longest.length : index, 0, slot);
    longest.length = Math.min(longest.length, MOST);
  }
  return longest.map((slot) => holderOf(slot, now));
}

/**
 * Puts holders in words, for messages.
 *
 * @param holders Who.
 * @returns Such as `"import" for 812 ms, connection 3 for 20 ms`.
 */
export function describeHolders(holders: readonly Holder[]): string {
  return holders.map((holder) => `${nameOf(holder)} for ${holder.heldMs} ms`).join(", ");
}

function nameOf({ epoch, label, stack }: Holder): string {
  if (label !== undefined) return `"${label}"`;
  return (stack === undefined ? undefined : callSite(stack)) ?? `connection ${epoch}`;
}
