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
 * Sockets and async context of Bun (1.4 or newer).
 *
 * Over `node:net`, although `Bun.connect` is faster: it cannot take back a connect that is under way. Its promise has no
 * handle and no signal, so an attempt that was given up goes on until the system is tired of it (on Linux two minutes, at a
 * host that does not answer) and keeps the process alive; with a pool that tries again there would be dozens. `node:net` of Bun takes it back at once.
 *
 * What that costs, as medians of the ratios of rates and of CPU times, `Bun.connect` to `node:net` (Bun 1.4.5, PostgreSQL
 * 18.4, 2 cores that others used too, 301 rounds of 25 ms; the prototype over `Bun.connect` did without the rest of the
 * contract, so these are bounds): postgres.js with 1 client `select 1` ×1.11, ×0.89 and two rows ×1.04, ×0.93; with 10
 * clients ×1.03, ×0.92 and ×1.03, ×0.91; with 100 queries in the pipe ×0.98, ×1.00 and ×0.97, ×1.00. Bare 64 bytes to and
 * fro ×1.13, ×0.86; bulk out ×1.09, ×0.83; bulk in ×1.03, ×0.95. The driver's own sockets are those of `node:net`.
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
