/**
 * Runs test files on Bun and Node, by `run_files.ts`.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { runChild } from "./child.ts";
import { print } from "./print.ts";
import { type FileResult, RESULTS } from "./results.ts";
import { runtimePath } from "./runtimes.ts";
import type { Score } from "./score.ts";
import { ROOT } from "./std_source.ts";

const RUNNER = fileURLToPath(new URL("run_files.ts", import.meta.url));

/** How each finds the stand-ins for `@std`. */
const FLAGS: Readonly<Record<"bun" | "node", readonly string[]>> = {
  node: [
    "--disable-warning=ExperimentalWarning",
    `--import=${new URL("node_resolve.ts", import.meta.url).href}`,
  ],
  bun: [`--tsconfig-override=${fileURLToPath(new URL("bun_resolve.json", import.meta.url))}`],
};

/** What is run, and how. */
export interface ScriptLaneOptions {
  readonly runtime: "bun" | "node";
  /** Paths from the folder `tests`. */
  readonly files: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs the tests, and prints what is said of them when they are over.
 *
 * @param options What and how.
 * @param score Where the results go.
 * @returns What went wrong outside of tests.
 */
export async function runOnScript(
  { runtime, files, env }: ScriptLaneOptions,
  score: Score,
): Promise<string[]> {
  if (files.length === 0) return [];
  const tests = new URL("tests/", ROOT);
  const paths = files.map((file) => fileURLToPath(new URL(file, tests)));
  const { code, stdout, stderr } = await runChild(
    await runtimePath(runtime),
    [...FLAGS[runtime], RUNNER, ...paths],
    { env, cwd: fileURLToPath(ROOT) },
  );
  const end = stdout.lastIndexOf(RESULTS);
  print(`\n${runtime}:\n${end < 0 ? stdout : stdout.slice(0, end)}${stderr}`);
  if (end < 0) return [`${runtime} ended with code ${code} before its tests were over`];
  const results = JSON.parse(stdout.slice(end + RESULTS.length)) as FileResult[];
  for (const [index, { passed, failed, notApplicable }] of results.entries()) {
    const count = score.of(files[index] ?? "", runtime);
    count.passed += passed;
    count.failed += failed;
    for (const [reason, number] of Object.entries(notApplicable)) {
      count.notApplicable.set(reason, (count.notApplicable.get(reason) ?? 0) + number);
    }
  }
  return results.length === files.length ? [] : [`${runtime} left out files`];
}
