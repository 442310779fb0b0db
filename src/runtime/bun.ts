/**
 * The Bun runtime: `node:net` and `node:tls` for sockets, `node:async_hooks` for async context.
 *
 * @module
 */

import type { ConnectOptions, Runtime, Socket, SocketAddress } from "../core/runtime.ts";
import { capture, contextVariable, root } from "./async_context.ts";
import { planConnect } from "./connect_plan.ts";
import { NodeSocket } from "./node_socket.ts";

/**
 * Sockets and async context of Bun.
 *
 * @example
 * ```ts
 * import { runtime } from "./bun.ts";
 *
 * const socket = runtime.connect({ hostname: "localhost", port: 5432 });
 * await socket.opened;
 * await socket.close();
 * ```
 */
export const runtime: Runtime = {
  name: "bun",
  connect: (address: SocketAddress, options?: ConnectOptions): Socket =>
    new NodeSocket(planConnect(address, options)),
  contextVariable,
  root,
  capture,
};
