/**
 * The two modules of workerd that are used here, with as much of their types. Bundlers have to leave them alone
 * (`external: ["cloudflare:*"]`); only workerd can load this file.
 *
 * @module
 */

// @ts-ignore: only workerd has it.
import { connect } from "cloudflare:sockets";
// All of it, as a name that an older workerd does not have would keep the whole from loading.
// @ts-ignore: only workerd has it.
import * as workers from "cloudflare:workers";

/** How `connect` of `cloudflare:sockets` opens a socket. */
export interface NativeOptions {
  /** When TLS begins. */
  readonly secureTransport: "off" | "on" | "starttls";
  /** Whether what the peer sends after its farewell can still be answered. */
  readonly allowHalfOpen: boolean;
}

/** A socket of workerd. */
export interface NativeSocket {
  /** Bytes that come. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Bytes that go. */
  readonly writable: WritableStream<Uint8Array>;
  /** Fulfilled when bytes can flow. */
  readonly opened: Promise<unknown>;
  /** Settled when the socket is gone. */
  readonly closed: Promise<void>;
  /** Sends what is on its way, then closes. */
  close(): Promise<void>;
  /** Makes a socket with TLS of this one, whose streams must not be locked. */
  startTls(options?: { expectedServerHostname?: string }): NativeSocket;
}

/** Opens a socket; only within a request. */
export const connectNative: (
  address: { readonly hostname: string; readonly port: number },
  options: NativeOptions,
) => NativeSocket = connect;

/** Keeps the request alive for a promise; `undefined` in a workerd that has it in the handler's `ctx` only. */
export const waitUntil: ((promise: Promise<unknown>) => void) | undefined =
  (workers as { readonly waitUntil?: (promise: Promise<unknown>) => void }).waitUntil;
