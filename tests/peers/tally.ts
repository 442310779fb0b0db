/**
 * What became of the writes of one client in one scenario.
 *
 * @module
 */

import type { Report } from "./protocol.ts";
import type { WireTruth } from "./wire_truth.ts";

/** The counts. */
export interface Tally {
  /** The client was told that it is in force. */
  readonly acknowledged: number;
  /** Acknowledged, but not there. */
  readonly lost: number;
  /** There more than once. */
  readonly doubled: number;
  /** Rejected, although it was without effect for sure: sent again, it would have succeeded. */
  readonly inVain: number;
  /** Rejected, and nobody can know from what passed on the wire. */
  readonly unknown: number;
  /** Of these, there. */
  readonly unknownThere: number;
  /** Never settled. */
  readonly hung: number;
  /** Never asked for, as the process had ended. */
  readonly never: number;
  /** Errors that would have ended the process. */
  readonly crashes: number;
  /** Longest that one took until it was settled, in milliseconds. */
  readonly longestMs: number;
  /** What they were rejected with, and how often. */
  readonly errors: Readonly<Record<string, number>>;
}

/** Takes down what a process tells. */
export class Trail {
  readonly #truth: WireTruth;
  readonly #acknowledged: string[] = [];
  readonly #rejected: string[] = [];
  readonly #errors: Record<string, number> = {};
  readonly #warm = Promise.withResolvers<void>();
  readonly #watchers = new Set<{ readonly count: number; readonly resolve: () => void }>();
  #hung: readonly string[] = [];
  #crashes = 0;
  #longestMs = 0;

  /** @param truth What passes on the wire. */
  constructor(truth: WireTruth) {
    this.#truth = truth;
  }

  /** Resolved when the process is ready to begin. */
  get warm(): Promise<void> {
    return this.#warm.promise;
  }

  /**
   * Waits until so many writes are settled.
   *
   * @param count How many.
   */
  settled(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#watchers.add({ count, resolve });
      this.#wake();
    });
  }

  #wake(): void {
    for (const watcher of this.#watchers) {
      if (this.#acknowledged.length + this.#rejected.length < watcher.count) continue;
      this.#watchers.delete(watcher);
      watcher.resolve();
    }
  }

  /** Takes down what was told. */
  readonly take = (report: Report): void => {
    switch (report.type) {
      case "warm":
        return this.#warm.resolve();
      case "settled": {
        const { id, acknowledged, ms, error } = report;
        (acknowledged ? this.#acknowledged : this.#rejected).push(id);
        this.#longestMs = Math.max(this.#longestMs, ms);
        if (error !== undefined) this.#errors[error] = (this.#errors[error] ?? 0) + 1;
        return this.#wake();
      }
      case "crash":
        this.#crashes++;
        this.#errors[`(crash) ${report.text}`] = (this.#errors[`(crash) ${report.text}`] ?? 0) + 1;
        return;
      case "done":
        this.#hung = report.hung;
    }
  };

  /**
   * Counts.
   *
   * @param rows How often each write is there.
   * @param all How many writes there should have been.
   * @returns The counts.
   */
  count(rows: ReadonlyMap<string, number>, all: number): Tally {
    const unknown = this.#rejected.filter((id) => rows.has(id) || !this.#truth.isWithoutEffect(id));
    const settled = this.#acknowledged.length + this.#rejected.length;
    return {
      acknowledged: this.#acknowledged.length,
      lost: this.#acknowledged.filter((id) => !rows.has(id)).length,
      doubled: [...rows.values()].filter((count) => count > 1).length,
      inVain: this.#rejected.length - unknown.length,
      unknown: unknown.length,
      unknownThere: unknown.filter((id) => rows.has(id)).length,
      hung: this.#hung.length,
      never: all - settled - this.#hung.length,
      crashes: this.#crashes,
      longestMs: this.#longestMs,
      errors: this.#errors,
    };
  }
}
