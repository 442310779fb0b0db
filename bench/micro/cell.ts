/**
 * One pool in one scenario, over all rounds.
 *
 * @module
 */

import type { Outcome } from "../child_process.ts";

/** What a measuring process prints; `null` when the scenario does not suit the pool. */
export interface Report {
  /** Times in steps of the yardstick. */
  readonly times: Readonly<Record<string, readonly number[]>>;
  /** Anything else. */
  readonly others: Readonly<Record<string, readonly number[]>>;
  /** What a step took, in nanoseconds. */
  readonly stepNs: readonly number[];
}

/**
 * Checks a process's report.
 *
 * @param value What it printed.
 * @returns The same.
 * @throws {TypeError} When it is no report.
 */
export function parseReport(value: unknown): Report | null {
  if (value === null) return null;
  if (typeof value === "object" && "times" in value && "others" in value && "stepNs" in value) {
    return value as Report;
  }
  throw new TypeError("Cannot read the report of a measuring process");
}

/** A process that takes this long is not run again: its ratio is far from anything a second round could change. */
const SLOW_MS = 4_000;

/** Collects reports. */
export class Cell {
  readonly #reports: Report[] = [];
  #end: Outcome<unknown> | "unsuited" | "slow" | undefined;

  /** Whether another round is worth while. */
  get wantsMore(): boolean {
    return this.#end === undefined;
  }

  /** What a step of the yardstick took, in nanoseconds. */
  get stepNs(): readonly number[] {
    return this.#reports.flatMap((report) => report.stepNs);
  }

  /**
   * Takes in a round.
   *
   * @param outcome What came of it.
   */
  add(outcome: Outcome<Report | null>): void {
    if (outcome.kind !== "done") this.#end = outcome;
    else if (outcome.value === null) this.#end = "unsuited";
    else {
      this.#reports.push(outcome.value);
      if (outcome.wallMs > SLOW_MS) this.#end = "slow";
    }
  }

  /**
   * The samples of a metric.
   *
   * @param metric Its name.
   * @returns All rounds' samples; times in steps of the yardstick.
   */
  samples(metric: string): readonly number[] {
    return this.#reports.flatMap(({ times, others }) => times[metric] ?? others[metric] ?? []);
  }

  /** Why there are no samples: for the table and, if it needs words, for the line below it. */
  get excuse(): { readonly short: string; readonly long?: string } {
    const end = this.#end;
    if (typeof end === "object" && end.kind === "capped") {
      return { short: `> ${end.capMs / 1e3} s` };
    }
    if (typeof end === "object" && end.kind === "failed") {
      return { short: "failed", long: end.message };
    }
    return { short: "–" };
  }
}
