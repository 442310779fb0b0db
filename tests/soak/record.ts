/**
 * Everything that the working process told, and when.
 *
 * @module
 */

import type { PoolCounts } from "../../src/core/stats.ts";
import type { Stretch } from "../demo/meter.ts";
import type { Fate } from "./fate.ts";
import { Ledger } from "./ledger.ts";
import type { Closed, Report, Wrong } from "./protocol.ts";

/** An accident works on so long after it is over, in milliseconds. */
const MARGIN_MS = 500;

/** What is known of one kind of work. */
export interface KindRecord {
  readonly fates: Record<Fate, number>;
  /** How long each took, in milliseconds. */
  readonly latencies: number[];
}

/** An accident that happened. */
export interface Accident {
  readonly name: string;
  readonly details: string;
  /** When it began and ended, in milliseconds since the start. */
  readonly from: number;
  readonly to: number;
}

/** The record. */
export class SoakRecord {
  readonly #started = performance.now();
  /** The writes. */
  readonly ledger: Ledger = new Ledger();
  /** Operations by kind. */
  readonly kinds: Map<string, KindRecord> = new Map();
  /** Failures by what they are, then by kind of work. */
  readonly failures: Map<string, Map<string, number>> = new Map();
  /** What happened meanwhile, in order. */
  readonly accidents: Accident[] = [];
  /** What is wrong whatever the tables say. */
  readonly wrongs: Wrong[] = [];
  /** The pools, as they were last. */
  pools: readonly PoolCounts[] = [];
  /** Operations that are over. */
  operations = 0;
  /** Operations that were acknowledged. */
  acknowledged = 0;
  /** When the last one was, in milliseconds since the start. */
  acknowledgedAt = 0;
  /** Longest time without one, in milliseconds since the start. */
  longestStall: Stretch = { from: 0, to: 0 };
  readonly #drained = Promise.withResolvers<void>();
  readonly #closed = Promise.withResolvers<Closed>();

  /** Resolved when all tasks have ended. */
  get drained(): Promise<void> {
    return this.#drained.promise;
  }

  /** Resolved when the pools are closed. */
  get closed(): Promise<Closed> {
    return this.#closed.promise;
  }

  /** Milliseconds since the start. */
  get elapsedMs(): number {
    return performance.now() - this.#started;
  }

  /**
   * Describes a write, for those who look for the reason of what went wrong.
   *
   * @param id The write.
   * @returns Its kind, its fate, and the accidents of its time.
   */
  describe(id: number): string {
    const entry = this.ledger.writes.get(id);
    if (entry === undefined) return `${id}`;
    const { kind, fate, from, to } = entry;
    return `${id} (${kind}: ${fate}, ${Math.round(from)} to ${Math.round(to)} ms; ` +
      `${this.accidentsOf(entry)})`;
  }

  /**
   * Names the accidents that may have something to do with a stretch of time.
   *
   * @param stretch The time.
   * @returns What they were, and when.
   */
  accidentsOf({ from, to }: Stretch): string {
    return this.accidents
      .filter((accident) => accident.from < to && accident.to > from - MARGIN_MS)
      .map(({ name, details, from }) => `${name} (${details}) at ${Math.round(from)}`)
      .join(", ");
  }

  /** Takes down what was told. */
  readonly take = (report: Report): void => {
    switch (report.type) {
      case "operation": {
        const { kind, fate, ms, writes, failure } = report;
        this.operations++;
        const record = this.kinds.get(kind) ??
          { fates: { acknowledged: 0, refused: 0, unknown: 0 }, latencies: [] };
        this.kinds.set(kind, record);
        record.fates[fate]++;
        record.latencies.push(ms);
        const to = this.elapsedMs;
        for (const write of writes) this.ledger.enter({ ...write, kind, from: to - ms, to });
        if (failure !== undefined) {
          const byKind = this.failures.get(failure) ?? new Map<string, number>();
          this.failures.set(failure, byKind);
          byKind.set(kind, (byKind.get(kind) ?? 0) + 1);
        }
        if (fate === "acknowledged") this.#acknowledge();
        return;
      }
      case "wrong":
        this.wrongs.push(report);
        return;
      case "counts":
        this.pools = report.pools;
        return;
      case "drained":
        this.#drained.resolve();
        return;
      case "closed":
        this.#closed.resolve(report);
    }
  };

  #acknowledge(): void {
    const now = this.elapsedMs;
    // The start of the process is no stall.
    if (this.acknowledged++ > 0) {
      const { from, to } = this.longestStall;
      if (now - this.acknowledgedAt > to - from) {
        this.longestStall = { from: this.acknowledgedAt, to: now };
      }
    }
    this.acknowledgedAt = now;
  }
}
