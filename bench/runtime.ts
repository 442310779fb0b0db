/**
 * The runtimes that measuring processes can run on.
 *
 * @module
 */

import { runtimePath } from "../tests/support/runtimes.ts";

/** Name of a runtime. */
export type RuntimeName = "deno" | "bun" | "node";

/** A runtime that was found. */
export interface Runtime {
  /** Which one. */
  readonly name: RuntimeName;
  /** Its version, for the heading. */
  readonly version: string;
  /** Its executable. */
  readonly binary: string;
  /** What precedes the script on its command line. */
  readonly args: readonly string[];
}

/** `globalThis.gc` everywhere (heap per waiter needs it), and nothing that prints or checks types. */
const ARGS: Record<RuntimeName, readonly string[]> = {
  deno: ["run", "-A", "--no-check", "--v8-flags=--expose-gc"],
  bun: ["--expose-gc", "run"],
  node: ["--expose-gc", "--disable-warning=ExperimentalWarning"],
};

/** The oldest Node that runs TypeScript without a flag. */
const OLDEST_NODE = [22, 18] as const;

/**
 * Finds a runtime: Deno is the one that runs this, Bun and Node come from npm.
 *
 * @param name Which one.
 * @param given Path of its executable, when the search is not wanted.
 * @returns Where it is and how it is called.
 * @throws {Error} When there is none, or none new enough.
 */
export async function findRuntime(name: RuntimeName, given?: string): Promise<Runtime> {
  const binary = given ?? await runtimePath(name);
  const version = await versionOf(binary);
  if (version !== undefined && (name !== "node" || isNewEnough(version))) {
    return { name, version, binary, args: ARGS[name] };
  }
  throw new Error(
    name === "node"
      ? `Cannot use ${binary} as Node: it has to be ${OLDEST_NODE.join(".")} or newer`
      : `Cannot use ${binary} as ${name}`,
  );
}

async function versionOf(binary: string): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(binary, { args: ["--version"] }).output();
    return success ? /\d+\.\d+\.\d+/.exec(new TextDecoder().decode(stdout))?.[0] : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}
