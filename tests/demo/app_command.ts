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

/** The main modules of an app, one for each runtime. */
export type AppModules = Readonly<Record<AppRuntime, URL>>;

/** Those of the demo. */
export const DEMO_APPS: AppModules = {
  deno: new URL("./apps/deno.ts", import.meta.url),
  bun: new URL("./apps/bun.ts", import.meta.url),
  node: new URL("./apps/node.ts", import.meta.url),
  workerd: new URL("./apps/workerd.ts", import.meta.url),
};

/** How workerd runs a bundle of whichever app. */
const WORKERD_CONFIG = new URL("./apps/workerd.capnp", import.meta.url);

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
 * @param apps The app.
 * @returns Program and arguments.
 */
export async function appCommand(
  name: AppRuntime,
  path: string,
  apps: AppModules,
): Promise<AppCommand> {
  const main = apps[name];
  switch (name) {
    case "deno":
      return script(path, main, [
        "run",
        "--quiet",
        "--no-prompt",
        "--allow-net",
        "--allow-env",
      ]);
    case "bun":
      return script(path, main);
    case "node":
      return script(path, main);
    case "workerd":
      return await worker(path, main);
  }
}

function script(program: string, main: URL, args: readonly string[] = []): AppCommand {
  return { program, args: [...args, fileURLToPath(main)], async [Symbol.asyncDispose]() {} };
}

async function worker(path: string, main: URL): Promise<AppCommand> {
  const text = await bundle(main);
  const folder = await mkdtemp(
    join(process.env[RUN_DIRECTORY_VARIABLE] ?? tmpdir(), "steady-app-"),
  );
  await writeFile(join(folder, "app.js"), text);
  // Standard output is where the scripts tell their port too.
  const args = [
    "serve",
    fileURLToPath(WORKERD_CONFIG),
    `--import-path=${folder}`,
    "--control-fd=1",
  ];
  return {
    program: "/bin/sh",
    args: ["-c", GUARD, "sh", path, ...args],
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
