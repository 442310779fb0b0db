/**
 * Which tests there are, and on which runtimes they run.
 *
 * @module
 */

import { readdir } from "node:fs/promises";
import type { RuntimeName } from "./support/harness.ts";

/** Where results are counted: the runtimes that run test files, and the one that is tested from outside. */
export type Column = RuntimeName | "workerd";

/** All columns, in the order they are printed. */
export const COLUMNS: readonly Column[] = ["deno", "bun", "node", "workerd"];

/** Tests that belong together. */
export interface Suite {
  /** What they are about. */
  readonly name: string;
  /** Which files they are in, from the folder `tests`. */
  readonly files: RegExp;
  /** Which runtimes run them. */
  readonly runtimes: readonly RuntimeName[];
  /** Where the results count; where they run, if not said. */
  readonly column?: Column;
  /** Why not on the others. */
  readonly elsewhere: Partial<Record<Column, string>>;
}

const EVERYWHERE: readonly RuntimeName[] = ["deno", "bun", "node"];
/** There is no file system, no child process and no listening socket there. */
const NO_RUNNER = "no test runner in it: see edge";
/** One test drives a process of each runtime. */
const BY_DENO = "the tests in Deno's column run it there";
const TOOLS = "checks tools of Deno";

/** All suites, in the order they are printed; a file belongs to the first that names it. */
export const SUITES: readonly Suite[] = [
  {
    name: "core",
    files: /^core\//,
    runtimes: EVERYWHERE,
    elsewhere: { workerd: NO_RUNNER },
  },
  {
    name: "testing kits",
    files: /^testing\//,
    runtimes: EVERYWHERE,
    elsewhere: { workerd: NO_RUNNER },
  },
  {
    name: "Deno's own sockets",
    files: /^runtime\/deno_/,
    runtimes: ["deno"],
    elsewhere: { bun: "Deno only", node: "Deno only", workerd: "Deno only" },
  },
  {
    name: "sockets, async context",
    files: /^runtime\//,
    runtimes: EVERYWHERE,
    elsewhere: { workerd: NO_RUNNER },
  },
  {
    name: "driver",
    files: /^driver\//,
    runtimes: EVERYWHERE,
    elsewhere: { workerd: NO_RUNNER },
  },
  {
    name: "pool on PostgreSQL",
    files: /^entry\//,
    runtimes: EVERYWHERE,
    elsewhere: { workerd: NO_RUNNER },
  },
  {
    name: "fault rig",
    files: /^faults\//,
    runtimes: EVERYWHERE,
    elsewhere: { workerd: NO_RUNNER },
  },
  {
    name: "ledger soak",
    files: /^soak\//,
    runtimes: EVERYWHERE,
    elsewhere: { workerd: NO_RUNNER },
  },
  {
    name: "edge",
    files: /^workerd\//,
    runtimes: ["deno"],
    column: "workerd",
    elsewhere: { deno: "workerd only", bun: "workerd only", node: "workerd only" },
  },
  {
    name: "parts of the demo",
    files: /^demo\//,
    runtimes: EVERYWHERE,
    elsewhere: { workerd: NO_RUNNER },
  },
  {
    name: "demo",
    files: /^demo_test/,
    runtimes: ["deno"],
    elsewhere: {
      bun: BY_DENO,
      node: BY_DENO,
      workerd: BY_DENO,
    },
  },
  {
    name: "apps with scopes",
    files: /^apps_test/,
    runtimes: ["deno"],
    elsewhere: {
      bun: BY_DENO,
      node: BY_DENO,
      workerd: BY_DENO,
    },
  },
  {
    name: "package",
    files: /^package\//,
    runtimes: ["deno"],
    elsewhere: {
      bun: BY_DENO,
      node: BY_DENO,
      workerd: BY_DENO,
    },
  },
  {
    name: "tools, documents",
    files: /^/,
    runtimes: ["deno"],
    elsewhere: { bun: TOOLS, node: TOOLS, workerd: TOOLS },
  },
];

/**
 * Tells to which suite a test file belongs.
 *
 * @param file Its path from the folder `tests`.
 * @returns The suite.
 */
export function suiteOf(file: string): Suite {
  const suite = SUITES.find(({ files }) => files.test(file));
  if (suite === undefined) throw new Error(`${file} belongs to no suite`);
  return suite;
}

/**
 * Finds the test files.
 *
 * @returns Their paths from the folder `tests`, in order.
 */
export async function testFiles(): Promise<string[]> {
  const all = await readdir(new URL(".", import.meta.url), { recursive: true });
  return all.filter((file) => file.endsWith("_test.ts")).sort();
}
