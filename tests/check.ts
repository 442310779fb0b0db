/**
 * Checks everything that can be checked without running it: `deno task check`.
 *
 * Format, lint, types (sources, tests, benchmarks, the code in the documentation), documentation of what is exported,
 * and whether it could be published. All steps are run, and the ones that failed are named in the end.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { runChild } from "./support/child.ts";
import { print } from "./support/print.ts";
import { RunDirectory } from "./support/run_directory.ts";
import { chooseStd, ROOT } from "./support/std_source.ts";

/** One command of Deno. */
interface Step {
  readonly name: string;
  readonly args: readonly string[];
}

const SOURCES = ["mod.ts", "src", "tests", "bench"];

/** Where there is code in documentation. */
const DOCUMENTED = ["README.md", "mod.ts", "src"];

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(new URL(path, ROOT)).then(() => true, () => false);
}

async function existing(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(paths.map(exists));
  return paths.filter((_, index) => found[index]);
}

/** The files that `deno.json` exports; all of them, so that one that is missing is an error. */
async function exportedFiles(): Promise<string[]> {
  const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT))) as {
    readonly exports: Readonly<Record<string, string>>;
  };
  return Object.values(config.exports);
}

async function steps(std: readonly string[]): Promise<Step[]> {
  return [
    { name: "format", args: ["fmt", "--check"] },
    { name: "lint", args: ["lint"] },
    { name: "types", args: ["check", ...std, ...await existing(SOURCES)] },
    {
      name: "code in documentation",
      args: ["check", "--doc-only", ...std, ...await existing(DOCUMENTED)],
    },
    { name: "documentation", args: ["doc", "--lint", ...await exportedFiles()] },
    { name: "publication", args: ["publish", "--dry-run", "--allow-dirty"] },
  ];
}

async function run({ name, args }: Step): Promise<boolean> {
  const started = performance.now();
  const { code, stdout, stderr } = await runChild(Deno.execPath(), args, {
    cwd: fileURLToPath(ROOT),
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  print(`${name}: ${code === 0 ? "ok" : "FAILED"} (${seconds} s)`);
  // What a check that passed has to say (a list of files, mostly) would hide what the others say.
  if (code !== 0) print(stdout + stderr);
  return code === 0;
}

await using directory = await RunDirectory.create();
const std = await chooseStd(directory.path);
print(std.description);
const failed: string[] = [];
for (const step of await steps(std.args)) {
  if (!await run(step)) failed.push(step.name);
}
print(failed.length === 0 ? "all checks passed" : `failed: ${failed.join(", ")}`);
Deno.exitCode = failed.length === 0 ? 0 : 1;
