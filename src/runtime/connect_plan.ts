/**
 * Options of a connect, checked and with their defaults.
 *
 * @module
 */

import type { ConnectOptions, SocketAddress, TlsOptions } from "../core/runtime.ts";

/** Idleness before the first keep-alive probe, unless the caller says otherwise. */
const KEEP_ALIVE_MS = 60_000;

/** Where to connect to and how: {@linkcode ConnectOptions} with nothing left open. */
export interface ConnectPlan {
  /** Where to. */
  readonly address: SocketAddress;
  /** When TLS begins. */
  readonly secureTransport: "off" | "on" | "starttls";
  /** How TLS is done; always there unless `secureTransport` is `"off"`. */
  readonly tls: TlsOptions | undefined;
  /** Host name that TLS announces and checks; `undefined` on a Unix socket that was given none. */
  readonly serverName: string | undefined;
  /** Aborts opening and handshake. */
  readonly signal: AbortSignal | undefined;
  /** Milliseconds of idleness before the first keep-alive probe; 0 for none. */
  readonly keepAliveMs: number;
}

/**
 * Checks options and fills in defaults.
 *
 * @param address Where to connect to.
 * @param options How.
 * @returns The plan.
 * @throws {TypeError} If the options contradict each other.
 */
export function planConnect(address: SocketAddress, options: ConnectOptions = {}): ConnectPlan {
  const { secureTransport = "off", tls, signal, keepAliveMs = KEEP_ALIVE_MS } = options;
  const target = unbracketed(address);
  const serverName = tls?.serverName ?? ("path" in target ? undefined : target.hostname);
  if (secureTransport !== "off") {
    if (tls === undefined) throw new TypeError(`secureTransport "${secureTransport}" needs tls`);
    if ((tls.cert === undefined) !== (tls.key === undefined)) {
      throw new TypeError("tls.cert and tls.key go together");
    }
    if (tls.verify === "full" && serverName === undefined) {
      throw new TypeError('tls.verify "full" over a Unix socket needs tls.serverName');
    }
  }
  return { address: target, secureTransport, tls, serverName, signal, keepAliveMs };
}

/** `new URL()` gives IPv6 addresses in brackets; nothing that connects or verifies takes them so. */
function unbracketed(address: SocketAddress): SocketAddress {
  if ("path" in address) return address;
  return { hostname: address.hostname.replace(/^\[(.*)\]$/, "$1"), port: address.port };
}
