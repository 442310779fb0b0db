/**
 * How the app is started on each of the runtimes.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** What the app can run on. */
export type AppRuntime = "deno" | "bun" | "node";

/** A command and what it is called by people. */
export interface AppCommand {
  /** The runtime as its makers write it. */
  readonly title: string;
  readonly program: string;
  readonly args: readonly string[];
}

const RUNTIMES: Readonly<Record<AppRuntime, { title: string; args: readonly string[] }>> = {
  deno: { title: "Deno", args: ["run", "--quiet", "--no-prompt", "--allow-net", "--allow-env"] },
  bun: { title: "Bun", args: ["run"] },
  node: { title: "Node.js", args: [] },
};

/** All of them. */
export const APP_RUNTIMES: readonly AppRuntime[] = ["deno", "bun", "node"];

/**
 * Tells whether the app can run on something.
 *
 * @param name Its name.
 * @returns Whether it can.
 */
export function isAppRuntime(name: string): name is AppRuntime {
  return Object.hasOwn(RUNTIMES, name);
}

/**
 * Makes the command.
 *
 * @param name What to run on.
 * @param path The runtime's executable.
 * @returns Program and arguments.
 */
export function appCommand(name: AppRuntime, path: string): AppCommand {
  const { title, args } = RUNTIMES[name];
  const script = fileURLToPath(new URL(`./apps/${name}.ts`, import.meta.url));
  return { title, program: path, args: [...args, script] };
}
