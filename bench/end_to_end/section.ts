/**
 * End to end on a PostgreSQL server, beside the peers.
 *
 * @module
 */

import { runChild } from "../child_process.ts";
import { table } from "../markdown.ts";
import { withServer } from "../postgres.ts";
import { print, progress } from "../print.ts";
import type { BenchOptions, Section } from "../section.ts";
import { format, formatRatio, median } from "../statistics.ts";
import { clientNames, POOL_SIZE } from "./clients.ts";
import type { ChildInput, ChildReport, DriftInput } from "./exchange.ts";
import type { Stretch } from "./load.ts";
import { measureMixed } from "./mixed.ts";
import { type Mode, modes } from "./modes.ts";

const OURS = "steady";
const CAP_MS = 120_000;
const DRIFT_CONCURRENCY = 100;

/** The section `postgres`. */
export const postgresSection: Section = {
  name: "postgres",
  async run(options) {
    const wanted = (name: string): boolean =>
      options.scenarios.length === 0 || options.scenarios.includes(name);
    print("\n## End to end on PostgreSQL\n");
    print(
      `Pools of ${POOL_SIZE}, client and server on the same cores. Each round makes every client anew and has it open all its\n` +
        "connections; then they take turns in short stretches. Medians of the rounds. In brackets: our operations per second relative to that client's in the same round (median).\n" +
        "`max_pipeline 1` keeps two statements in flight on a connection, `max_pipeline 0` one.",
    );
    await withServer(async (url) => {
      for (const mode of modes) {
        if (wanted(mode.name)) await measureMode(mode, url, options);
      }
      if (wanted("mixed")) await measureMixed(url, options);
      if (wanted("drift")) await measureDrift(url, options);
    });
  },
};

function subjects({ runtime, subjects }: BenchOptions): string[] {
  return clientNames(runtime.name).filter((name) =>
    name === OURS || subjects.length === 0 || subjects.includes(name)
  );
}

async function measureMode(mode: Mode, url: string, options: BenchOptions): Promise<void> {
  const names = subjects(options);
  const reports: ChildReport[] = [];
  for (const concurrency of mode.concurrency) {
    progress(`postgres: ${mode.name} at ${concurrency}`);
    const input: ChildInput = {
      url,
      mode: mode.name,
      concurrency,
      clients: names,
      rounds: options.rounds ?? (options.quick ? 3 : 5),
      warmUpMs: 100,
      windowMs: options.quick ? 150 : 600,
    };
    const outcome = await runChild({
      runtime: options.runtime,
      script: new URL("./child.ts", import.meta.url),
      input,
      capMs: CAP_MS,
      parse: (value) => value as ChildReport,
    });
    if (outcome.kind === "done") reports.push(outcome.value);
    else throw new Error(`${mode.name} at ${concurrency}: ${JSON.stringify(outcome)}`);
  }
  progress("");
  print(`\n### ${mode.title}\n`);
  const rows = names.map((name) => [
    name,
    ...reports.map((report) => cell(report[OURS] ?? [], report[name] ?? [], name === OURS)),
  ]).filter((row) => row.slice(1).some((text) => text !== "–"));
  print(table(["operations/s at", ...mode.concurrency.map(format)], rows));
}

function cell(ours: readonly Stretch[], theirs: readonly Stretch[], own: boolean): string {
  if (theirs.length === 0) return "–";
  const rate = median(theirs.map(({ perSecond }) => perSecond));
  const text = `${format(Math.round(rate))} · ${
    format(median(theirs.map(({ cpuMicros }) => cpuMicros)))
  } µs`;
  if (own) return text;
  const ratios = theirs.map(({ perSecond }, round) => (ours[round]?.perSecond ?? NaN) / perSecond);
  return `${text} (${formatRatio(median(ratios))})`;
}

async function measureDrift(url: string, options: BenchOptions): Promise<void> {
  const seconds = options.quick ? 4 : 10;
  const rows: string[][] = [];
  for (const client of ["steady", "porsager", "porsager, max_pipeline 1"]) {
    progress(`postgres: drift of ${client}`);
    const input: DriftInput = { url, client, concurrency: DRIFT_CONCURRENCY, seconds };
    const outcome = await runChild({
      runtime: options.runtime,
      script: new URL("./drift_child.ts", import.meta.url),
      input,
      capMs: CAP_MS,
      parse: (value) => value as number[],
    });
    if (outcome.kind !== "done") throw new Error(`drift: ${JSON.stringify(outcome)}`);
    const rates = outcome.value;
    rows.push([
      client,
      ...rates.map((rate) => format(Math.round(rate))),
      formatRatio((rates.at(-1) ?? NaN) / (rates[0] ?? NaN)),
    ]);
  }
  progress("");
  print(`\n### Drift: \`select 1\` at ${DRIFT_CONCURRENCY}, second by second\n`);
  print(
    table(
      ["operations/s", ...Array.from({ length: seconds }, (_, i) => `${i + 1}`), "last/first"],
      rows,
    ),
  );
}
