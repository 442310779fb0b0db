/**
 * What the conformance kit must know of a runtime to test it.
 *
 * @module
 */

import type { Runtime } from "../core/runtime.ts";
import type { TestPeers } from "./test_peers.ts";

/** A certificate and its private key. */
export interface TestIdentity {
  /** Certificate chain in PEM text. */
  readonly cert: string;
  /** Private key in PEM text. */
  readonly key: string;
  /** Passphrase of the key, if it has one. */
  readonly passphrase?: string;
}

/** The certificates that checks of TLS need, made for the test. */
export interface RuntimeCertificates {
  /** The authority in PEM text, which issued all of these but the stranger. */
  readonly authority: string;
  /** An authority in PEM text that has nothing to do with any of them. */
  readonly otherAuthority: string;
  /** For a server at `localhost`, `127.0.0.1`. */
  readonly server: TestIdentity;
  /** For a server at `elsewhere.test`. */
  readonly wrongHost: TestIdentity;
  /** For a server at `localhost`, by an authority of the same name with another key. */
  readonly stranger: TestIdentity;
  /** For a client with the common name `steady`; more than one if there are several forms to try, such as a locked key. */
  readonly clients: readonly [TestIdentity, ...TestIdentity[]];
}

/** What a runtime cannot do: it must say so by a `TypeError` from `connect`. */
export interface RuntimeLimits {
  /** Connect to a Unix socket. */
  readonly unixSockets?: boolean;
  /** Do TLS and verify nothing (`verify: "none"`). */
  readonly verifyNone?: boolean;
  /** Do TLS and verify the chain of trust but no name (`verify: "ca"`). */
  readonly verifyCa?: boolean;
  /** Trust the authorities that it is given (`ca`). */
  readonly authorities?: boolean;
  /** Show a client certificate (`cert`, `key`). */
  readonly clientCertificates?: boolean;
  /** Do TLS from the first byte with another name than the host's (`serverName`); after `startTls()` every runtime can. */
  readonly serverName?: boolean;
  /** Announce application protocols (`alpn`). */
  readonly alpn?: boolean;
}

/**
 * A runtime under test.
 *
 * Optional members switch on the checks that need them.
 */
export interface RuntimeSubject {
  /** Name of the runtime, for the names of the tests. */
  readonly name: string;
  /** The runtime. */
  readonly runtime: Runtime;
  /** Makes the other side of its connections. */
  readonly peers: TestPeers;
  /** Certificates; TLS is not checked without them. */
  readonly certificates?: RuntimeCertificates;
  /**
   * How the runtime comes to trust the certificates' authority: it is `"given"` with each connect, or `"built-in"`, among
   * those that the runtime trusts by itself. The latter is how to check a runtime that takes no authorities.
   *
   * @default {"given"}
   */
  readonly trusts?: "given" | "built-in";
  /** What the runtime cannot do; the kit then checks that it refuses to. */
  readonly cannot?: RuntimeLimits;
  /**
   * From how many queued bytes on `write` asks its caller to wait.
   *
   * @default {65_536}
   */
  readonly highWaterBytes?: number;
  /**
   * How long anything may take before the kit calls it never, in milliseconds of real time.
   *
   * @default {10_000}
   */
  readonly limitMs?: number;
}
