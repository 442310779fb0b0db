/**
 * The workerd runtime (Cloudflare Workers): `cloudflare:sockets`, and `node:async_hooks` for async context, which needs
 * the compatibility flag `nodejs_compat`.
 *
 * @module
 */

import type { ConnectOptions, Runtime, Socket, SocketAddress } from "../core/runtime.ts";
import { capture, contextVariable, root } from "./async_context.ts";
import { type ConnectPlan, planConnect } from "./connect_plan.ts";
import { PulledSocket } from "./pulled_socket.ts";
import { workerdDialer } from "./workerd_dial.ts";

export { waitUntil } from "./cloudflare.ts";

/**
 * Checks whether workerd can do what is asked for, without doing it.
 *
 * @param address Where to connect to.
 * @param options How.
 * @returns The plan.
 * @throws {TypeError} If it cannot.
 */
export function planWorkerd(address: SocketAddress, options?: ConnectOptions): ConnectPlan {
  const plan = planConnect(address, options);
  const cannot = whatItCannot(plan);
  if (cannot !== undefined) throw new TypeError(`Cannot connect on workerd ${cannot}`);
  return plan;
}

function whatItCannot(
  { address, secureTransport, tls, serverName }: ConnectPlan,
): string | undefined {
  if ("path" in address) return "to a Unix socket: it has TCP only";
  if (secureTransport === "off" || tls === undefined) return undefined;
  if (tls.ca !== undefined) {
    return "with authorities of your own: it trusts the public ones, leave out ca";
  }
  if (tls.cert !== undefined) return "with a client certificate: it has no way to send one";
  if (tls.verify !== "full") {
    return 'with a certificate that is not verified in full: use sslmode "verify-full", or ssl: true';
  }
  if (tls.alpn !== undefined) {
    return 'with an application protocol (ALPN): leave out sslnegotiation "direct"';
  }
  if (secureTransport === "on" && serverName !== address.hostname) {
    return "by TLS from the first byte with another server name than the host's";
  }
  return undefined;
}

/**
 * Sockets and async context of workerd (Cloudflare Workers), for use within a request: a socket can only be used by the
 * request that opened it.
 *
 * TLS verifies certificates in full, against the publicly trusted authorities; nothing else can be had, and to ask for it
 * throws. Whether a handshake succeeded is known with the first byte that comes: `opened` is fulfilled before, and a
 * failure closes the socket with an error. Keep-alive cannot be set.
 *
 * @example
 * ```ts
 * import { runtime } from "./workerd.ts";
 *
 * export default {
 *   async fetch(): Promise<Response> {
 *     const socket = runtime.connect({ hostname: "localhost", port: 5432 });
 *     await socket.opened;
 *     await socket.close();
 *     return new Response("closed");
 *   },
 * };
 * ```
 */
export const runtime: Runtime = {
  name: "workerd",
  connect: (address: SocketAddress, options?: ConnectOptions): Socket =>
    new PulledSocket(workerdDialer, planWorkerd(address, options)),
  contextVariable,
  root,
  capture,
};
