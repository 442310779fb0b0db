/**
 * The other side of the sockets that the conformance kit for runtimes opens.
 *
 * All is asynchronous, so that it may be in another process than the runtime under test.
 *
 * @module
 */

import type { SocketAddress } from "../core/runtime.ts";

/** On what a server can listen: 127.0.0.1, ::1, or the path of a Unix socket. */
export type PeerAddressKind = "ipv4" | "ipv6" | "unix";

/** How the server's part of a TLS handshake is done. */
export interface PeerTlsOptions {
  /** The server's certificate chain in PEM text. */
  readonly cert: string;
  /** Its private key in PEM text. */
  readonly key: string;
  /** Application protocols it speaks, the preferred one first; the handshake does without when not given. */
  readonly alpn?: readonly string[];
  /** Authorities in PEM text: only clients are let in that show a certificate by one of them. */
  readonly clientAuthorities?: readonly string[];
}

/** What became of the server's part of a TLS handshake. */
export interface SecuredPeer {
  /** The secured connection. */
  readonly stream: PeerStream;
  /** Name that the client asked for (SNI). */
  readonly serverName?: string;
  /** Application protocol that was settled on (ALPN). */
  readonly alpn?: string;
  /** Common name in the client's certificate. */
  readonly clientName?: string;
}

/**
 * The server's end of one connection. It reads only when asked to, answers nothing by itself, and does not hang up
 * because the client did.
 */
export interface PeerStream {
  /**
   * Reads on.
   *
   * @returns Some bytes, or `undefined` when the client sends no more; rejected when the connection broke.
   */
  read(): Promise<Uint8Array | undefined>;
  /**
   * Writes.
   *
   * @param bytes What.
   * @returns Fulfilled when the system has taken all, or the connection is gone; never rejected.
   */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Ends its own half of the connection, behind what was written.
   *
   * @returns Fulfilled when that is on its way, or the connection is gone; never rejected.
   */
  end(): Promise<void>;
  /**
   * Breaks the connection by a reset, unless it is gone.
   *
   * @returns Fulfilled when that is done.
   */
  reset(): Promise<void>;
  /**
   * Closes the connection at once, both halves.
   *
   * @returns Fulfilled when that is done.
   */
  destroy(): Promise<void>;
  /**
   * Does the server's part of a TLS handshake; begins at once, before the call returns. This stream is dead afterwards.
   *
   * @param options How.
   * @returns The secured connection; rejected if the handshake failed.
   */
  startTls(options: PeerTlsOptions): Promise<SecuredPeer>;
}

/** A server that listens. */
export interface PeerServer {
  /** Where; an IP address, not a name. */
  readonly address: SocketAddress;
  /**
   * Hands out the connections, in the order in which they came.
   *
   * @returns The next one.
   */
  accept(): Promise<PeerStream>;
  /**
   * Counts the connections that came.
   *
   * @returns How many, since it listens.
   */
  countConnections(): Promise<number>;
  /**
   * Closes all connections and listens no more.
   *
   * @returns Fulfilled when that is done, and a connect to the address is refused.
   */
  close(): Promise<void>;
}

/** A port that answers no connect: neither accepted nor refused. */
export interface SilentServer {
  /** Where. */
  readonly address: SocketAddress;
  /**
   * Gives the port up.
   *
   * @returns Fulfilled when that is done.
   */
  close(): Promise<void>;
}

/** Makes the other side of connections. */
export interface TestPeers {
  /** On what this machine can listen; checks of others are left out. */
  readonly kinds: readonly PeerAddressKind[];
  /**
   * Starts a server.
   *
   * @param kind On what; on a free port or path.
   * @returns The server.
   */
  listen(kind: PeerAddressKind): Promise<PeerServer>;
  /**
   * Makes a port that answers no connect. Checks that need one are left out when not given.
   *
   * @returns The port.
   */
  listenSilently?(): Promise<SilentServer>;
}
