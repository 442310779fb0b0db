/**
 * Whether an open socket keeps the process alive.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { SocketCase, SocketCaseContext } from "./socket_case.ts";
import { type Peer, withServer } from "./test_server.ts";

/** A child that opens a socket; see `exit_child.ts`. */
class ExitChild {
  readonly #process: ChildProcess;
  /** Exit code, and what it printed. */
  readonly exited: Promise<string>;
  #output = "";

  constructor(run: SocketCaseContext["run"], args: readonly string[]) {
    const [program, ...first] = run;
    const script = fileURLToPath(new URL("exit_child.ts", import.meta.url));
    this.#process = spawn(program, [...first, script, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
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

/**
 * Cases of `ref` and `unref`.
 *
 * @param context What to check.
 * @returns The cases.
 */
export function exitCases(
  { run, adapter, certificates, trusts }: SocketCaseContext,
): SocketCase[] {
  const cases: SocketCase[] = [];
  const withChild = (
    mode: string,
    tls: boolean,
    fn: (child: ExitChild, peer: Promise<Peer>) => Promise<void>,
  ): Promise<void> =>
    withServer(async (server) => {
      const peer = tls
        ? server.acceptTls(certificates.server).then(({ peer }) => peer)
        : server.accept();
      const authority = trusts === "given" ? certificates.ca.cert : "";
      const child = new ExitChild(run, [
        adapter,
        `${server.port}`,
        mode,
        tls ? "tls" : "plain",
        authority,
      ]);
      try {
        await fn(child, peer);
      } finally {
        await child.kill();
      }
    });

  for (const tls of [false, true]) {
    const kind = tls ? "TLS socket" : "socket";
    cases.push({
      name: `lets the process exit although a ${kind} is open`,
      fn: () =>
        withChild("unref", tls, async (child, peer) => {
          await peer;
          assertEquals(await child.exited, "open\nexit 0");
        }),
    }, {
      name: `lets the process exit although a ${kind} was made, and unref'd before it opened`,
      fn: () =>
        withChild("early", tls, async (child, peer) => {
          peer.catch(() => {});
          // Where an opening can be left behind too, the process does not wait for it.
          assertMatch(await child.exited, /^(open\n)?exit 0$/);
        }),
    });
    for (const mode of ["ref", "unref-ref"]) {
      cases.push({
        name: `keeps the process alive while a ${kind} is open (${mode})`,
        fn: () =>
          withChild(mode, tls, async (child, peer) => {
            const { stream } = await peer;
            // Long enough for a process that has nothing to wait for.
            let exited = false;
            child.exited.then(() => exited = true);
            await new Promise((resolve) => setTimeout(resolve, 500));
            assertEquals(exited, false);
            stream.write("end");
            assertEquals(await child.exited, "open\ndata\nclose\nexit 0");
          }),
      });
    }
  }
  return cases;
}
