/**
 * A socket without a network: notes what is done with it, and says what the test wants it to.
 *
 * @module
 */

import type { Socket, SocketHandlers } from "../../../src/core/runtime.ts";

/** A {@linkcode Socket} for tests of who uses one. */
export class FakeSocket implements Socket {
  readonly opened: Promise<void> = Promise.resolve();
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  readonly secure: boolean = false;
  /** Names of the methods that were called, in order. */
  readonly calls: string[] = [];
  /** What was written. */
  readonly written: Uint8Array[] = [];
  /** What the next writes return. */
  room = true;
  handlers: SocketHandlers | undefined;

  get closed(): Promise<void> {
    return this.#gone.promise;
  }

  receive(handlers: SocketHandlers): void {
    this.handlers = handlers;
  }

  write(bytes: Uint8Array): boolean {
    this.written.push(bytes);
    return this.room;
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  startTls(): Socket {
    throw new Error("A fake socket has no TLS");
  }

  close(): Promise<void> {
    this.calls.push("close");
    this.#gone.resolve();
    return this.closed;
  }

  destroy(): void {
    this.calls.push("destroy");
    this.#gone.resolve();
  }

  ref(): void {
    this.calls.push("ref");
  }

  unref(): void {
    this.calls.push("unref");
  }
}
