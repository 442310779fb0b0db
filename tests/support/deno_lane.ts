/**
 * Runs test files on Deno, by `deno test`.
 *
 * @module
 */

import { stripVTControlCharacters } from "node:util";
import type { Score } from "./score.ts";
import { printBytes } from "./print.ts";
import { ROOT, type StdSource } from "./std_source.ts";
import { parseSummary } from "./test_summary.ts";

/** As much of the output's end as has the summary for sure. */
const TAIL_LENGTH = 16_384;

/** What precedes the tests of one file. */
const FILE = /^running \d+ tests? from (?:\.\/tests\/)?(\S+)$/;
/** The end of one test; what a step says is indented. */
const TEST = /^\S.* \.\.\. (ok|FAILED)(?: \(.*\))?$/;
/** The end of a test that had steps, or printed something. */
const LATE = /^(?:\S.* \.\.\.)? ?(ok|FAILED) \([\d.]+(?:ms|s|µs|m\d+s)\)$/;

/** Counts tests by file as `deno test` tells of them. */
export class DenoTestReader {
  readonly #told: (file: string, passed: boolean) => void;
  #file = "";
  #rest = "";

  /** @param told Told of each test that ended. */
  constructor(told: (file: string, passed: boolean) => void) {
    this.#told = told;
  }

  /**
   * More output came.
   *
   * @param text As it came.
   */
  read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(stripVTControlCharacters(line));
  }

  #line(line: string): void {
    const file = FILE.exec(line)?.[1];
    if (file !== undefined) this.#file = file;
    const result = TEST.exec(line)?.[1] ?? LATE.exec(line)?.[1];
    if (result !== undefined && this.#file !== "") this.#told(this.#file, result === "ok");
  }
}

/** What is run, and how. */
export interface DenoLaneOptions {
  /** Options and files for `deno test`. */
  readonly args: readonly string[];
  readonly std: StdSource;
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/**
 * Runs the tests, and passes on what is said of them as it comes.
 *
 * @param options What and how.
 * @param score Where the results go.
 * @returns What went wrong outside of tests.
 */
export async function runOnDeno(
  { args, std, env, signal }: DenoLaneOptions,
  score: Score,
): Promise<string[]> {
  // Behind a pipe Deno would not use colours, although in the end a person may look at them.
  const colours = Deno.stdout.isTerminal() && !Deno.noColor;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", ...std.args, ...args],
    cwd: ROOT,
    env: { ...env, ...(colours && { FORCE_COLOR: "1" }) },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    signal,
  }).spawn();
  let passed = 0;
  let failed = 0;
  const reader = new DenoTestReader((file, ok) => {
    const count = score.of(file, "deno");
    if (ok) {
      passed++;
      count.passed++;
    } else {
      failed++;
      count.failed++;
    }
  });
  const decoder = new TextDecoder();
  let tail = "";
  for await (const chunk of child.stdout) {
    printBytes(chunk);
    const text = decoder.decode(chunk, { stream: true });
    reader.read(text);
    tail = (tail + text).slice(-TAIL_LENGTH);
  }
  const status = await child.status;
  const summary = parseSummary(tail);
  if (summary === undefined) return ["deno test ended without a summary"];
  if (summary.passed + summary.failed === 0) return ["deno test ran no test"];
  if (summary.passed !== passed || summary.failed < failed) {
    const { passed: all, failed: bad } = summary;
    return [`deno test says ${all} passed, ${bad} failed; read were ${passed} and ${failed}`];
  }
  // An error outside of tests has no line of its own.
  const outside = summary.failed - failed;
  if (outside > 0) return [`deno test: ${outside} failed outside of tests`];
  return status.success || failed > 0 ? [] : [`deno test ended with code ${status.code}`];
}
