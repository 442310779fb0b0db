/**
 * A script of ours in a process of its own, on any of the runtimes: it is told words, and tells lines of JSON.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type RuntimeName, runtimeName } from "../support/harness.ts";
import { runtimePath } from "../support/runtimes.ts";

const FLAGS: Readonly<Record<RuntimeName, readonly string[]>> = {
  deno: ["run", "--quiet", "--no-check", "--allow-all"],
  bun: ["run"],
  node: ["--disable-warning=ExperimentalWarning"],
};

/** How a process ended: its exit code, or the signal that killed it, or why it could not be started. */
export type Exit = number | string;

/** What is run, and where. */
export interface ScriptOptions<T> {
  readonly runtime: RuntimeName;
  /** The script. */
  readonly script: URL;
  /** Its single argument, sent as JSON. */
  readonly input: unknown;
  /** Told what it tells. */
  readonly tell: (report: T) => void;
}

/** A running script. */
export class Script implements AsyncDisposable {
  /** Resolved when it has ended, and all it told was heard. */
  readonly exit: Promise<Exit>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, exit: Promise<Exit>) {
    this.#child = child;
    this.exit = exit;
  }

  /**
   * Starts one.
   *
   * @param options What is run, and where.
   * @returns The script.
   */
  static async start<T>(options: ScriptOptions<T>): Promise<Script> {
    const { runtime, script, input, tell } = options;
    const program = runtime === runtimeName ? process.execPath : await runtimePath(runtime);
    const args = [...FLAGS[runtime], fileURLToPath(script), JSON.stringify(input)];
    const child = spawn(program, args, {
      // A session of its own: the Ctrl+C that ends this process must not end that one before.
      detached: true,
      stdio: ["pipe", "pipe", "inherit"],
    });
    const ended = new Promise<Exit>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("close", (code, signal) => resolve(code ?? signal ?? ""));
    });
    // What is written to a process that has ended fails; that it has ended is told by other means.
    child.stdin.on("error", () => {});
    const lines = createInterface(child.stdout);
    lines.on("line", (line) => {
      // What else a runtime or a driver prints is for people.
      if (line.startsWith("{")) tell(JSON.parse(line) as T);
    });
    const heard = new Promise((resolve) => lines.once("close", resolve));
    return new Script(child, Promise.all([ended, heard]).then(([exit]) => exit));
  }

  /**
   * Tells it something.
   *
   * @param word What.
   */
  say(word: string): void {
    this.#child.stdin?.write(`${word}\n`);
  }

  /** Lets it go: nothing but itself holds it any more. */
  release(): void {
    this.#child.stdin?.end();
  }

  /** Ends it, however. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exit;
  }
}
