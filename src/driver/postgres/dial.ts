/**
 * Opens a socket to the server and, where asked for, secures it.
 *
 * @module
 */

import type { Runtime, Socket, SocketAddress, SocketHandlers } from "../../core/runtime.ts";
import { explainDenied } from "./permission.ts";
import type { TlsPolicy } from "./tls.ts";

/** Where and how to connect. */
export interface Endpoint {
  /** TCP endpoint or Unix socket. */
  readonly address: SocketAddress;
  /** How to secure it; `undefined` for plain text. */
  readonly tls: TlsPolicy | undefined;
  /** TCP keep-alive in milliseconds; 0 for none. */
  readonly keepAliveMs: number;
}

/** Length 8, then the number that asks for TLS. */
const SSL_REQUEST = Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47);
const YES = 0x53; // S
const NO = 0x4e; // N

/**
 * Opens a socket, ready for the first message of the protocol.
 *
 * @param runtime Supplies sockets.
 * @param endpoint Where and how.
 * @param signal Ends the attempt.
 * @returns The open socket; the caller owns it.
 */
export async function dial(
  runtime: Runtime,
  endpoint: Endpoint,
  signal: AbortSignal | undefined,
): Promise<Socket> {
  const socket = await connect(runtime, endpoint, signal);
  const { tls: policy } = endpoint;
  if (policy === undefined || policy.direct) return checked(socket, signal);
  const abort = (): void => socket.destroy();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const answer = await askForTls(socket);
    signal?.throwIfAborted();
    if (answer === NO && policy.optional) {
      socket.resume();
      return socket;
    }
    if (answer !== YES) {
      throw new Error(
        answer === NO
          ? "the server does not offer TLS"
          : "the server's answer to the request for TLS makes no sense",
      );
    }
    const secured = socket.startTls();
    const abortSecured = (): void => secured.destroy();
    signal?.addEventListener("abort", abortSecured, { once: true });
    try {
      await secured.opened;
      return checked(secured, signal);
    } finally {
      signal?.removeEventListener("abort", abortSecured);
    }
  } catch (error) {
    socket.destroy();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

async function connect(
  runtime: Runtime,
  { address, tls: policy, keepAliveMs }: Endpoint,
  signal: AbortSignal | undefined,
): Promise<Socket> {
  try {
    const socket = runtime.connect(address, {
      secureTransport: policy === undefined ? "off" : policy.direct ? "on" : "starttls",
      tls: policy?.tls,
      keepAliveMs,
      signal,
    });
    await socket.opened;
    return socket;
  } catch (error) {
    throw explainDenied(error, address);
  }
}

/** Aborted in the very turn in which it opened: nobody would own the socket. */
function checked(socket: Socket, signal: AbortSignal | undefined): Socket {
  if (signal?.aborted) {
    socket.destroy();
    throw signal.reason;
  }
  return socket;
}

function askForTls(socket: Socket): Promise<number> {
  return new Promise((resolve, reject) => {
    const handlers: SocketHandlers = {
      data(bytes) {
        // No read may be under way when the handshake starts, or it would swallow the server's part of it.
        socket.pause();
        socket.receive(NOBODY);
        // More than one byte before the handshake was put there by somebody in between (CVE-2021-23222).
        if (bytes.length === 1 && bytes[0] !== undefined) resolve(bytes[0]);
        else reject(new Error("the server sent more than its answer to the request for TLS"));
      },
      drain() {},
      close: (error) =>
        reject(error ?? new Error("the server closed the connection instead of offering TLS")),
    };
    socket.receive(handlers);
    socket.write(SSL_REQUEST);
  });
}

const NOBODY: SocketHandlers = { data() {}, drain() {}, close() {} };
