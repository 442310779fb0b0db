/**
 * Who watches a pool: counts what it is told, and calls the pool's verbs in between.
 *
 * @module
 */

import type { PoolEvents, PoolObserver } from "../../../src/core/observer.ts";
import type { PoolStats } from "../../../src/core/stats.ts";
import { demand } from "./demand.ts";

const NAMES = [
  "connecting",
  "connected",
  "connectFailed",
  "waiting",
  "acquired",
  "released",
  "timedOut",
  "refused",
  "gaveUp",
  "checked",
  "reset",
  "lost",
  "closed",
  "doubted",
  "condemned",
  "outageBegan",
  "outageEnded",
  "poolSuspended",
  "poolResumed",
  "poolResized",
  "poolClosing",
  "poolClosed",
  "poolOpened",
] as const satisfies readonly (keyof PoolEvents)[];

/** How often a watcher acts in one run: what it does makes new events. */
const MOST_ACTS = 24;

/** Counts events. */
export class Watcher {
  readonly observer: PoolObserver;
  readonly seen: { [Name in typeof NAMES[number]]: number };
  readonly #act: (number: number) => void;
  #number: number;
  #left: number;

  /**
   * @param seed Number from which follows what it does; 0 for nothing.
   * @param act Does something, as a number says.
   */
  constructor(seed: number, act: (number: number) => void) {
    this.#number = seed;
    this.#left = seed === 0 ? 0 : MOST_ACTS;
    this.#act = act;
    const seen = Object.fromEntries(NAMES.map((name) => [name, 0]));
    this.seen = seen as typeof this.seen;
    const callbacks = NAMES.map((name) => [name, () => this.#told(name)]);
    this.observer = Object.fromEntries(callbacks) as PoolObserver;
  }

  #told(name: keyof typeof this.seen): void {
    this.seen[name]++;
    if (this.#left === 0) return;
    this.#number = (Math.imul(this.#number, 1_664_525) + 1_013_904_223) >>> 0;
    if (this.#number >>> 28 > 2) return;
    this.#left--;
    this.#act((this.#number >>> 8) & 0xfffff);
    if ((this.#number & 64) > 0) throw new Error("an observer throws");
  }

  /** Only counts from now on. */
  calm(): void {
    this.#left = 0;
  }

  /**
   * Everything has settled: each event was told, and none twice.
   *
   * @param stats The pool's counts.
   * @param released How many leases were given back by their borrowers.
   */
  check({ counters, state, connecting }: PoolStats, released: number): void {
    const { seen } = this;
    const { connectFailures, refusals } = counters;
    const told = [
      [seen.connected, counters.connects, "connected"],
      [seen.connectFailed, sum(connectFailures), "connectFailed"],
      [seen.connecting - seen.connected - seen.connectFailed, connecting, "connecting"],
      [seen.acquired, counters.acquires, "acquired"],
      [seen.released, released, "released"],
      [seen.timedOut, counters.timeouts, "timedOut"],
      [seen.refused, sum(refusals), "refused"],
      [seen.gaveUp, counters.gaveUp, "gaveUp"],
      [seen.lost, counters.losses, "lost"],
      [seen.closed, sum(counters.closes), "closed"],
      [seen.checked, counters.checks, "checked"],
      [seen.outageBegan, counters.outages, "outageBegan"],
      [seen.poolClosing - seen.poolClosed, state === "draining" ? 1 : 0, "poolClosed"],
      [
        seen.poolClosing - seen.poolOpened,
        state === "draining" || state === "closed" ? 1 : 0,
        "poolOpened",
      ],
    ] as const;
    for (const [count, expected, name] of told) {
      demand(count === expected, `${name}: told ${count}, there were ${expected}`);
    }
  }
}

/** Adds up what is counted by reason. */
export function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
