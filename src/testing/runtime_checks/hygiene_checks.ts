/**
 * That sockets live in nobody's context.
 *
 * @module
 */

import type {
  ConnectOptions,
  ContextVariable,
  Socket,
  SocketHandlers,
} from "../../core/runtime.ts";
import { bytesOf, MIB } from "../byte_pattern.ts";
import { expectSame } from "../expect.ts";
import { turns } from "../limit.ts";
import type { RuntimeBench, RuntimeCheck } from "../runtime_bench.ts";
import { SocketRecorder } from "../socket_recorder.ts";
import { acceptTls, checksTls, trusting } from "../tls_bench.ts";

type End = "destroy" | "close" | "peer" | "abort";

const ENDS: readonly End[] = ["destroy", "close", "peer", "abort"];

/** More than is ever queued without a word. */
const MOST_BYTES = 64 * MIB;

/** A recorder that also writes down the value of a variable at each event. */
class Witness extends SocketRecorder implements SocketHandlers {
  /** Event and value. */
  readonly seen: Set<string> = new Set();
  readonly #variable: ContextVariable<string>;

  constructor(bench: RuntimeBench, variable: ContextVariable<string>) {
    super(bench.within);
    this.#variable = variable;
  }

  override data(bytes: Uint8Array): void {
    this.#witness("data");
    super.data(bytes);
  }

  override drain(): void {
    this.#witness("drain");
    super.drain();
  }

  override close(error: Error | undefined): void {
    this.#witness("close");
    super.close(error);
  }

  #witness(event: string): void {
    this.seen.add(`${event} in ${this.#variable.get() ?? "nobody's context"}`);
  }
}

/** Everything that makes a socket call its receiver, each done in a context of its own. */
async function live(
  bench: RuntimeBench,
  variable: ContextVariable<string>,
  tls: boolean,
  end: End,
): Promise<Witness> {
  const server = await bench.listen();
  const controller = new AbortController();
  const accepting = tls
    ? acceptTls(bench, server, "on").then(({ peer }) => peer)
    : bench.accept(server);
  accepting.catch(() => {});
  const port = "port" in server.address ? server.address.port : 0;
  const options: ConnectOptions = {
    ...(tls && { secureTransport: "on", tls: trusting(bench) }),
    signal: controller.signal,
  };
  const witness = new Witness(bench, variable);
  const socket: Socket = variable.run("connect", () => {
    return bench.connect({ hostname: "localhost", port }, options);
  });
  variable.run("receive", () => socket.receive(witness));
  if (end === "abort") {
    variable.run("abort", () => controller.abort());
    await witness.closed;
    return witness;
  }
  await bench.opened(socket);
  const peer = await accepting;
  variable.run("pause", () => socket.pause());
  await peer.write(new Uint8Array(300_000));
  await turns();
  variable.run("resume", () => socket.resume());
  await witness.until(() => witness.size === 300_000, "all bytes are handed out");
  let written = 0;
  variable.run("write", () => {
    do written += 100_000; while (socket.write(new Uint8Array(100_000)) && written < MOST_BYTES);
  });
  const drained = witness.until(() => witness.events.includes("drain"), "drain is called");
  await peer.take(written);
  await drained;
  variable.run("second receive", () => socket.receive(witness));
  variable.run("second write", () => socket.write(bytesOf("x")));
  await peer.write("x");
  await witness.until(() => witness.size === 300_001, "one byte more is handed out");
  if (end === "peer") peer.end();
  else {
    variable.run(end, () => {
      socket[end]();
    });
    if (end === "close") peer.rest().then(() => peer.end(), () => {});
  }
  await bench.closed(socket);
  await witness.closed;
  return witness;
}

function hygieneCheck(tls: boolean, end: End): RuntimeCheck {
  const kind = tls ? "a TLS socket" : "a socket";
  const how = end === "peer" ? "ended by its peer" : `ended by ${end}`;
  return {
    clause: `${kind} that is ${how} calls its receiver in nobody's context`,
    applies: (subject) => !tls || checksTls(subject),
    async prove(bench) {
      const witness = await live(bench, bench.runtime.contextVariable<string>(), tls, end);
      const events = end === "abort" ? ["close"] : ["close", "data", "drain"];
      expectSame(
        [...witness.seen].sort().join(", "),
        events.map((event) => `${event} in nobody's context`).join(", "),
        "what the receiver was called in",
      );
    },
  };
}

/** The checks of sockets' contexts. */
export const hygieneChecks: readonly RuntimeCheck[] = [false, true].flatMap((tls) =>
  ENDS.map((end) => hygieneCheck(tls, end))
);
