/**
 * The process that keeps one PostgreSQL server for a test process: starts it, stops it, and cleans up after it.
 *
 * Why a process in between: (1) when the test process ends, however it ends, the keeper's standard input ends; then it
 * ends the server and removes its directory. Exit hooks can't do that: they don't run when a process is killed.
 * (2) The test process has no child, pipe or pending read for a server that it restarts, which Deno's sanitizers
 * would blame on the test that did it. (3) It waits for events of its own child, where others would have to poll.
 *
 * It takes one request (a line of JSON) per connection on a Unix domain socket. It uses nothing but `node:` modules, so
 * that Deno, Bun and Node start it as it is.
 *
 * @module
 */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers";

/** What a keeper is told on its command line, as JSON. */
export interface KeeperOptions {
  /** The server's directory: `data`, `log`, the sockets. Removed in the end. */
  readonly directory: string;
  /** The program. */
  readonly postgres: string;
  /** Who runs it. */
  readonly runAs?: { readonly uid: number; readonly gid: number };
}

/** What a keeper is asked to do. */
export type KeeperRequest =
  | { readonly action: "start" }
  | { readonly action: "signal"; readonly signal: "SIGTERM" | "SIGINT" | "SIGQUIT" | "SIGKILL" }
  /** Stops processes of the server without ending them (SIGSTOP): its main one, if none is named. */
  | { readonly action: "freeze"; readonly pids?: readonly number[] }
  /** Lets all that were stopped go on (SIGCONT). */
  | { readonly action: "thaw" };

/** What it answers when it is done. */
export interface KeeperReply {
  /** What went wrong. */
  readonly error?: string;
}

/** Time for the orderly end of a server that nobody needs any more. */
const FAREWELL_MS = 5_000;

const READY = /database system is ready to accept (read-only )?connections/;

class Keeper {
  #options: KeeperOptions;
  #server: ChildProcess | undefined;
  /** Fulfilled when the server and all of its backends are gone. */
  #gone: Promise<void> = Promise.resolve();
  readonly #frozen = new Set<number>();

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  async start(): Promise<KeeperReply> {
    if (this.#server) return { error: "The server is running already" };
    const { directory, postgres, runAs } = this.#options;
    const { promise, resolve } = Promise.withResolvers<KeeperReply>();
    const gone = Promise.withResolvers<void>();
    const server = spawn(postgres, ["-D", join(directory, "data")], {
      ...runAs,
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#server = server;
    this.#gone = gone.promise;
    let log = "";
    let ready = false;
    server.stderr.on("data", (chunk: Uint8Array) => {
      appendFileSync(join(directory, "log"), chunk);
      if (ready) return;
      log += new TextDecoder().decode(chunk);
      if (!READY.test(log)) return;
      ready = true;
      resolve({});
    });
    // Not "exit": the backends have the pipe too, and some outlive a server that was killed.
    const ended = () => {
      this.#server = undefined;
      resolve({ error: `The server did not start:\n${log}` });
      gone.resolve();
    };
    server.once("error", (error) => {
      log += String(error);
      ended();
    });
    server.once("close", ended);
    return await promise;
  }

  async signal(signal: NodeJS.Signals): Promise<KeeperReply> {
    this.#server?.kill(signal);
    // What is stopped would not notice.
    this.thaw();
    await this.#gone;
    return {};
  }

  async freeze(pids: readonly number[]): Promise<KeeperReply> {
    for (const pid of pids) {
      this.#frozen.add(pid);
      process.kill(pid, "SIGSTOP");
      await stopped(pid);
    }
    return {};
  }

  thaw(): KeeperReply {
    for (const pid of this.#frozen) {
      try {
        process.kill(pid, "SIGCONT");
      } catch {
        // It was killed meanwhile.
      }
    }
    this.#frozen.clear();
    return {};
  }

  async handle(request: KeeperRequest): Promise<KeeperReply> {
    switch (request.action) {
      case "start":
        return await this.start();
      case "signal":
        return await this.signal(request.signal);
      case "freeze":
        return await this.freeze(request.pids ?? this.#mainPids());
      case "thaw":
        return this.thaw();
    }
  }

  #mainPids(): number[] {
    const pid = this.#server?.pid;
    if (pid === undefined) throw new Error("The server is not running");
    return [pid];
  }

  async end(): Promise<void> {
    const sharedMemory = this.#server ? undefined : this.#sharedMemory();
    const patience = setTimeout(() => this.#server?.kill("SIGKILL"), FAREWELL_MS);
    await this.signal("SIGQUIT");
    clearTimeout(patience);
    if (sharedMemory) await removeSharedMemory(sharedMemory);
    await rm(this.#options.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** The System V segment of a server that was killed, which nobody else would ever remove. */
  #sharedMemory(): string | undefined {
    try {
      const lines = readFileSync(join(this.#options.directory, "data", "postmaster.pid"), "utf8");
      return lines.split("\n")[6]?.trim().split(/\s+/)[1];
    } catch {
      return undefined;
    }
  }
}

/** Waits until the system has stopped a process, which it does soon, but not at once. */
async function stopped(pid: number): Promise<void> {
  for (;;) {
    let state: string;
    try {
      state = readFileSync(`/proc/${pid}/stat`, "utf8");
    } catch {
      return; // This system does not tell, or the process is gone.
    }
    // After the name, which is in parentheses and may contain some.
    if (state.slice(state.lastIndexOf(")") + 2).startsWith("T")) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function removeSharedMemory(id: string): Promise<void> {
  // Failing is no harm: it was gone already, or this system has no such program.
  return new Promise((resolve) => execFile("ipcrm", ["-m", id], () => resolve()));
}

function serve(keeper: Keeper, connection: Socket): void {
  let text = "";
  connection.setEncoding("utf8");
  connection.on("error", () => {}); // The one who asked is gone; the request is carried out all the same.
  connection.on("data", async (chunk: string) => {
    text += chunk;
    if (!text.endsWith("\n")) return;
    const reply = await keeper.handle(JSON.parse(text) as KeeperRequest)
      .catch((error): KeeperReply => ({ error: String(error) }));
    connection.end(JSON.stringify(reply) + "\n");
  });
}

function main(): void {
  const options = JSON.parse(process.argv[2] ?? "") as KeeperOptions;
  const keeper = new Keeper(options);
  const server = createServer((connection) => serve(keeper, connection));
  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    server.close();
    await keeper.end();
    process.exit();
  };
  process.stdin.on("end", end);
  process.stdin.on("error", end);
  process.stdin.resume();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  server.listen(join(options.directory, "keeper"), () => process.stdout.write("ready\n"));
}

main();
