/**
 * The pool by itself, in process, with connections that cost nothing.
 *
 * @module
 */

import { runChild } from "../child_process.ts";
import { table } from "../markdown.ts";
import { print, progress } from "../print.ts";
import type { BenchOptions, Section } from "../section.ts";
import { formatSpread } from "../statistics.ts";
import { parseReport } from "./cell.ts";
import { type KindEntry, kinds } from "./kinds.ts";
import { Results } from "./results.ts";
import { scenarios } from "./scenarios/all.ts";
import { type Table, tables } from "./tables.ts";
import { judge } from "./targets.ts";

const ROUNDS = 4;
const PEER_ROUNDS = 2;
const QUICK_ROUNDS = 1;
const CAP_MS = 20_000;
const CHILD = new URL("./child.ts", import.meta.url);

/** The section `micro`. */
export const microSection: Section = {
  name: "micro",
  async run(options) {
    const rows = kinds.filter(({ name }) => includes(options.subjects, name));
    const results = await measure(rows, options);
    print("\n## In process\n");
    print(preface(results, options));
    const excuses = new Set<string>();
    for (const each of tables) printTable(each, rows, results, excuses);
    for (const excuse of excuses) print(`\n${excuse}`);
    const judgement = judge(results);
    if (judgement.length > 0) {
      print("\n### Targets\n");
      print(table(["target", "measured", "holds"], judgement));
    }
  },
};

/** Round by round, scenario by scenario, and pool by pool inside: neighbours in a table are neighbours in time. */
async function measure(rows: readonly KindEntry[], options: BenchOptions): Promise<Results> {
  const { runtime, quick } = options;
  const results = new Results();
  const rounds = options.rounds ?? (quick ? QUICK_ROUNDS : ROUNDS);
  for (let round = 1; round <= rounds; round++) {
    for (const { name: scenario } of scenarios) {
      if (!includes(options.scenarios, scenario)) continue;
      for (const { name: kind, scenarios: only, precise = false } of rows) {
        const cell = results.cell(kind, scenario);
        if (!cell.wantsMore || (only !== undefined && !only.includes(scenario))) continue;
        if (!precise && round > Math.max(PEER_ROUNDS, options.rounds ?? 0)) continue;
        progress(`micro, round ${round} of ${rounds}: ${scenario}, ${kind}`);
        const input = { kind, scenario, quick };
        cell.add(
          await runChild({ runtime, script: CHILD, input, capMs: CAP_MS, parse: parseReport }),
        );
      }
    }
  }
  progress("");
  return results;
}

function preface(results: Results, { runtime }: BenchOptions): string {
  return [
    `Connections that cost nothing; ${runtime.name} ${runtime.version}; a fresh process per pool, scenario and round,`,
    "rounds interleaved. Medians, ± the median deviation. Times are relative to a yardstick timed beside each sample,",
    `and printed for its median step of this run: ${formatSpread(results.stepNs)} ns.`,
    "`ideal`: free list, queue, hand-off, nothing else. `ideal-full`: with deadlines, signals, leases.",
    "The others as they come; `+ deadline`: with the acquire timeout that tarn, steady and ideal-full have anyway.",
  ].join("\n");
}

function printTable(
  { title, scenarios, columns }: Table,
  rows: readonly KindEntry[],
  results: Results,
  excuses: Set<string>,
): void {
  const lines: string[][] = [];
  for (const { name } of rows) {
    const cells = columns.map((column) => column.cell(results, name));
    // A pool that has not what is measured has no row.
    if (cells.some((cell) => cell !== "–")) lines.push([name, ...cells]);
    for (const scenario of scenarios) {
      const { long } = results.cell(name, scenario).excuse;
      if (long !== undefined) excuses.add(`${name}, ${scenario}: ${long}`);
    }
  }
  if (lines.length === 0) return;
  print(`\n### ${title}\n`);
  print(table(["pool", ...columns.map(({ head }) => head)], lines));
}

function includes(wanted: readonly string[], name: string): boolean {
  return wanted.length === 0 || wanted.includes(name);
}
