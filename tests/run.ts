/**
 * Runs the tests: `deno task test [-- options and files for deno test]`.
 *
 * Starts one PostgreSQL server for all (unless `STEADY_TEST_DATABASE_URL` names one), runs `deno test`, sees to it that
 * nothing is left behind, and ends with one line, `N passed, M failed`.
 *
 * @module
 */

import {
  DATABASE_URL_VARIABLE,
  RUN_DIRECTORY_VARIABLE,
  SHARED_SERVER_OPTIONS,
} from "./support/environment.ts";
import { PostgresServer } from "./support/postgres_server.ts";
import { print, printBytes } from "./support/print.ts";
import { RunDirectory } from "./support/run_directory.ts";
import { chooseStd, ROOT, type StdSource } from "./support/std_source.ts";
import { parseSummary, type TestSummary } from "./support/test_summary.ts";

/** As much of the output's end as has the summary for sure. */
const TAIL_LENGTH = 16_384;

/** What is run when the command line names no file. */
const DEFAULT_FILES = "tests/";

/** The sums, and what else went wrong. */
interface Outcome extends TestSummary {
  readonly problems: readonly string[];
}

/** Whether a file or directory to test is among the arguments. */
function namesFiles(args: readonly string[]): boolean {
  return args.some((arg, index) =>
    !arg.startsWith("-") && args[index - 1] !== "--filter" && /[/\\]|\.[cm]?[jt]sx?$/.test(arg)
  );
}

/** `deno task test -- …` hands over the two dashes too. */
function withoutSeparator(args: readonly string[]): string[] {
  const separator = args.indexOf("--");
  return args.filter((_, index) => index !== separator);
}

/** Passes a stream on to the standard output and keeps its end. */
async function tee(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let tail = "";
  for await (const chunk of stream) {
    printBytes(chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-TAIL_LENGTH);
  }
  return tail;
}

async function runTests(
  args: readonly string[],
  std: StdSource,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<Outcome> {
  const passedOn = withoutSeparator(args);
  const files = namesFiles(passedOn) ? [] : [DEFAULT_FILES];
  // Behind a pipe Deno would not use colours, although in the end a person may look at them.
  const colours = Deno.stdout.isTerminal() && !Deno.noColor;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", ...std.args, ...passedOn, ...files],
    cwd: ROOT,
    env: { ...env, ...(colours && { FORCE_COLOR: "1" }) },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    signal,
  });
  const child = command.spawn();
  const [output, status] = await Promise.all([tee(child.stdout), child.status]);
  const summary = parseSummary(output);
  if (!summary) return { passed: 0, failed: 0, problems: ["deno test ended without a summary"] };
  if (summary.passed + summary.failed === 0) return { ...summary, problems: ["no test was run"] };
  if (!status.success && summary.failed === 0) {
    return { ...summary, problems: [`deno test ended with code ${status.code}`] };
  }
  return { ...summary, problems: [] };
}

/** Runs `fn` with the environment that names the shared server, and the server running. */
async function withDatabase<T>(fn: (env: Record<string, string>) => Promise<T>): Promise<T> {
  if (Deno.env.has(DATABASE_URL_VARIABLE)) return await fn({});
  await using server = await PostgresServer.start(SHARED_SERVER_OPTIONS);
  return await fn({ [DATABASE_URL_VARIABLE]: server.url() });
}

async function runAll(
  args: readonly string[],
  directory: RunDirectory,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    const std = await chooseStd(directory.path);
    print(std.description);
    return await withDatabase((env) => runTests(args, std, env, signal));
  } catch (error) {
    return { passed: 0, failed: 0, problems: [Deno.inspect(error)] };
  }
}

async function main(args: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => interrupted.abort());
  }
  await using directory = await RunDirectory.create();
  // For the server of this process; children inherit it.
  Deno.env.set(RUN_DIRECTORY_VARIABLE, directory.path);
  const outcome = await runAll(args, directory, interrupted.signal);
  const problems = [...outcome.problems, ...await directory.sweep()];
  if (interrupted.signal.aborted) problems.push("interrupted");
  for (const problem of problems) print(problem);
  // What went wrong outside of tests counts too: nobody should read "0 failed" under it.
  const failed = outcome.failed + problems.length;
  print(`${outcome.passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

const code = await main(Deno.args);
// The listeners for signals would keep the process alive.
Deno.exit(code);
