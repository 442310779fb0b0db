/**
 * A receiver that writes down what a socket tells it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Socket, SocketHandlers } from "../../src/core/runtime.ts";

/** Writes down what a socket tells it. */
export class Recorder implements SocketHandlers {
  /** What was called, in order; bytes that follow bytes count once. */
  readonly events: ("data" | "drain" | "close")[] = [];
  /** What arrived, as it was handed out. */
  readonly chunks: Uint8Array[] = [];
  /** What `close` was called with. */
  error: Error | undefined;
  /** Fulfilled by `close`. */
  readonly closed: Promise<void>;
  /** Called with everything that arrives. */
  onData: ((bytes: Uint8Array) => void) | undefined;
  /** Called at each event. */
  onEvent: (() => void) | undefined;
  #close: () => void;
  #taken = 0;
  #awaited: (() => void)[] = [];

  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#close = resolve;
  }

  data(bytes: Uint8Array): void {
    if (this.events.at(-1) !== "data") this.events.push("data");
    this.chunks.push(bytes);
    this.#notify();
    this.onData?.(bytes);
  }

  drain(): void {
    this.events.push("drain");
    this.#notify();
  }

  close(error: Error | undefined): void {
    this.events.push("close");
    this.error = error;
    this.#close();
    this.#notify();
  }

  /** All that arrived, copied. */
  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** How many bytes arrived. */
  get size(): number {
    return this.chunks.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  /** Waits for `count` bytes behind those taken before, and returns them as text. */
  async take(count: number): Promise<string> {
    await this.until(() => this.size >= this.#taken + count || this.events.includes("close"));
    const bytes = this.bytes.subarray(this.#taken, this.#taken += count);
    return bytes.toString("latin1");
  }

  /** Waits until a condition holds; it is looked at after each event. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#awaited.push(resolve));
  }

  #notify(): void {
    this.onEvent?.();
    for (const resolve of this.#awaited.splice(0)) resolve();
  }
}

/** Makes a recorder the receiver of a socket. */
export function record(socket: Socket): Recorder {
  const recorder = new Recorder();
  socket.receive(recorder);
  return recorder;
}

/** Lets everything run that waits for nothing but its turn. */
export function turns(count = 3): Promise<void> {
  let left = count;
  return new Promise((resolve) => {
    const next = (): void => {
      if (left-- === 0) resolve();
      else setTimeout(next, 0);
    };
    next();
  });
}

/** What text is in bytes. */
export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}
