/**
 * How long a program waits before its first row: what matters to functions that start often.
 *
 * @module
 */

import { type Outcome, runChild } from "../child_process.ts";
import { table } from "../markdown.ts";
import { withServer } from "../postgres.ts";
import { print, progress } from "../print.ts";
import type { BenchOptions, Section } from "../section.ts";
import { format, formatRatio, median } from "../statistics.ts";
import { clientNames } from "./clients.ts";

const ROUNDS = 15;
const QUICK_ROUNDS = 5;
const CAP_MS = 20_000;
const BASE = "postgres";
const CHILD = new URL("./child.ts", import.meta.url);

interface Start {
  readonly importMs: number;
  readonly rowMs: number;
}

/** The section `startup`. */
export const startupSection: Section = {
  name: "startup",
  async run(options) {
    const wanted = clientNames(options.runtime.name).filter((name) =>
      options.subjects.length === 0 || options.subjects.includes(name)
    );
    if (wanted.length === 0) return;
    print("\n## Startup\n");
    await withServer(async (url) => print(report(await measure(wanted, url, options))));
  },
};

async function measure(
  names: readonly string[],
  url: string,
  { runtime, quick, rounds = quick ? QUICK_ROUNDS : ROUNDS }: BenchOptions,
): Promise<Map<string, Start[]>> {
  const starts = new Map<string, Start[]>(names.map((name) => [name, []]));
  // Round 0 fills the runtime's and the system's caches and is not counted.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, samples] of starts) {
      progress(`startup, round ${round} of ${rounds}: ${name}`);
      const input = { runtime: runtime.name, name, url };
      const outcome = await runChild({ runtime, script: CHILD, input, capMs: CAP_MS, parse });
      if (round > 0) samples.push(startOf(name, outcome));
    }
  }
  progress("");
  return starts;
}

function parse(value: unknown): Start {
  if (typeof value === "object" && value !== null && "importMs" in value && "rowMs" in value) {
    return value as Start;
  }
  throw new TypeError("Cannot read the report of a measuring process");
}

function startOf(name: string, outcome: Outcome<Start>): Start {
  if (outcome.kind === "done") return outcome.value;
  throw new Error(
    outcome.kind === "capped"
      ? `${name} had no row after ${outcome.capMs} ms`
      : `${name} failed: ${outcome.message}`,
  );
}

function report(starts: ReadonlyMap<string, readonly Start[]>): string {
  const base = starts.get(BASE) ?? [];
  const rows = [...starts].map(([name, samples]) => [
    name,
    format(median(samples.map(({ importMs }) => importMs))),
    format(median(samples.map(({ rowMs }) => rowMs))),
    format(median(samples.map(total))),
    // Round by round: neighbours in time met the same machine.
    formatRatio(median(samples.map((sample, round) => total(sample) / total(base[round])))),
  ]);
  return table(["client", "import, ms", "first row, ms", "both, ms", `/ ${BASE}`], rows);
}

function total(start: Start | undefined): number {
  return start === undefined ? NaN : start.importMs + start.rowMs;
}
