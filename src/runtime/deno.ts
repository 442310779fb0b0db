/**
 * The Deno runtime: its own sockets, `node:tls` for what its own TLS cannot do, `node:async_hooks` for async context.
 *
 * @module
 */

import type { ConnectOptions, Runtime, Socket, SocketAddress } from "../core/runtime.ts";
import { capture, contextVariable, root } from "./async_context.ts";
import { type ConnectPlan, planConnect } from "./connect_plan.ts";
import { denoDialer } from "./deno_dial.ts";
import { NodeSocket } from "./node_socket.ts";
import { PulledSocket } from "./pulled_socket.ts";

/**
 * Whether Deno's own TLS keeps what the plan asks for. It cannot skip verification, its `startTls` sends no client
 * certificate and takes TCP only, and `caCerts` adds to the built-in authorities where ours replace them: anyone with
 * a publicly trusted certificate for any host would pass `verify: "ca"`.
 */
function needsNode({ address, secureTransport, tls }: ConnectPlan): boolean {
  return secureTransport !== "off" && ("path" in address || tls?.verify === "none" ||
    tls?.ca !== undefined || tls?.cert !== undefined);
}

/**
 * Sockets and async context of Deno (2.9 or newer).
 *
 * Deno's own sockets are as fast as those of `node:net` (figures in `bench/byte_path.ts`), and hand out what a server
 * said last although a write has failed. They cannot set the idle time of keep-alive: the system's applies.
 *
 * Needs the permission `--allow-net` for the server, or `--allow-read`, `--allow-write` and
 * `--allow-net=unix:PATH` for a Unix socket.
 *
 * @example
 * ```ts
 * import { runtime } from "./deno.ts";
 *
 * const socket = runtime.connect({ hostname: "localhost", port: 5432 });
 * await socket.opened;
 * await socket.close();
 * ```
 */
export const runtime: Runtime = {
  name: "deno",
  connect(address: SocketAddress, options?: ConnectOptions): Socket {
    const plan = planConnect(address, options);
    return needsNode(plan) ? new NodeSocket(plan) : new PulledSocket(denoDialer, plan);
  },
  contextVariable,
  root,
  capture,
};
