/**
 * Async context: variables, and that sockets live in nobody's.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { ConnectOptions, ContextVariable, SocketHandlers } from "../../src/core/runtime.ts";
import { bytesOf, Recorder, turns } from "./recorder.ts";
import type { SocketCase, SocketCaseContext } from "./socket_case.ts";
import { withServer } from "./test_server.ts";

/** Writes down the value of a variable at each event. */
class Witness extends Recorder implements SocketHandlers {
  /** Event and value. */
  readonly seen: Set<string> = new Set();
  #variable: ContextVariable<string>;

  constructor(variable: ContextVariable<string>) {
    super();
    this.#variable = variable;
  }

  override data(bytes: Uint8Array): void {
    this.seen.add(`data in ${this.#variable.get()}`);
    super.data(bytes);
  }

  override drain(): void {
    this.seen.add(`drain in ${this.#variable.get()}`);
    super.drain();
  }

  override close(error: Error | undefined): void {
    this.seen.add(`close in ${this.#variable.get()}`);
    super.close(error);
  }
}

/**
 * Cases of async context.
 *
 * @param context What to check.
 * @returns The cases.
 */
export function contextCases({ runtime, certificates }: SocketCaseContext): SocketCase[] {
  const secure: ConnectOptions = {
    secureTransport: "on",
    tls: { verify: "full", serverName: "localhost", ca: [certificates.ca.cert] },
  };
  const cases: SocketCase[] = [
    {
      name: "has context variables that follow asynchronous control flow",
      fn: async () => {
        const a = runtime.contextVariable<string>();
        const b = runtime.contextVariable<number>();
        assertEquals(a.get(), undefined);
        const values = await Promise.all(["x", "y"].map((value) =>
          a.run(value, async () => {
            await turns(1);
            const inner = b.run(1, () => [a.get(), b.get()]);
            await new Promise((resolve) => setTimeout(resolve, 1));
            return [a.get(), b.get(), ...inner];
          })
        ));
        assertEquals(values, [["x", undefined, "x", 1], ["y", undefined, "y", 1]]);
        assertEquals(a.get(), undefined);
      },
    },
    {
      name: "has a root where no variable has a value",
      fn: async () => {
        const variable = runtime.contextVariable<string>();
        await variable.run("x", async () => {
          assertEquals(runtime.root(() => variable.get()), undefined);
          assertEquals(runtime.root(() => "result"), "result");
          assertEquals(variable.get(), "x");
          await runtime.root(async () => {
            await turns(1);
            assertEquals(variable.get(), undefined);
          });
          assertEquals(variable.get(), "x");
        });
      },
    },
    {
      name: "captures contexts",
      fn: () => {
        const variable = runtime.contextVariable<string>();
        const inside = variable.run("x", () => runtime.capture());
        const outside = runtime.capture();
        assertEquals(inside(() => variable.get()), "x");
        assertEquals(runtime.root(() => inside(() => variable.get())), "x");
        assertEquals(variable.run("y", () => outside(() => variable.get())), undefined);
        return Promise.resolve();
      },
    },
  ];
  for (const options of [{}, secure]) {
    for (const end of ["destroy", "close", "peer", "abort"] as const) {
      cases.push({
        name: `calls its receiver in nobody's context${
          options === secure ? ", with TLS" : ""
        }, when it ends by ${end}`,
        fn: () =>
          withServer(async (server) => {
            const variable = runtime.contextVariable<string>();
            const controller = new AbortController();
            const { signal } = controller;
            const serving = options === secure
              ? server.acceptTls(certificates.server).then(({ peer }) => peer)
              : server.accept();
            serving.catch(() => {});
            const witness = new Witness(variable);
            const socket = variable.run("connect", () => {
              return runtime.connect(server.address, { ...options, signal });
            });
            variable.run("receive", () => socket.receive(witness));
            if (end === "abort") {
              variable.run("abort", () => controller.abort());
              await witness.closed;
            } else {
              await socket.opened;
              const peer = await serving;
              variable.run("pause", () => socket.pause());
              await peer.write(Buffer.alloc(300_000));
              await turns();
              variable.run("resume", () => socket.resume());
              await witness.until(() => witness.size === 300_000);
              peer.stream.pause();
              variable.run("write", () => {
                while (socket.write(Buffer.alloc(100_000)));
              });
              const drained = witness.until(() => witness.events.includes("drain"));
              peer.stream.resume();
              await drained;
              variable.run("second receive", () => socket.receive(witness));
              variable.run("second write", () => socket.write(bytesOf("x")));
              await peer.write("x");
              await witness.until(() => witness.size === 300_001);
              if (end === "peer") peer.stream.end();
              else {
                variable.run(end, () => {
                  socket[end]();
                });
                if (end === "close") peer.rest().then(() => peer.stream.end());
              }
              await socket.closed;
              await witness.closed;
            }
            const expected = end === "abort"
              ? ["close in undefined"]
              : ["close in undefined", "data in undefined", "drain in undefined"];
            assertEquals([...witness.seen].sort(), expected);
          }),
      });
    }
  }
  return cases;
}
