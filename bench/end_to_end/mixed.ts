/**
 * Short statements beside slow ones: who is sent behind a slow one on a shared connection waits for it.
 *
 * @module
 */

import { runChild } from "../child_process.ts";
import { table } from "../markdown.ts";
import { print, progress } from "../print.ts";
import type { BenchOptions } from "../section.ts";
import { format, formatRatio, median } from "../statistics.ts";
import type { Latency, MixedInput, MixedReport } from "./exchange.ts";

const CONCURRENCY = [5, 10, 100];
const CAP_MS = 120_000;

/**
 * Measures and prints.
 *
 * @param url URL of the server.
 * @param options What was asked for.
 */
export async function measureMixed(url: string, options: BenchOptions): Promise<void> {
  const rows: string[][] = [];
  for (const concurrency of CONCURRENCY) {
    progress(`postgres: mixed at ${concurrency}`);
    const input: MixedInput = {
      url,
      concurrency,
      rounds: options.rounds ?? (options.quick ? 3 : 7),
      windowMs: options.quick ? 500 : 2_000,
    };
    const outcome = await runChild({
      runtime: options.runtime,
      script: new URL("./mixed_child.ts", import.meta.url),
      input,
      capMs: CAP_MS,
      parse: (value) => value as MixedReport,
    });
    if (outcome.kind !== "done") throw new Error(`mixed: ${JSON.stringify(outcome)}`);
    rows.push(...rowsOf(concurrency, outcome.value));
  }
  progress("");
  print("\n### `select 1` while one statement in a hundred takes 200 ms\n");
  print(
    table(
      ["at", "multiplex", "statements/s", "median, ms", "p99, ms", 'median / "off"', 'p99 / "off"'],
      rows,
    ),
  );
}

function rowsOf(concurrency: number, { auto = [], off = [] }: MixedReport): string[][] {
  const row = (name: string, rounds: readonly Latency[]): string[] => {
    const typical = (value: (round: Latency) => number): number => median(rounds.map(value));
    const ratio = (value: (round: Latency) => number): string => {
      const ratios = rounds.map((round, index) => {
        const other = off[index];
        return other === undefined ? NaN : value(round) / value(other);
      });
      return formatRatio(median(ratios));
    };
    return [
      format(concurrency),
      name,
      format(Math.round(typical(({ perSecond }) => perSecond))),
      format(typical(({ medianMs }) => medianMs)),
      format(typical(({ p99Ms }) => p99Ms)),
      ratio(({ medianMs }) => medianMs),
      ratio(({ p99Ms }) => p99Ms),
    ];
  };
  return [row("auto", auto), row("off", off)];
}
