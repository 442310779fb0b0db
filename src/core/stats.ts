/**
 * The pool's counts at one instant.
 *
 * @module
 */

/** Life of a pool: it lends; it does not for the time being; it waits for what is lent; it is gone. */
export type PoolState = "open" | "suspended" | "draining" | "closed";

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
 * @returns Such as `"10 of 10 connections: 10 used; 3 waiting"`.
 */
export function describeStats(stats: PoolStats): string {
  // By hand, as a hundred thousand deadlines may pass at once: a loop over the names cost half of what each error does.
  let states = "";
  if (stats.connecting > 0) states += `, ${stats.connecting} connecting`;
  if (stats.idle > 0) states += `, ${stats.idle} idle`;
  if (stats.used > 0) states += `, ${stats.used} used`;
  if (stats.checking > 0) states += `, ${stats.checking} checking`;
  if (stats.resetting > 0) states += `, ${stats.resetting} resetting`;
  if (stats.closing > 0) states += `, ${stats.closing} closing`;
  const suspended = stats.state === "suspended" ? "; suspended" : "";
  const colon = states === "" ? "" : `:${states.slice(1)}`;
  return `${stats.total} of ${stats.max} connections${colon}; ${stats.waiters} waiting${suspended}`;
}
