/**
 * The executables of the runtimes, from npm: nothing has to be installed by hand.
 *
 * What `npx` has unpacked once it finds again without the network. The executable itself is wanted and not `npx`, so that
 * the process that is started is the runtime, and a signal reaches it.
 *
 * @module
 */

import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import process from "node:process";
import { runChild } from "./child.ts";

/** Name of a runtime. */
export type RuntimeProgram = "deno" | "bun" | "node" | "workerd";

/** Arguments of `npx` with which it prints where the executable is. */
const LOOK_UP: Readonly<Record<Exclude<RuntimeProgram, "deno">, readonly string[]>> = {
  bun: ["bun@1.4.5", "-e", "console.log(process.execPath)"],
  node: ["node@24.21.0", "-p", "process.execPath"],
  // Not a runtime of scripts. Its package tells where it is, and `npx` puts that package's folder first in the PATH.
  workerd: [
    ...["-p", "workerd@1.20260426.1", "node", "-p"],
    `require(require("path").resolve(process.env.PATH.split(require("path").delimiter)[0], "../workerd")).default`,
  ],
};

const found = new Map<RuntimeProgram, Promise<string>>();

/**
 * Finds the executable of a runtime, and gets it from npm if need be.
 *
 * @param name Which runtime.
 * @returns Its path. Rejects if npm does not have it and the PATH neither.
 */
export function runtimePath(name: RuntimeProgram): Promise<string> {
  let path = found.get(name);
  if (path === undefined) found.set(name, path = find(name));
  return path;
}

async function find(name: RuntimeProgram): Promise<string> {
  if (name === "deno") return "Deno" in globalThis ? process.execPath : await inPath(name);
  const variable = `STEADY_TEST_${name.toUpperCase()}`;
  // To ask `npx` takes a second of work, so that the child processes of this one are told and need not ask.
  return process.env[variable] ??= await fromNpm(name);
}

async function fromNpm(name: Exclude<RuntimeProgram, "deno">): Promise<string> {
  let reason = "";
  try {
    const { code, stdout, stderr } = await runChild("npx", ["-y", ...LOOK_UP[name]]);
    const path = stdout.trim().split("\n").at(-1);
    if (code === 0 && path) return path;
    reason = stderr;
  } catch (error) {
    reason = String(error);
  }
  return await inPath(name, reason);
}

async function inPath(name: string, reason = ""): Promise<string> {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name);
    if (await access(path, constants.X_OK).then(() => true, () => false)) return path;
  }
  throw new Error(`There is no ${name}, neither from npm nor in the PATH. ${reason}`.trimEnd());
}
