/**
 * What `sslmode` and porsager's `ssl` mean.
 *
 * @module
 */

import type { TlsOptions } from "../../core/runtime.ts";

/** How a connection is secured. */
export interface TlsPolicy {
  /** Whether to go on in plain text when the server does not offer TLS (`sslmode=prefer`). */
  readonly optional: boolean;
  /** Whether TLS starts with the first byte, without PostgreSQL's request for it (`sslnegotiation=direct`). */
  readonly direct: boolean;
  /** How the handshake is done. */
  readonly tls: TlsOptions;
}

/** Options of `ssl` as an object; names as in Node's TLS. */
export interface SslOptions {
  /**
   * Whether the server's certificate is verified, chain and host name.
   *
   * @default {true}
   */
  readonly rejectUnauthorized?: boolean;
  /** Trusted authorities, PEM text. */
  readonly ca?: string | readonly string[];
  /** Client certificate chain, PEM text. */
  readonly cert?: string;
  /** Private key of the client certificate, PEM text. */
  readonly key?: string;
  /** Passphrase of the key. */
  readonly passphrase?: string;
  /** Host name to send and verify instead of the one connected to. */
  readonly servername?: string;
}

const SSL_OPTION_NAMES: ReadonlySet<string> = new Set<keyof SslOptions>([
  "rejectUnauthorized",
  "ca",
  "cert",
  "key",
  "passphrase",
  "servername",
]);

const MODES: Record<string, { optional: boolean; verify: TlsOptions["verify"] }> = {
  "allow": { optional: true, verify: "none" },
  "prefer": { optional: true, verify: "none" },
  "require": { optional: false, verify: "none" },
  "verify-ca": { optional: false, verify: "ca" },
  "verify-full": { optional: false, verify: "full" },
};

/**
 * Reads `ssl` (or `sslmode`) and `sslnegotiation`.
 *
 * @param ssl `false`, `true`, a mode, or an object.
 * @param negotiation `"direct"` or nothing.
 * @param hostname Host connected to; `undefined` for a Unix socket, which is never encrypted.
 * @returns The policy; `undefined` for plain text.
 * @throws {TypeError} If the mode or an option of the object does not exist.
 */
export function tlsPolicy(
  ssl: unknown,
  negotiation: unknown,
  hostname: string | undefined,
): TlsPolicy | undefined {
  const direct = negotiation === "direct";
  if (negotiation && !direct && negotiation !== "postgres") {
    throw new TypeError(
      `Cannot create pool as sslnegotiation must be "postgres" or "direct": ` +
        `received ${JSON.stringify(negotiation)}`,
    );
  }
  if (!ssl || ssl === "disable" || hostname === undefined) return undefined;
  const alpn = direct ? ["postgresql"] : undefined;
  const serverName = hostname;
  if (ssl === true) return { optional: false, direct, tls: { verify: "full", serverName, alpn } };
  if (typeof ssl === "string") {
    const mode = MODES[ssl];
    if (mode === undefined) {
      throw new TypeError(
        `Cannot create pool as sslmode must be disable, ${Object.keys(MODES).join(", ")}: ` +
          `received ${JSON.stringify(ssl)}`,
      );
    }
    if (direct && mode.optional) {
      throw new TypeError(
        `Cannot create pool as sslnegotiation=direct needs sslmode require, verify-ca or verify-full`,
      );
    }
    return { optional: mode.optional, direct, tls: { verify: mode.verify, serverName, alpn } };
  }
  if (typeof ssl !== "object") {
    throw new TypeError(
      `Cannot create pool as ssl must be a boolean, a mode or an object: received ${String(ssl)}`,
    );
  }
  for (const name of Object.keys(ssl)) {
    if (!SSL_OPTION_NAMES.has(name)) {
      throw new TypeError(`Cannot create pool as there is no option "ssl.${name}"`);
    }
  }
  const { rejectUnauthorized = true, ca, cert, key, passphrase, servername } = ssl as SslOptions;
  return {
    optional: false,
    direct,
    tls: {
      verify: rejectUnauthorized ? "full" : "none",
      serverName: servername ?? serverName,
      ca: typeof ca === "string" ? [ca] : ca,
      cert,
      key,
      passphrase,
      alpn,
    },
  };
}
