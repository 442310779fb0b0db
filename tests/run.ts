/**
 * Runs the tests: `deno task test [--on deno,bun,node] [options and files for deno test]`.
 *
 * Starts one PostgreSQL server for all (unless `STEADY_TEST_DATABASE_URL` names one), runs the test files on Deno, Bun
 * and Node side by side (workerd and the demos are driven from Deno's), sees to it that nothing is left behind, and ends
 * with a table and one line, `N passed, M failed`. With files named, Deno alone runs them, unless `--on` says otherwise.
 *
 * @module
 */

import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { runOnDeno } from "./support/deno_lane.ts";
import {
  DATABASE_URL_VARIABLE,
  RUN_DIRECTORY_VARIABLE,
  SHARED_SERVER_OPTIONS,
} from "./support/environment.ts";
import { PostgresServer } from "./support/postgres_server.ts";
import { print } from "./support/print.ts";
import { query } from "./support/query.ts";
import { RunDirectory } from "./support/run_directory.ts";
import { Score } from "./support/score.ts";
import { runOnScript } from "./support/script_lane.ts";
import { chooseStd, ROOT, type StdSource } from "./support/std_source.ts";
import type { RuntimeName } from "./support/harness.ts";
import { type Column, suiteOf, testFiles } from "./suites.ts";

/** What is run on Deno when the command line names no file. */
const DEFAULT_FILES = "tests/";

/** Runs of the model test where it is not run in full. */
const FEWER_RUNS = "2000";

const RUNTIMES: readonly RuntimeName[] = ["deno", "bun", "node"];

/** What the command line asks for. */
interface Wish {
  readonly runtimes: readonly RuntimeName[];
  /** For `deno test`. */
  readonly args: readonly string[];
  /** For Bun and Node: paths from the folder `tests`. */
  readonly files: readonly string[];
}

/** Whether an argument names a file or directory to test. */
function isPath(arg: string, index: number, args: readonly string[]): boolean {
  return !arg.startsWith("-") && !["--filter", "--on"].includes(args[index - 1] ?? "") &&
    /[/\\]|\.[cm]?[jt]sx?$/.test(arg);
}

async function readArguments(all: readonly string[]): Promise<Wish> {
  // `deno task test -- …` hands over the two dashes too.
  const separator = all.indexOf("--");
  const args = all.filter((_, index) => index !== separator);
  const paths = args.filter(isPath);
  const on = args.indexOf("--on");
  const [, names] = on < 0 ? [] : args.splice(on, 2);
  const runtimes = names === undefined
    ? paths.length > 0 || args.length > 0 ? RUNTIMES.slice(0, 1) : RUNTIMES
    : names.split(",").map(runtimeOf);
  const folder = fileURLToPath(new URL("tests/", ROOT));
  const wanted = paths.map((path) => relative(folder, fileURLToPath(new URL(path, ROOT))));
  const files = (await testFiles()).filter((file) =>
    wanted.length === 0 || wanted.some((path) => file === path || file.startsWith(`${path}/`)) ||
    wanted.includes("")
  );
  return { runtimes, args: paths.length > 0 ? args : [...args, DEFAULT_FILES], files };
}

function runtimeOf(name: string): RuntimeName {
  const runtime = RUNTIMES.find((known) => known === name);
  if (runtime === undefined) throw new TypeError(`--on takes ${RUNTIMES.join(", ")}: not ${name}`);
  return runtime;
}

/** The environment in which a runtime's tests find the shared server. */
type DatabaseOf = (runtime: RuntimeName) => Record<string, string>;

/**
 * Runs `fn` with the shared server running. Each runtime has a database of its own on it: what one makes of types would
 * be seen by the others, which compare what they learnt of types at different times.
 */
async function withDatabases<T>(fn: (databaseOf: DatabaseOf) => Promise<T>): Promise<T> {
  if (Deno.env.has(DATABASE_URL_VARIABLE)) return await fn(() => ({}));
  await using server = await PostgresServer.start(SHARED_SERVER_OPTIONS);
  for (const runtime of RUNTIMES) await query(server.url(), `create database ${runtime}`);
  return await fn((runtime) => ({ [DATABASE_URL_VARIABLE]: server.url({ database: runtime }) }));
}

/** Runs on Deno, and beside it on the others, one after the other: as many processes as there are cores. */
async function runAll(
  { runtimes, args, files }: Wish,
  std: StdSource,
  databaseOf: DatabaseOf,
  score: Score,
  signal: AbortSignal,
): Promise<string[]> {
  const onDeno = runtimes.includes("deno")
    ? runOnDeno({ args, std, env: databaseOf("deno"), signal }, score)
    : Promise.resolve([]);
  const onOthers = (async () => {
    const problems: string[] = [];
    for (const runtime of ["node", "bun"] as const) {
      if (!runtimes.includes(runtime) || signal.aborted) continue;
      problems.push(
        ...await runOnScript({
          runtime,
          files: files.filter((file) => suiteOf(file).runtimes.includes(runtime)),
          env: { STEADY_RUNS: FEWER_RUNS, ...Deno.env.toObject(), ...databaseOf(runtime) },
        }, score),
      );
    }
    return problems;
  })();
  const settled = await Promise.allSettled([onDeno, onOthers]);
  return settled.flatMap((lane) =>
    lane.status === "fulfilled" ? lane.value : [Deno.inspect(lane.reason)]
  );
}

async function main(args: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => interrupted.abort());
  }
  const score = new Score();
  const problems: string[] = [];
  let columns: readonly Column[] = [];
  {
    await using directory = await RunDirectory.create();
    // For the server of this process; children inherit it.
    Deno.env.set(RUN_DIRECTORY_VARIABLE, directory.path);
    try {
      const wish = await readArguments(args);
      columns = wish.runtimes.includes("deno") ? [...wish.runtimes, "workerd"] : wish.runtimes;
      const std = await chooseStd(directory.path);
      print(std.description);
      problems.push(
        ...await withDatabases((databaseOf) =>
          runAll(wish, std, databaseOf, score, interrupted.signal)
        ),
      );
    } catch (error) {
      problems.push(Deno.inspect(error));
    }
    problems.push(...await directory.sweep());
  }
  if (interrupted.signal.aborted) problems.push("interrupted");
  print("");
  for (const line of score.table(columns)) print(line);
  for (const problem of problems) print(problem);
  // What went wrong outside of tests counts too: nobody should read "0 failed" under it.
  const failed = score.failed + problems.length;
  print(`\n${score.passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

const code = await main(Deno.args);
// The listeners for signals would keep the process alive.
Deno.exit(code);
