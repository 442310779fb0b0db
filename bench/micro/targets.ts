/**
 * What this module promises of itself, in numbers.
 *
 * @module
 */

import { format, formatRatio } from "../statistics.ts";
import type { Results } from "./results.ts";

/** The rows that are held to the targets. */
const SUBJECT = "steady";
const WATCHED = "steady + observer";
const SCOPED = "steady + context";

interface Target {
  readonly text: string;
  readonly limit: number;
  readonly measure: (results: Results) => number;
  readonly show: (value: number) => string;
}

function ratio(
  text: string,
  limit: number,
  base: string,
  scenario: string,
  metric: string,
  subject = SUBJECT,
): Target {
  return {
    text: `${text} ≤ ${limit}× ${base}`,
    limit,
    measure: (results) => results.ratio(subject, base, { scenario, metric }),
    show: formatRatio,
  };
}

function flat(text: string, scenario: string): Target {
  return {
    text: `${text} ≤ 1.5× beside 10`,
    limit: 1.5,
    measure: (results) => growth(results, SUBJECT, scenario, "10", "10000"),
    show: formatRatio,
  };
}

function growth(
  results: Results,
  kind: string,
  scenario: string,
  few: string,
  many: string,
): number {
  return results.median(kind, { scenario, metric: many }) /
    results.median(kind, { scenario, metric: few });
}

/** What a scope adds to something else: "of its own" is read in each of these ways. */
function scopeCost(text: string, metric: string, beside: string): Target {
  return {
    text: `${text} ≤ 300 ns`,
    limit: 300,
    measure: (results) =>
      results.ns(SCOPED, { scenario: "scope", metric }) -
      results.ns(SCOPED, { scenario: "scope", metric: beside }),
    show: (value) => `${format(value)} ns`,
  };
}

const targets: readonly Target[] = [
  ratio("uncontended acquire and release", 2.2, "ideal", "uncontended", "cycle"),
  ratio("contended acquire and release", 1.3, "ideal-full", "contended", "cycle"),
  ratio("uncontended, every lease observed", 4.4, "ideal", "uncontended", "cycle", WATCHED),
  ratio("contended, every lease observed", 2.6, "ideal-full", "contended", "cycle", WATCHED),
  scopeCost("an empty scope, above an empty storage.run()", "empty", "store"),
  scopeCost("a scope with one use, above that use in a storage.run()", "scope", "stored"),
  scopeCost("a scope with one use, above that use", "scope", "use"),
  {
    text: "look-up of a scope's connection ≤ 2× getStore()",
    limit: 2,
    measure: (results) => growth(results, SCOPED, "scope", "bare", "find"),
    show: formatRatio,
  },
  ratio("100,000 waiters drained", 1.5, "ideal-full", "drain", "total 100000"),
  {
    // Garbage collection makes a large queue dearer per waiter for anybody, so the bound's growth is the measure.
    text: "cost per drained waiter, 100,000 / 10,000 ≤ 1.5× ideal-full's growth",
    limit: 1.5,
    measure: (results) =>
      growth(results, SUBJECT, "drain", "total 10000", "total 100000") /
      growth(results, "ideal-full", "drain", "total 10000", "total 100000"),
    show: formatRatio,
  },
  ratio("100,000 waiters timed out", 1.3, "ideal-full", "timeouts", "cpu"),
  ratio("100,000 waiters aborted", 1.3, "ideal-full", "aborts", "total"),
  {
    text: "heap per waiter ≤ 450 B",
    limit: 450,
    measure: (results) => results.median(SUBJECT, { scenario: "heap", metric: "bytes" }),
    show: (value) => `${format(value)} B`,
  },
  {
    text: "growth of the heap over 1,000,000 cycles ≤ 0.1 B per cycle",
    limit: 0.1,
    measure: (results) => results.median(SUBJECT, { scenario: "endurance", metric: "slope" }),
    show: (value) => `${value.toFixed(3)} B`,
  },
  flat("acquire and release beside 10,000 idle", "idle"),
  flat("acquire and release beside 10,000 in use", "used"),
];

/**
 * @param results All measurements.
 * @returns Rows of the table "target | measured | holds", for the targets that were measured.
 */
export function judge(results: Results): string[][] {
  return targets.flatMap(({ text, limit, measure, show }) => {
    const value = measure(results);
    return Number.isNaN(value) ? [] : [[text, show(value), value <= limit ? "yes" : "NO"]];
  });
}
