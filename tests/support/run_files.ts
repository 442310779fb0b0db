/**
 * Runs test files on Bun and Node, one after the other in one process: what `deno test` is on Deno.
 *
 * Arguments: paths of test files. Prints a line for each test, and in the end one line of JSON with the sums by file.
 *
 * @module
 */

import process from "node:process";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { print } from "./print.ts";
import { type FileResult, RESULTS } from "./results.ts";
import { registered, type RegisteredTest, type TestContext } from "./harness.ts";

/** Longest that one test may take, in milliseconds: one that hangs must not take the others with it. */
const TEST_MS = 120_000;

const failures: string[] = [];

/** What nobody handles fails the test in which it happens, as on Deno. */
let unhandled: unknown[] = [];
for (const event of ["unhandledRejection", "uncaughtException"]) {
  process.on(event, (error: unknown) => unhandled.push(error));
}

async function runTest({ name, fn }: RegisteredTest): Promise<boolean> {
  const started = performance.now();
  const problems: unknown[] = [];
  const context: TestContext = {
    async step(part, run) {
      try {
        await run();
        return true;
      } catch (error) {
        problems.push(new Error(`In the step "${part}"`, { cause: error }));
        return false;
      }
    },
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not over after ${TEST_MS} ms`)), TEST_MS);
  });
  try {
    await Promise.race([fn(context), late]);
    // Rejections count as unhandled a turn later.
    await new Promise((resolve) => setTimeout(resolve));
  } catch (error) {
    problems.push(error);
  } finally {
    clearTimeout(timer);
  }
  problems.push(...unhandled);
  unhandled = [];
  const ms = Math.round(performance.now() - started);
  print(`${name} ... ${problems.length === 0 ? "ok" : "FAILED"} (${ms} ms)`);
  for (const problem of problems) failures.push(`${name}\n${inspect(problem)}`);
  return problems.length === 0;
}

async function runFile(file: string): Promise<FileResult> {
  registered.length = 0;
  const notApplicable: Record<string, number> = {};
  let passed = 0;
  let failed = 0;
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    failures.push(`${file} cannot be loaded\n${inspect(error)}`);
    failed++;
  }
  for (const test of [...registered]) {
    const reason = test.notApplicable;
    if (reason !== undefined) notApplicable[reason] = (notApplicable[reason] ?? 0) + 1;
    else if (await runTest(test)) passed++;
    else failed++;
  }
  return { file, passed, failed, notApplicable };
}

const results: FileResult[] = [];
for (const file of process.argv.slice(2)) {
  print(`running ${file}`);
  results.push(await runFile(file));
}
for (const failure of failures) print(`\nFAILED ${failure}`);
print(RESULTS + JSON.stringify(results));
process.exit(results.some(({ failed }) => failed > 0) ? 1 : 0);
