/**
 * The tables, in the order they are printed.
 *
 * @module
 */

import { above, against, type Column, growth, other, time } from "./columns.ts";
import type { Metric } from "./results.ts";

/** A table: one row per pool that took part. */
export interface Table {
  readonly title: string;
  /** The scenarios it is made of. */
  readonly scenarios: readonly string[];
  readonly columns: readonly Column[];
}

const of = (scenario: string, metric: string): Metric => ({ scenario, metric });

const free = of("uncontended", "cycle");
const crowded = of("contended", "cycle");
const weight = of("heap", "bytes");
const drained = of("drain", "total 100000");
const expired = of("timeouts", "cpu");
const aborted = of("aborts", "total");

/** All tables. */
export const tables: readonly Table[] = [
  {
    title: "One borrower on 10 connections; 1,000 borrowers on 10 connections, 100 rounds each: " +
      "per acquire and release",
    scenarios: ["uncontended", "contended"],
    columns: [
      time("uncontended", free),
      against("ideal", free),
      against("ideal-full", free),
      time("contended", crowded),
      against("ideal", crowded),
      against("ideal-full", crowded),
    ],
  },
  {
    title: "One borrower on 10 connections, by scopes: per use, per scope, per look-up",
    scenarios: ["scope"],
    columns: [
      time("empty scope", of("scope", "empty")),
      time("empty storage.run()", of("scope", "store")),
      above("of its own", of("scope", "empty"), of("scope", "store")),
      time("use", of("scope", "use")),
      time("use in storage.run()", of("scope", "stored")),
      time("scope with one use", of("scope", "scope")),
      time("use in a scope that runs", of("scope", "again")),
      time("look-up", of("scope", "find")),
      time("getStore()", of("scope", "bare")),
      growth("look-up / getStore()", of("scope", "bare"), of("scope", "find")),
    ],
  },
  {
    title: "100,000 waiters queued, then served: per waiter",
    scenarios: ["drain"],
    columns: [
      time("queued", of("drain", "queue 100000")),
      time("served", of("drain", "serve 100000")),
      time("both", drained),
      against("ideal", drained),
      against("ideal-full", drained),
      growth("100k / 10k", of("drain", "total 10000"), drained),
    ],
  },
  {
    title: "100,000 waiters queued, then timed out: processor time per waiter",
    scenarios: ["timeouts"],
    columns: [
      time("processor", expired, "µs"),
      against("ideal-full", expired),
      other("last one late by, ms", of("timeouts", "lateMs")),
      other("lends afterwards", of("timeouts", "works"), (works) => works === 1 ? "yes" : "NO"),
    ],
  },
  {
    title: "100,000 waiters queued with a signal each, then aborted in random order: per waiter",
    scenarios: ["aborts"],
    columns: [
      time("queued", of("aborts", "queue"), "µs"),
      time("aborted", of("aborts", "abort"), "µs"),
      time("both", aborted, "µs"),
      against("ideal-full", aborted),
    ],
  },
  scale("idle", "Acquire and release beside idle connections"),
  scale("used", "Acquire and release beside connections in use"),
  {
    title: "Heap per waiter, with its promise and one reaction",
    scenarios: ["heap"],
    columns: [
      other("bytes", weight),
      against("ideal", weight),
      against("ideal-full", weight),
    ],
  },
  {
    title: "1,000,000 acquires and releases: growth of the heap",
    scenarios: ["endurance"],
    columns: [
      other("bytes per cycle", of("endurance", "slope"), (bytes) => bytes.toFixed(3)),
    ],
  },
];

function scale(scenario: string, title: string): Table {
  const most = of(scenario, "10000");
  return {
    title,
    scenarios: [scenario],
    columns: [
      time("10", of(scenario, "10")),
      time("100", of(scenario, "100")),
      time("1,000", of(scenario, "1000")),
      time("10,000", most),
      growth("10,000 / 10", of(scenario, "10"), most),
      against("ideal", most),
      against("ideal-full", most),
    ],
  };
}
