/**
 * The pool's counts at one instant.
 *
 * @module
 */

import type { PoolCounters } from "./counters.ts";
import type { DurationStats } from "./histogram.ts";

/** Life of a pool: it lends; it does not for the time being; it waits for what is lent; it is gone. */
export type PoolState = "open" | "suspended" | "draining" | "closed";

/** The pool's counts at one instant; `connecting` to `closing` add up to `total`, which never exceeds `max`. */
export interface PoolCounts {
  /** Whether the pool lends. */
  readonly state: PoolState;
  /** Limit on {@linkcode PoolCounts.total}. */
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
  /** Of the used: those that are held by shared leases. */
  readonly shared: number;
  /** Shared leases on them. */
  readonly sharedLeases: number;
  /** Whether leases share connections; `false`: `acquireShared()` gives each a connection of its own. */
  readonly sharing: boolean;
}

/** The pool's counts at one instant, and what has been counted and measured since it was made. */
export interface PoolStats extends PoolCounts {
  /** How often things happened. */
  readonly counters: PoolCounters;
  /** How long acquires waited that were given a connection, most of them not at all, in milliseconds. */
  readonly waitMs: DurationStats;
  /** How long leases were held, in milliseconds; single statements that shared a connection are not counted. */
  readonly useMs: DurationStats;
  /** How long connects took that succeeded, with the set-up of the session, in milliseconds. */
  readonly connectMs: DurationStats;
  /**
   * The `max` that the demand of the last minute asks for, by Little's law: in each span of ten seconds, the acquires per
   * second, served or not, times the time for which one has a connection, is the mean number *L* that would be in use if
   * nobody had to wait; suggested is *L* + 2·√*L* of the busiest span, which leaves room for chance. `undefined` in the
   * first ten seconds.
   */
  readonly suggestedMax: number | undefined;
}

/**
 * Puts the counts in words, for messages.
 *
 * @param stats The counts.
 * @returns Such as `"10 of 10 connections: 10 used; 3 waiting"`.
 */
export function describeStats(stats: PoolCounts): string {
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
