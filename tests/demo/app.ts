/**
 * The service as the demo sees it: an app in a process of its own, on one of the runtimes.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import process from "node:process";
import type { Readable } from "node:stream";
import { expectChild } from "../support/child.ts";
import { runtimePath } from "../support/runtimes.ts";
import { appCommand, type AppModules, type AppRuntime, DEMO_APPS, TITLES } from "./app_command.ts";
import type { ServiceStats } from "./order_service.ts";

/** How long an app may take to end; a bound for what should never happen. */
const FAREWELL_MS = 5_000;

/** How long an app may take to tell its counts. */
const ANSWER_MS = 5_000;

/** A running app. */
export class App implements AsyncDisposable {
  /** URL of the service, without a slash at the end. */
  readonly url: string;
  /** Name and version of the runtime. */
  readonly runtime: string;
  /** Whether each request has a pool of its own, as connections cannot outlive requests. */
  readonly poolPerRequest: boolean;
  /** Aborted when it ends without having been told to. */
  readonly lost: AbortSignal;
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | string>;
  #ending: Promise<void> | undefined;

  private constructor(
    name: AppRuntime,
    version: string | undefined,
    port: number,
    process: ChildProcess,
    ended: Promise<number | string>,
  ) {
    this.runtime = `${TITLES[name]} ${version}`;
    this.poolPerRequest = name === "workerd";
    this.url = `http://127.0.0.1:${port}`;
    this.#process = process;
    this.#ended = ended;
    const lost = new AbortController();
    this.lost = lost.signal;
    process.stdout?.once("close", () => {
      if (this.#ending) return;
      lost.abort(new Error(`The app on ${this.runtime} ended before its time`));
    });
  }

  /**
   * Starts the app.
   *
   * @param name What it runs on.
   * @param databaseUrl URL of its database.
   * @param apps Which app.
   * @returns The app, serving.
   */
  static async start(
    name: AppRuntime,
    databaseUrl: string,
    apps: AppModules = DEMO_APPS,
  ): Promise<App> {
    const path = await runtimePath(name);
    const [version] = /\d[\d.-]*\d/.exec(await expectChild(path, ["--version"])) ?? [];
    await using command = await appCommand(name, path, apps);
    const child = spawn(command.program, command.args, {
      // A session of its own: the Ctrl+C that ends the demo must not end the app before the load.
      detached: true,
      env: { ...process.env, DATABASE_URL: databaseUrl },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = new Promise<number | string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("close", (code, signal) => resolve(code ?? signal ?? ""));
    });
    const port = await portOf(child.stdout);
    if (port === undefined) throw new Error(`It ended before it served: ${await ended}`);
    return new App(name, version, port, child, ended);
  }

  /** @returns What the service says of itself. Rejects if it does not answer in time. */
  async stats(): Promise<ServiceStats> {
    const response = await fetch(`${this.url}/stats`, { signal: AbortSignal.timeout(ANSWER_MS) });
    return await response.json();
  }

  /** Ends it: what is under way is answered. Rejects if it did not end well. */
  end(): Promise<void> {
    return this.#ending ??= this.#end();
  }

  /** Ends it, however; whoever wants to know how calls `end`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end().catch(() => {});
  }

  async #end(): Promise<void> {
    // The end of its input is what an app takes as the end of us, so that both ways are one.
    this.#process.stdin?.end();
    const patience = setTimeout(() => this.#kill(), FAREWELL_MS);
    const code = await this.#ended;
    clearTimeout(patience);
    if (code !== 0) throw new Error(`The app on ${this.runtime} did not end well: ${code}`);
  }

  /** With all processes of its session. */
  #kill(): void {
    const { pid } = this.#process;
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  }
}

/** The port that an app says it listens on; undefined if it ends without a word. */
async function portOf(output: Readable): Promise<number | undefined> {
  for await (const line of createInterface(output)) {
    const [, port] = /"port":(\d+)/.exec(line) ?? [];
    if (port === undefined) continue;
    // What else it says nobody reads, but it must be able to say it.
    output.resume();
    return Number(port);
  }
}
