/**
 * Real workerd processes that serve a worker of the tests.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { RUN_DIRECTORY_VARIABLE } from "../support/environment.ts";
import { freePort } from "../support/free_port.ts";
import { runtimePath } from "../support/runtimes.ts";
import { bundle } from "./bundle.ts";

/** How long workerd may take to listen; a bound for what should never happen. */
const START_MS = 15_000;

/** What a workerd is to serve. */
export interface WorkerdOptions {
  /** Main module of the worker. */
  readonly worker: URL;
  /** Text bindings: what the worker finds in its `env`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Authority that is trusted beside the public ones, PEM text. */
  readonly authority?: string;
}

/** Text as a literal of the configuration's language. */
function literal(text: string): string {
  return JSON.stringify(text);
}

function configuration({ env = {}, authority }: WorkerdOptions, port: number): string {
  const bindings = Object.entries(env)
    .map(([name, value]) => `(name = ${literal(name)}, text = ${literal(value)})`);
  const tls = authority === undefined
    ? ""
    : `, tlsOptions = (trustedCertificates = [${literal(authority)}])`;
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .w),
    (name = "internet", network = (allow = ["public", "private", "local"]${tls})),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const w :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-01-01",
  compatibilityFlags = ["nodejs_compat"],
  bindings = [${bindings.join(", ")}],
);
`;
}

/** A running workerd. */
export class Workerd implements AsyncDisposable {
  /** URL of its worker. */
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #directory: string;
  #log = "";

  private constructor(child: ChildProcess, directory: string, port: number) {
    this.#child = child;
    this.#directory = directory;
    this.url = `http://127.0.0.1:${port}`;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Uint8Array) => this.#log += new TextDecoder().decode(chunk));
    }
  }

  /**
   * Starts one.
   *
   * @param options What it is to serve.
   * @returns The running workerd; it takes requests.
   */
  static async start(options: WorkerdOptions): Promise<Workerd> {
    const [program, text] = await Promise.all([runtimePath("workerd"), bundle(options.worker)]);
    const parent = process.env[RUN_DIRECTORY_VARIABLE] ?? tmpdir();
    const directory = await mkdtemp(join(parent, "steady-workerd-"));
    const port = await freePort();
    await writeFile(join(directory, "worker.js"), text);
    await writeFile(join(directory, "config.capnp"), configuration(options, port));
    const child = spawn(program, ["serve", "config.capnp"], {
      cwd: directory,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const workerd = new Workerd(child, directory, port);
    try {
      await workerd.#listening(port);
      return workerd;
    } catch (error) {
      await workerd[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What it has written so far: complaints, and what the worker printed. */
  get log(): string {
    return this.#log;
  }

  /**
   * Sends a request.
   *
   * @param path Path and query.
   * @param init As of `fetch`.
   * @returns The response's text, as JSON. Rejects if the worker failed.
   */
  async get<T>(path: string, init?: RequestInit): Promise<T> {
    const response = await fetch(this.url + path, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}\n${this.#log}`);
    return JSON.parse(text) as T;
  }

  async #listening(port: number): Promise<void> {
    const end = performance.now() + START_MS;
    while (!await accepts(port)) {
      if (this.#child.exitCode !== null || performance.now() > end) {
        throw new Error(`workerd does not listen:\n${this.#log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Kills it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    }
    child.stdout?.destroy();
    child.stderr?.destroy();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ host: "127.0.0.1", port });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
}
