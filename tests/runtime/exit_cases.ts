/**
 * Whether an open socket keeps the process alive. Only another process can tell, so this is no part of the conformance
 * kit.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { RegisterTest } from "../../src/testing/mod.ts";
import { scriptCommand } from "../support/this_runtime.ts";
import { certificates } from "./subject.ts";
import { type Peer, withServer } from "./test_server.ts";

const SCRIPT = fileURLToPath(new URL("exit_child.ts", import.meta.url));

/** Whose exits are looked at. */
export interface ExitSubject {
  /** Name of the runtime, for the names of the tests. */
  readonly name: string;
  /** Module that exports the runtime. */
  readonly adapter: URL;
  /**
   * Whether the authority is named with each connect, or is among those the runtime trusts by itself.
   *
   * @default {"given"}
   */
  readonly trusts?: "given" | "built-in";
  /** Whether only sockets with TLS are looked at. */
  readonly tlsOnly?: boolean;
}

/** A child that opens a socket; see `exit_child.ts`. */
class ExitChild {
  readonly #process: ChildProcess;
  /** Exit code, and what it printed. */
  readonly exited: Promise<string>;
  #output = "";

  constructor(args: readonly string[], authority: string | undefined) {
    const command = scriptCommand(SCRIPT, args, { authority });
    this.#process = spawn(command.program, command.args, {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...command.env },
    });
    this.#process.stdout?.on("data", (chunk) => this.#output += chunk);
    this.exited = new Promise((resolve, reject) => {
      this.#process.once("error", reject);
      this.#process.once("close", (code) => resolve(`${this.#output}exit ${code}`));
    });
  }

  /** Ends it, if it has not ended. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.exited;
  }
}

/** Runs `fn` with a file that has the authority in it. */
async function withAuthorityFile(fn: (path: string) => Promise<void>): Promise<void> {
  const path = join(tmpdir(), `steady_${crypto.randomUUID()}.pem`);
  writeFileSync(path, certificates.authority);
  try {
    await fn(path);
  } finally {
    rmSync(path);
  }
}

/**
 * Tests `ref` and `unref` of a runtime's sockets.
 *
 * @param subject The runtime.
 * @param test Registers a test.
 */
export function testExits(
  { name, adapter, trusts = "given", tlsOnly = false }: ExitSubject,
  test: RegisterTest,
): void {
  const withChild = (
    mode: string,
    tls: boolean,
    fn: (child: ExitChild, peer: Promise<Peer>) => Promise<void>,
  ): Promise<void> =>
    withServer(async (server) => {
      const peer = tls
        ? server.acceptTls(certificates.server).then(({ peer }) => peer)
        : server.accept();
      const given = trusts === "given" ? certificates.authority : "";
      const args = [adapter.href, `${server.port}`, mode, tls ? "tls" : "plain", given];
      const run = async (authority?: string): Promise<void> => {
        const child = new ExitChild(args, authority);
        try {
          await fn(child, peer);
        } finally {
          await child.kill();
        }
      };
      await (trusts === "given" ? run() : withAuthorityFile(run));
    });

  for (const tls of tlsOnly ? [true] : [false, true]) {
    const kind = tls ? "a TLS socket" : "a socket";
    test(`${name}: the process exits although ${kind} is open that was unref'd`, () =>
      withChild("unref", tls, async (child, peer) => {
        await peer;
        assertEquals(await child.exited, "open\nexit 0");
      }));
    test(`${name}: the process exits although ${kind} was made, and unref'd before it opened`, () =>
      withChild("early", tls, async (child, peer) => {
        peer.catch(() => {});
        // Where an opening can be left behind too, the process does not wait for it.
        assertMatch(await child.exited, /^(open\n)?exit 0$/);
      }));
    for (const mode of ["ref", "unref-ref"]) {
      test(`${name}: the process stays alive while ${kind} is open (${mode})`, () =>
        withChild(mode, tls, async (child, peer) => {
          const { stream } = await peer;
          // Long enough for a process that has nothing to wait for.
          let exited = false;
          child.exited.then(() => exited = true);
          await new Promise((resolve) => setTimeout(resolve, 500));
          assertEquals(exited, false);
          stream.write("end");
          assertEquals(await child.exited, "open\ndata\nclose\nexit 0");
        }));
    }
  }
}
