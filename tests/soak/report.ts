/**
 * The tables at the end, in Markdown.
 *
 * @module
 */

import { table } from "../../bench/markdown.ts";
import { percentile } from "../demo/meter.ts";
import { type Fate, FATES } from "./fate.ts";
import type { Farewell } from "./farewell.ts";
import type { Findings } from "./ledger_check.ts";
import type { Accident, KindRecord, SoakRecord } from "./record.ts";
import { WORKS } from "./works/all.ts";

/** As many kinds of work are named of each failure. */
const KINDS_NAMED = 3;

/** What there is to report. */
export interface ReportSource {
  readonly record: SoakRecord;
  readonly findings: Findings;
  readonly farewell: Farewell;
  /** Connections that came to the proxy and were let through. */
  readonly connects: number;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function ms(value: number): string {
  if (!Number.isFinite(value)) return "–";
  return value.toLocaleString("en-US", { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function kindRow(name: string, { fates, latencies }: KindRecord): string[] {
  return [
    name,
    ...FATES.map((fate) => count(fates[fate])),
    ...[0.5, 0.99, 1].map((share) => ms(percentile(latencies, share))),
  ];
}

function operations({ record }: ReportSource): string {
  const names = WORKS.map(({ kind }) => kind).filter((kind) => record.kinds.has(kind));
  const all: KindRecord = {
    fates: { acknowledged: 0, refused: 0, unknown: 0 } satisfies Record<Fate, number>,
    latencies: [],
  };
  const rows = names.map((name) => {
    const kind = record.kinds.get(name) ?? all;
    for (const fate of FATES) all.fates[fate] += kind.fates[fate];
    for (const latency of kind.latencies) all.latencies.push(latency);
    return kindRow(name, kind);
  });
  return table(
    ["operation", ...FATES, "p50 ms", "p99 ms", "longest ms"],
    [...rows, kindRow("all", all)],
  );
}

function failures({ record }: ReportSource): string {
  const rows = [...record.failures].map(([name, byKind]) => {
    const kinds = [...byKind].sort(([, a], [, b]) => b - a);
    const most = kinds.slice(0, KINDS_NAMED).map(([kind, n]) => `${kind} (${count(n)})`);
    return { name, total: kinds.reduce((sum, [, n]) => sum + n, 0), most: most.join("; ") };
  }).sort((a, b) => b.total - a.total);
  return table(
    ["rejected with", "count", "most often"],
    rows.map(({ name, total, most }) => [name, count(total), most]),
  );
}

function accidents({ record }: ReportSource): string {
  const byName = Map.groupBy(record.accidents, ({ name }) => name);
  const row = (name: string, list: readonly Accident[]): string[] => {
    const total = list.reduce((sum, { from, to }) => sum + to - from, 0);
    return [name, count(list.length), ms(total / list.length)];
  };
  const names = [...byName.keys()].sort((a, b) => a.localeCompare(b));
  return table(["accident", "count", "mean ms"], [
    ...names.map((name) => row(name, byName.get(name) ?? [])),
    row("all", record.accidents),
  ]);
}

function ledger({ record, findings, farewell, connects }: ReportSource): string {
  const { ledger, longestStall: stall } = record;
  const { inForce, notInForce } = findings.unknown;
  const timers = farewell.closed?.timers ?? NaN;
  return table(["writes", "count"], [
    ["acknowledged", count(ledger.count("acknowledged"))],
    ["refused", count(ledger.count("refused"))],
    ["unknown", count(ledger.count("unknown"))],
    ["– of these in force", count(inForce)],
    ["– of these not in force", count(notInForce)],
    ["upserts carried out more than once", count(findings.repeated)],
    ["**acknowledged, but missing**", count(findings.missing.length)],
    ["**doubled**", count(findings.doubled.length)],
    ["**refused, but there**", count(findings.refusedFound.length)],
    ["**accounts with wrong sums**", count(findings.accounts.length)],
    ["there in part, or never written", count(findings.torn.length + findings.strangers.length)],
    ["wrong answers, hangs, errors not handled", count(record.wrongs.length)],
    ["longest time without an acknowledgement, ms", ms(stall.to - stall.from)],
    ["connections opened", count(connects)],
    ["timers, sockets left", `${count(timers)}, ${count(farewell.sockets)}`],
  ]);
}

/**
 * Lays out the tables.
 *
 * @param source What there is to report.
 * @returns Lines of text.
 */
export function report(source: ReportSource): string {
  const { record } = source;
  const stall = record.accidentsOf(record.longestStall);
  return [
    ...[operations, failures, accidents, ledger].map((part) => part(source)),
    `longest time without an acknowledgement: ${stall || "no accident"}`,
  ].join("\n\n");
}
