/**
 * Running scripts in the runtime that the tests run on.
 *
 * @module
 */

import process from "node:process";
import { runtimeName } from "./harness.ts";

/** How a script is run. */
export interface ScriptOptions {
  /** File of an authority, in PEM, that the runtime trusts beside its own. */
  readonly authority?: string;
  /** Whether the script can collect garbage, by `gc()`. */
  readonly collectsGarbage?: boolean;
}

/** A program and its arguments. */
export interface ScriptCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** What is added to the environment. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Tells how to run a TypeScript file in the runtime that this runs on, with all permissions.
 *
 * @param script Path of the file.
 * @param args Its arguments.
 * @param options How.
 * @returns The command.
 */
export function scriptCommand(
  script: string,
  args: readonly string[] = [],
  { authority, collectsGarbage = false }: ScriptOptions = {},
): ScriptCommand {
  const program = process.execPath;
  if (runtimeName === "deno") {
    const flags = ["run", "--quiet", "--no-check", "--allow-all"];
    if (authority !== undefined) flags.push(`--cert=${authority}`);
    if (collectsGarbage) flags.push("--v8-flags=--expose-gc");
    return { program, args: [...flags, script, ...args], env: {} };
  }
  const env: Record<string, string> = authority === undefined
    ? {}
    : { NODE_EXTRA_CA_CERTS: authority };
  const flags = runtimeName === "node" ? ["--disable-warning=ExperimentalWarning"] : ["run"];
  if (collectsGarbage) flags.unshift("--expose-gc");
  return { program, args: [...flags, script, ...args], env };
}
