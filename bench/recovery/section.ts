/**
 * What a restart of the server costs a pool: until its first success, in failures, in connects.
 *
 * @module
 */

import { runChild } from "../child_process.ts";
import { table } from "../markdown.ts";
import { print, progress } from "../print.ts";
import type { Section } from "../section.ts";
import { format, formatRatio, median } from "../statistics.ts";
import type { RecoveryInput, RecoveryReport } from "./exchange.ts";

const SIZES = [10, 100];
/** How long the server is away, beside what it needs for itself, in milliseconds. */
const DOWN_MS = [0, 1_000];
const CAP_MS = 60_000;

/** The section `recovery`. */
export const recoverySection: Section = {
  name: "recovery",
  async run({ runtime, quick, rounds = quick ? 2 : 5 }) {
    print("\n## Recovery\n");
    print(
      "A pool of that size, all of it in use by as many workers, each `select 1` over and over; then the server crashes and is\n" +
        "started again. Medians of the rounds, in milliseconds from the crash. `back`: a client of its own, asking every few\n" +
        "milliseconds, is served. `step`: longest pause between two attempts at that time. Failed: attempts to connect, statements.",
    );
    const rows: string[][] = [];
    for (const size of SIZES) {
      for (const downMs of DOWN_MS) {
        const reports: RecoveryReport[] = [];
        for (let round = 1; round <= rounds; round++) {
          progress(`recovery of ${size}, ${downMs} ms away, round ${round} of ${rounds}`);
          const input: RecoveryInput = { size, downMs };
          const outcome = await runChild({
            runtime,
            script: new URL("./child.ts", import.meta.url),
            input,
            capMs: CAP_MS,
            parse: (value) => value as RecoveryReport,
          });
          if (outcome.kind !== "done") throw new Error(`recovery: ${JSON.stringify(outcome)}`);
          reports.push(outcome.value);
        }
        rows.push(row({ size, downMs }, reports));
      }
    }
    progress("");
    print("");
    print(
      table([
        "connections",
        "away",
        "back",
        "first success",
        "all",
        "beyond 1.2× back / step",
        "failed connects",
        "connects",
        "failed statements",
      ], rows),
    );
  },
};

function row({ size, downMs }: RecoveryInput, reports: readonly RecoveryReport[]): string[] {
  const middle = (pick: (report: RecoveryReport) => number): number => median(reports.map(pick));
  const ms = (pick: (report: RecoveryReport) => number): string => format(Math.round(middle(pick)));
  return [
    format(size),
    format(downMs),
    ms(({ backMs }) => backMs),
    ms(({ firstMs }) => firstMs),
    ms(({ allMs }) => allMs),
    formatRatio(
      middle(({ backMs, firstMs, stepMs }) => Math.max(0, firstMs - 1.2 * backMs) / stepMs),
    ),
    ms(({ failedConnects }) => failedConnects),
    ms(({ connects }) => connects),
    ms(({ failedStatements }) => failedStatements),
  ];
}
