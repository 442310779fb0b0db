/**
 * A socket around another one, for sockets that have a flaw.
 *
 * @module
 */

import type { Runtime, Socket, SocketHandlers } from "../../src/testing/mod.ts";
import { runtime } from "../runtime/this_adapter.ts";

/** Does what the socket inside does. */
export class SocketShell implements Socket {
  /** The socket inside. */
  readonly inner: Socket;

  /** @param inner The socket inside. */
  constructor(inner: Socket) {
    this.inner = inner;
  }

  get opened(): Promise<void> {
    return this.inner.opened;
  }

  get closed(): Promise<void> {
    return this.inner.closed;
  }

  get secure(): boolean {
    return this.inner.secure;
  }

  receive(handlers: SocketHandlers): void {
    this.inner.receive(handlers);
  }

  write(bytes: Uint8Array): boolean {
    return this.inner.write(bytes);
  }

  pause(): void {
    this.inner.pause();
  }

  resume(): void {
    this.inner.resume();
  }

  startTls(): Socket {
    return this.inner.startTls();
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  destroy(): void {
    this.inner.destroy();
  }

  ref(): void {
    this.inner.ref();
  }

  unref(): void {
    this.inner.unref();
  }
}

/**
 * Makes a runtime with other sockets.
 *
 * @param Shell What each of the real runtime's sockets is put into.
 * @returns The runtime.
 */
export function withSockets(Shell: new (inner: Socket) => Socket): Runtime {
  return {
    ...runtime,
    connect: (address, options) => new Shell(runtime.connect(address, options)),
  };
}

/**
 * Makes a runtime whose sockets call other receivers.
 *
 * @param change Makes the receiver that is called instead of the one that was set.
 * @returns The runtime.
 */
export function withReceivers(
  change: (handlers: SocketHandlers) => Partial<SocketHandlers>,
): Runtime {
  return withSockets(
    class extends SocketShell {
      override receive(handlers: SocketHandlers): void {
        const { data, drain, close } = change(handlers);
        this.inner.receive({
          data: data ?? ((bytes) => handlers.data(bytes)),
          drain: drain ?? (() => handlers.drain()),
          close: close ?? ((error) => handlers.close(error)),
        });
      }
    },
  );
}
