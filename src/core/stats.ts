/**
 * The pool's counts at one instant.
 *
 * @module
 */

/** Life of a pool: it lends; it waits for what is lent; it is gone. */
export type PoolState = "open" | "draining" | "closed";

/** The pool's counts at one instant; `connecting` to `closing` add up to `total`, which never exceeds `max`. */
export interface PoolStats {
  /** Whether the pool lends. */
  readonly state: PoolState;
  /** Limit on {@linkcode PoolStats.total}. */
  readonly max: number;
  /** Connections in any state. */
  readonly total: number;
  /** Being opened. */
  readonly connecting: number;
  /** Ready to be lent. */
  readonly idle: number;
  /** Lent. */
  readonly used: number;
  /** Asked for a sign of life before they are lent. */
  readonly checking: number;
  /** Cleaned after use. */
  readonly resetting: number;
  /** Being closed. */
  readonly closing: number;
  /** Acquires that wait. */
  readonly waiters: number;
}

/**
 * Puts the counts in words, for messages.
 *
 * @param stats The counts.
 * @returns Such as `"10 of 10 connections: 10 used; 3 waiters"`.
 */
export function describeStats(stats: PoolStats): string {
  const parts: string[] = [];
  for (const state of ["connecting", "idle", "used", "checking", "resetting", "closing"] as const) {
    if (stats[state] > 0) parts.push(`${stats[state]} ${state}`);
  }
  const states = parts.length > 0 ? `: ${parts.join(", ")}` : "";
  return `${stats.total} of ${stats.max} connections${states}; ${stats.waiters} waiting`;
}
