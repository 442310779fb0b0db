/**
 * How often things happened to a pool.
 *
 * @module
 */

import type { CloseReason, EventDetails, PoolEvents, RefusalReason } from "./observer.ts";

/** How often things happened to a pool since it was made; none of these numbers ever falls. */
export interface PoolCounters {
  /** Connections that were opened. */
  readonly connects: number;
  /** Connects that failed, by what failed; `givenUp`: the pool wanted them no more. */
  readonly connectFailures: Readonly<Record<"connect" | "session" | "givenUp", number>>;
  /** Acquires, and single statements, that were given a connection. */
  readonly acquires: number;
  /** Those of them that had waited. */
  readonly waits: number;
  /** Acquires whose deadline passed. */
  readonly timeouts: number;
  /** Acquires that were refused before, by reason. */
  readonly refusals: Readonly<Record<RefusalReason, number>>;
  /** Acquires that their callers gave up. */
  readonly gaveUp: number;
  /** Leases that are over: given back, given up, or lost. */
  readonly releases: number;
  /** Open connections that the pool closed, by reason. */
  readonly closes: Readonly<Record<CloseReason, number>>;
  /** Open connections that were lost. */
  readonly losses: number;
  /** Signs of life that were asked for, and those that did not come. */
  readonly checks: number;
  /** Checks that got no answer. */
  readonly failedChecks: number;
  /** Cleanings after use. */
  readonly resets: number;
  /** Cleanings that failed. */
  readonly failedResets: number;
  /** How often the idle connections were doubted. */
  readonly doubts: number;
  /** Generations that ended, but for those that `evict` ended. */
  readonly condemned: number;
  /** Times when the server could not be had. */
  readonly outages: number;
  /** Leases that were held for too long. */
  readonly leaks: number;
  /** Leases that were forgotten. */
  readonly collected: number;
  /** Acquires that could never have been served. */
  readonly deadlocks: number;
}

/** Those of the {@linkcode PoolCounters} that events tell. */
export type EventCounters = Omit<PoolCounters, "acquires" | "waits" | "releases">;

type Writable<T> = {
  -readonly [Name in keyof T]: T[Name] extends number ? number : Record<keyof T[Name], number>;
};

type Counting = {
  readonly [Name in keyof PoolEvents]?: (
    counts: Writable<EventCounters>,
    details: EventDetails<Name>,
  ) => void;
};

const COUNTING: Counting = {
  connected: (counts) => counts.connects++,
  connectFailed: (counts, { error, phase }) => {
    counts.connectFailures[error === undefined ? "givenUp" : phase]++;
  },
  timedOut: (counts) => counts.timeouts++,
  refused: (counts, { reason }) => counts.refusals[reason]++,
  gaveUp: (counts) => counts.gaveUp++,
  checked: (counts, { ok }) => {
    counts.checks++;
    if (!ok) counts.failedChecks++;
  },
  reset: (counts, { ok }) => {
    counts.resets++;
    if (!ok) counts.failedResets++;
  },
  lost: (counts) => counts.losses++,
  closed: (counts, { reason }) => counts.closes[reason]++,
  doubted: (counts) => counts.doubts++,
  condemned: (counts) => counts.condemned++,
  outageBegan: (counts) => counts.outages++,
  leaked: (counts) => counts.leaks++,
  collected: (counts) => counts.collected++,
  deadlock: (counts) => counts.deadlocks++,
};

/** Counts events as they are told, whether anybody watches or not. */
export class Counters {
  readonly #counts: Writable<EventCounters> = {
    connects: 0,
    connectFailures: { connect: 0, session: 0, givenUp: 0 },
    timeouts: 0,
    refusals: {
      "no wait": 0,
      "queue full": 0,
      "unavailable": 0,
      "late": 0,
      "deadlock": 0,
      "closed": 0,
    },
    gaveUp: 0,
    closes: {
      idle: 0,
      surplus: 0,
      worn: 0,
      evicted: 0,
      condemned: 0,
      dirty: 0,
      unanswered: 0,
      resized: 0,
      closing: 0,
      destroyed: 0,
      collected: 0,
      exchanged: 0,
    },
    losses: 0,
    checks: 0,
    failedChecks: 0,
    resets: 0,
    failedResets: 0,
    doubts: 0,
    condemned: 0,
    outages: 0,
    leaks: 0,
    collected: 0,
    deadlocks: 0,
  };

  /**
   * Something happened.
   *
   * @param name What.
   * @param details All that is known of it.
   */
  count<Name extends keyof PoolEvents>(name: Name, details: EventDetails<Name>): void {
    const counting: Counting[Name] = COUNTING[name];
    counting?.(this.#counts, details);
  }

  /** Acquires so far that got nothing. */
  get inVain(): number {
    const { timeouts, gaveUp, refusals } = this.#counts;
    return Object.values(refusals).reduce((sum, each) => sum + each, timeouts + gaveUp);
  }

  /**
   * Gives the counts.
   *
   * @returns A copy.
   */
  snapshot(): EventCounters {
    const counts = this.#counts;
    return {
      ...counts,
      connectFailures: { ...counts.connectFailures },
      refusals: { ...counts.refusals },
      closes: { ...counts.closes },
    };
  }
}
