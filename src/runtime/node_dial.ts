/**
 * Opening of `node:net` and `node:tls` streams.
 *
 * @module
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { connect as connectTcp, isIP, type Socket as NetSocket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { TlsOptions } from "../core/runtime.ts";
import type { ConnectPlan } from "./connect_plan.ts";
import { HIGH_WATER_BYTES } from "./write_queue.ts";

/**
 * Starts to connect.
 *
 * @param plan Where to and how.
 * @returns The stream; its `connect` event tells when it stands.
 */
export function dial({ address, keepAliveMs }: ConnectPlan): NetSocket {
  const target = "path" in address
    ? { path: address.path }
    : { host: address.hostname, port: address.port };
  return connectTcp({
    ...target,
    noDelay: true,
    keepAlive: keepAliveMs > 0,
    keepAliveInitialDelay: keepAliveMs,
    // Passed on to the stream, though not in the types: older versions wait at a quarter of this.
    ...{ highWaterMark: HIGH_WATER_BYTES },
  });
}

/**
 * Puts TLS on a stream.
 *
 * @param plan What to verify and to show.
 * @param plain An open stream.
 * @returns The secured stream; its `secureConnect` event tells when the handshake is done.
 * @throws {Error} If a certificate or key cannot be read.
 */
export function secure({ tls, serverName }: ConnectPlan, plain: NetSocket): TLSSocket {
  if (tls !== undefined) checkIdentity(tls);
  const options: ConnectionOptions = {
    socket: plain,
    host: serverName,
    rejectUnauthorized: tls?.verify !== "none",
    ca: tls?.ca && [...tls.ca],
    cert: tls?.cert,
    key: tls?.key,
    passphrase: tls?.passphrase,
    ALPNProtocols: tls?.alpn && [...tls.alpn],
    ...{ highWaterMark: HIGH_WATER_BYTES },
  };
  // Server names are names: the extension does not carry addresses.
  if (serverName !== undefined && isIP(serverName) === 0) options.servername = serverName;
  if (tls?.verify === "ca") options.checkServerIdentity = () => undefined;
  return connectTls(options);
}

/** Throws for a certificate that Deno 2.9 would leave out without a word; what the server says then leads nowhere. */
function checkIdentity({ cert, key, passphrase }: TlsOptions): void {
  if (cert === undefined || key === undefined) return;
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey({ key, passphrase }))) {
    throw new Error("tls.key is not the key of tls.cert");
  }
}
