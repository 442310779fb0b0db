/**
 * The table at the end.
 *
 * @module
 */

import type { Accident } from "./accident.ts";
import type { Findings } from "./ledger_check.ts";
import { type Meter, percentile, type RequestKind, type Stretch } from "./meter.ts";
import type { ServiceStats } from "./order_service.ts";

/** What there is to report. */
export interface ReportSource {
  readonly meter: Meter;
  readonly accident: Accident;
  readonly service: ServiceStats;
  readonly findings: Findings;
  readonly app: { readonly poolPerRequest: boolean };
}

/** Name, value, remark. */
type Row = readonly [name: string, value: string, remark?: string];

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function ms(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function seconds(value: number): string {
  return (value / 1_000).toFixed(2);
}

function lengthOf({ from, to }: Stretch): number {
  return to - from;
}

function latency(meter: Meter, name: string, kind: RequestKind): Row {
  const samples = meter.latencies(kind);
  const longest = ms(percentile(samples, 1));
  return [
    `${name}: p50 / p99 ms`,
    `${ms(percentile(samples, 0.5))} / ${ms(percentile(samples, 0.99))}`,
    `longest ${longest}`,
  ];
}

function traffic({ meter, service }: ReportSource): Row[] {
  const { order, lookup, sums } = {
    order: meter.count("order"),
    lookup: meter.count("lookup"),
    sums: meter.count("sums"),
  };
  const total = order + lookup + sums;
  return [
    [
      "requests",
      count(total),
      `${count(order)} to order, ${count(lookup)} to look up, ${count(sums)} for sums`,
    ],
    ["  per second", count(Math.round(1_000 * total / meter.elapsedMs))],
    ["transactions committed", count(service.committed), `${count(service.failed)} not`],
    latency(meter, "order", "order"),
    latency(meter, "look up", "lookup"),
  ];
}

function errors({ meter, service }: ReportSource): Row[] {
  return [
    [
      "transactions run again",
      count(service.rerun),
      "rolled back for certain, unseen by who ordered",
    ],
    ...meter.refusals.map(({ kind, count: number }): Row => [
      `turned down: ${kind}`,
      count(number),
      "by the service itself, rolled back",
    ]),
    [
      "requests that failed",
      count(meter.errorCount),
      `${count(meter.needless)} needlessly, ${
        count(meter.errorCount - meter.needless)
      } of unknown outcome`,
    ],
    ...meter.errors.map(({ kind, count: number }): Row => [`  ${kind}`, count(number)]),
  ];
}

function connections({ meter, accident, app }: ReportSource): Row[] {
  const { longestStall: stall } = meter;
  return [
    [
      "connections opened",
      count(meter.sessionsIn({ from: 0, to: Infinity })),
      "backends that took an order",
    ],
    app.poolPerRequest ? ["  reconnects", "–", "each request opens its own"] : [
      "  reconnects",
      count(meter.sessionsIn({ from: accident.from, to: Infinity })),
      "after the kill",
    ],
    ["backends killed", count(accident.killed), `at ${seconds(accident.from)} s`],
    accident.down
      ? [
        "server down, s",
        seconds(lengthOf(accident.down)),
        `at ${seconds(accident.down.from)} s, by immediate shutdown`,
      ]
      : ["server down, s", "–", "not ours to restart"],
    [
      "longest stall, s",
      seconds(lengthOf(stall)),
      `no order acknowledged from ${seconds(stall.from)} to ${seconds(stall.to)} s`,
    ],
  ];
}

function ledger({ meter, accident, findings }: ReportSource): Row[] {
  const { acknowledged, missing, doubled, altered, unknown, unknownFound, failed, failedFound } =
    findings;
  const before = meter.acknowledgedIn({ from: 0, to: accident.from });
  const after = meter.acknowledgedIn({ from: accident.to, to: Infinity });
  return [
    [
      "orders acknowledged",
      count(acknowledged),
      `${count(before)} before the kill, ${count(after)} after recovery began`,
    ],
    ["  found", count(acknowledged - missing.length), `of ${count(findings.rows)} rows`],
    ["  missing", count(missing.length)],
    ["  doubled", count(doubled.length)],
    ["  not as ordered", count(altered.length)],
    [
      "orders with unknown outcome",
      count(unknown),
      `${count(unknownFound)} found: may be there or not, but not twice`,
    ],
    ["orders without effect", count(failed), `${count(failedFound.length)} found: must be none`],
  ];
}

function invariants({ findings }: ReportSource): Row[] {
  return findings.invariants.map(({ name, broken }): Row => [
    name,
    broken === 0 ? "holds" : "BROKEN",
    broken === 0 ? undefined : `in ${count(broken)} rows`,
  ]);
}

/**
 * Lays out the table.
 *
 * @param source What there is to report.
 * @returns Lines of text.
 */
export function report(source: ReportSource): string {
  const groups = [traffic, errors, connections, ledger, invariants]
    .map((group) => group(source));
  const rows = groups.flat();
  const nameWidth = Math.max(...rows.map(([name]) => name.length));
  const valueWidth = Math.max(...rows.map(([, value]) => value.length));
  const line = ([name, value, remark = ""]: Row): string =>
    `${name.padEnd(nameWidth)}  ${value.padStart(valueWidth)}  ${remark}`.trimEnd();
  const rule = "-".repeat(nameWidth + valueWidth + 2);
  return groups.map((group) => group.map(line).join("\n")).join(`\n${rule}\n`);
}
