/**
 * What the tests came to, by suite and runtime.
 *
 * @module
 */

import { type Column, COLUMNS, type Suite, suiteOf, SUITES } from "../suites.ts";
import type { RuntimeName } from "./harness.ts";

/** What the tests of one suite came to on one runtime. */
export interface Count {
  passed: number;
  failed: number;
  /** How many are not for this runtime, by the reason why. */
  readonly notApplicable: Map<string, number>;
}

/** Counts of all suites on all runtimes. */
export class Score {
  readonly #counts = new Map<string, Count>();

  /**
   * Finds the count of a file's suite.
   *
   * @param file Path from the folder `tests`.
   * @param runtime Where it ran.
   * @returns The count, to be changed.
   */
  of(file: string, runtime: RuntimeName): Count {
    const suite = suiteOf(file);
    return this.#count(suite, suite.column ?? runtime);
  }

  #count({ name }: Suite, column: Column): Count {
    const key = `${name} ${column}`;
    let count = this.#counts.get(key);
    if (count === undefined) {
      count = { passed: 0, failed: 0, notApplicable: new Map() };
      this.#counts.set(key, count);
    }
    return count;
  }

  /** How many passed, all in all. */
  get passed(): number {
    return [...this.#counts.values()].reduce((sum, { passed }) => sum + passed, 0);
  }

  /** How many failed, all in all. */
  get failed(): number {
    return [...this.#counts.values()].reduce((sum, { failed }) => sum + failed, 0);
  }

  /**
   * Puts everything in one table.
   *
   * @param ran The runtimes that were asked for.
   * @returns Its lines: suite × runtime, and why some were not run.
   */
  table(ran: readonly Column[]): string[] {
    const reasons: string[] = [];
    const rows = SUITES.map((suite) => [
      suite.name,
      ...COLUMNS.map((column) => this.#cell(suite, column, ran, reasons)),
    ]);
    const lines = layOut([["suite", ...COLUMNS], ...rows]);
    return [
      ...lines,
      ...reasons.map((reason, index) => `[${index + 1}] not applicable: ${reason}`),
    ];
  }

  #cell(suite: Suite, column: Column, ran: readonly Column[], reasons: string[]): string {
    const note = (reason: string): string => {
      if (!reasons.includes(reason)) reasons.push(reason);
      return `[${reasons.indexOf(reason) + 1}]`;
    };
    const reason = suite.elsewhere[column];
    if (reason !== undefined) return `n/a ${note(reason)}`;
    if (!ran.includes(column)) return "not run";
    const { passed, failed, notApplicable } = this.#count(suite, column);
    if (passed + failed === 0 && notApplicable.size === 0) return "–";
    const left = [...notApplicable].map(([reason, count]) => `, ${count} n/a ${note(reason)}`);
    return `${passed} passed, ${failed} failed${left.join("")}`;
  }
}

/** Pads columns to equal width. */
function layOut(rows: readonly (readonly string[])[]): string[] {
  const widths =
    rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const [head = "", ...body] = rows.map((row) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`
  );
  return [head, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...body];
}
