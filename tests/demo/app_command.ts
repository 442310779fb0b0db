/**
 * How the app is started on each of the runtimes.
 *
 * @module
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { RUN_DIRECTORY_VARIABLE } from "../support/environment.ts";
import { bundle } from "../workerd/bundle.ts";

/** What the app can run on. */
export type AppRuntime = "deno" | "bun" | "node" | "workerd";

/** All of them. */
export const APP_RUNTIMES: readonly AppRuntime[] = ["deno", "bun", "node", "workerd"];

/** A runtime as its makers write it. */
export const TITLES: Readonly<Record<AppRuntime, string>> = {
  deno: "Deno",
  bun: "Bun",
  node: "Node.js",
  workerd: "workerd",
};

/** A command; what it needs can be disposed of as soon as the app serves. */
export interface AppCommand extends AsyncDisposable {
  readonly program: string;
  readonly args: readonly string[];
}

/**
 * Ends a program with the standard input, as apps do that are scripts. Not by SIGTERM: workerd would wait for clients to
 * give up connections that they keep for later. Its output is the program's alone, so that it ends when that does.
 */
const GUARD = `"$@" & app=$!; exec >&-; read -r _; kill -KILL "$app"`;

/**
 * Tells whether the app can run on something.
 *
 * @param name Its name.
 * @returns Whether it can.
 */
export function isAppRuntime(name: string): name is AppRuntime {
  return Object.hasOwn(TITLES, name);
}

/**
 * Makes the command, and what it needs.
 *
 * @param name What to run on.
 * @param path The runtime's executable.
 * @returns Program and arguments.
 */
export async function appCommand(name: AppRuntime, path: string): Promise<AppCommand> {
  switch (name) {
    case "deno":
      return script(path, "deno.ts", [
        "run",
        "--quiet",
        "--no-prompt",
        "--allow-net",
        "--allow-env",
      ]);
    case "bun":
      return script(path, "bun.ts");
    case "node":
      return script(path, "node.ts");
    case "workerd":
      return await worker(path);
  }
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(`./apps/${file}`, import.meta.url));
}

function script(program: string, file: string, args: readonly string[] = []): AppCommand {
  return { program, args: [...args, pathOf(file)], async [Symbol.asyncDispose]() {} };
}

async function worker(path: string): Promise<AppCommand> {
  const text = await bundle(new URL("./apps/workerd.ts", import.meta.url));
  const folder = await mkdtemp(
    join(process.env[RUN_DIRECTORY_VARIABLE] ?? tmpdir(), "steady-app-"),
  );
  await writeFile(join(folder, "app.js"), text);
  // Standard output is where the scripts tell their port too.
  const args = ["serve", pathOf("workerd.capnp"), `--import-path=${folder}`, "--control-fd=1"];
  return {
    program: "/bin/sh",
    args: ["-c", GUARD, "sh", path, ...args],
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
