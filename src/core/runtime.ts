/**
 * What one JavaScript runtime supplies: sockets and async context. Adapters in `src/runtime` fulfil these contracts.
 *
 * The socket has the names and the life cycle of the WinterTC Sockets API; bytes go by a direct path
 * (callbacks in, `write` out) because streams would cost throughput. `ContextVariable` has the shape of TC39
 * `AsyncContext.Variable`.
 *
 * @module
 */

/** Where to connect to: a TCP endpoint or a Unix domain socket. */
export type SocketAddress =
  | { readonly hostname: string; readonly port: number }
  | { readonly path: string };

/** How a TLS handshake is done and what it proves. */
export interface TlsOptions {
  /**
   * What of the server's certificate is verified: nothing, its chain of trust, or the chain and the host name.
   */
  readonly verify: "none" | "ca" | "full";
  /** Host name to send (SNI) and, with `verify: "full"`, to check. */
  readonly serverName?: string;
  /** Trusted authorities in PEM text, instead of the runtime's own. */
  readonly ca?: readonly string[];
  /** Client certificate chain in PEM text. */
  readonly cert?: string;
  /** Private key of the client certificate in PEM text. */
  readonly key?: string;
  /** Passphrase of {@linkcode TlsOptions.key}. */
  readonly passphrase?: string;
  /** Application protocols to announce (ALPN). */
  readonly alpn?: readonly string[];
}

/** How to open a socket. */
export interface ConnectOptions {
  /**
   * `"off"`: plain for life. `"on"`: TLS from the first byte. `"starttls"`: plain until {@linkcode Socket.startTls}.
   *
   * @default {"off"}
   */
  readonly secureTransport?: "off" | "on" | "starttls";
  /** Required unless `secureTransport` is `"off"`; known from the start so that the adapter can choose its means. */
  readonly tls?: TlsOptions;
  /** Aborts opening and handshake; has no effect once the socket is open. */
  readonly signal?: AbortSignal;
  /**
   * TCP keep-alive, in milliseconds of idleness before the first probe (runtimes that cannot set the time use the
   * system's); 0 turns it off.
   *
   * @default {60_000}
   */
  readonly keepAliveMs?: number;
}

/** The direct byte path of a {@linkcode Socket}. */
export interface SocketHandlers {
  /**
   * Bytes arrived. The memory belongs to the receiver: the adapter never writes to it again.
   *
   * @param bytes What arrived.
   */
  data(bytes: Uint8Array): void;
  /** Room again after {@linkcode Socket.write} returned `false`. */
  drain(): void;
  /**
   * The socket is gone: called exactly once, whoever closed it, and no other handler is called after it.
   *
   * @param error What broke it; `undefined` for an orderly end by either side.
   */
  close(error: Error | undefined): void;
}

/** One open byte stream to a server. */
export interface Socket {
  /** Fulfilled when bytes can flow (and TLS stands); rejected when that failed or was aborted. */
  readonly opened: Promise<void>;
  /** Fulfilled when the socket is gone, for whatever reason; never rejected. */
  readonly closed: Promise<void>;
  /** Whether TLS protects the bytes now. */
  readonly secure: boolean;
  /**
   * Sets who receives bytes and events; reading starts with the first call. A later call replaces the receiver.
   *
   * @param handlers The receiver.
   */
  receive(handlers: SocketHandlers): void;
  /**
   * Queues bytes in order; never throws, and does nothing on a socket that is gone.
   *
   * @param bytes What to send; must not be changed afterwards.
   * @returns `false` when the caller should wait for `drain` before it sends more.
   */
  write(bytes: Uint8Array): boolean;
  /** Stops reading, so that the peer is slowed down; bytes already read may still arrive. */
  pause(): void;
  /** Goes on reading. */
  resume(): void;
  /**
   * Upgrades to TLS; this object is dead afterwards, the result takes its place and needs `receive` again.
   * Only for `secureTransport: "starttls"`, when no byte is on its way.
   *
   * @returns The secured socket; its `opened` tells how the handshake went.
   */
  startTls(): Socket;
  /**
   * Sends what is queued, then closes.
   *
   * @returns {@linkcode Socket.closed}.
   */
  close(): Promise<void>;
  /** Closes now; what is queued is lost. */
  destroy(): void;
  /** Lets the socket keep the process alive (the state a socket is born in). */
  ref(): void;
  /** Lets the process exit although the socket is open. */
  unref(): void;
}

/** A value that follows asynchronous control flow; shaped after TC39 `AsyncContext.Variable`. */
export interface ContextVariable<T> {
  /**
   * Reads the variable.
   *
   * @returns The value set by the nearest enclosing {@linkcode ContextVariable.run}.
   */
  get(): T | undefined;
  /**
   * Runs `fn`, and all that it starts, with `value`.
   *
   * @param value What {@linkcode ContextVariable.get} returns inside.
   * @param fn What to run.
   * @returns What `fn` returns.
   */
  run<R>(value: T, fn: () => R): R;
}

/** What one JavaScript runtime supplies. */
export interface Runtime {
  /** Name of the runtime, for messages. */
  readonly name: string;
  /**
   * Opens a socket. Returns at once; `opened` tells how it went.
   *
   * @param address Where to.
   * @param options How.
   * @returns The socket.
   * @throws {TypeError} If this runtime cannot do what the options ask for.
   */
  connect(address: SocketAddress, options?: ConnectOptions): Socket;
  /**
   * Makes a context variable.
   *
   * @returns A new one, empty.
   */
  contextVariable<T>(): ContextVariable<T>;
  /**
   * Runs `fn` in no user's context: sockets, timers and hooks of the pool must not retain a caller's store.
   *
   * @param fn What to run.
   * @returns What `fn` returns.
   */
  root<R>(fn: () => R): R;
  /**
   * Captures the caller's context.
   *
   * @returns A function that runs its argument in the captured context.
   */
  capture(): <R>(fn: () => R) => R;
}
