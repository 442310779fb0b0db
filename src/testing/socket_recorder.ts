/**
 * A receiver that writes down what a socket tells it.
 *
 * @module
 */

import type { SocketHandlers } from "../core/runtime.ts";
import { joinBytes, textOf } from "./byte_pattern.ts";
import { expectSame } from "./expect.ts";
import type { Wait } from "./limit.ts";

/** Name of a call to a receiver. */
export type SocketEventName = "data" | "drain" | "close";

/** Writes down what a socket tells it. */
export class SocketRecorder implements SocketHandlers {
  /** What was called, in order; bytes that follow bytes count once. */
  readonly events: SocketEventName[] = [];
  /** What arrived, as it was handed out. */
  readonly chunks: Uint8Array[] = [];
  /** How many bytes arrived. */
  size = 0;
  /** What `close` was called with. */
  error: Error | undefined;
  /** Called with everything that arrives. */
  onData: ((bytes: Uint8Array) => void) | undefined;
  readonly #wait: Wait;
  #taken = 0;
  #awaited: (() => void)[] = [];

  /** @param wait Waits within a limit. */
  constructor(wait: Wait) {
    this.#wait = wait;
  }

  data(bytes: Uint8Array): void {
    if (this.events.at(-1) !== "data") this.events.push("data");
    this.chunks.push(bytes);
    this.size += bytes.byteLength;
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
    this.#notify();
  }

  /** All that arrived, copied. */
  get bytes(): Uint8Array {
    return joinBytes(this.chunks);
  }

  /** Fulfilled by `close`. */
  get closed(): Promise<void> {
    return this.until(() => this.events.includes("close"), "close is called");
  }

  /**
   * Counts the calls of one kind.
   *
   * @param event Which.
   * @returns How many so far.
   */
  count(event: SocketEventName): number {
    return this.events.filter((name) => name === event).length;
  }

  /**
   * Waits for bytes behind those taken before.
   *
   * @param count How many.
   * @returns Their text; less of it if the socket ended before.
   */
  async take(count: number): Promise<string> {
    const end = this.#taken + count;
    await this.until(
      () => this.size >= end || this.events.includes("close"),
      `${count} bytes are handed out`,
    );
    const bytes = this.bytes.subarray(this.#taken, end);
    this.#taken = end;
    return textOf(bytes);
  }

  /**
   * Waits until a condition holds; it is looked at after each event.
   *
   * @param condition The condition.
   * @param clause The clause of the contract that is broken if it never does.
   */
  until(condition: () => boolean, clause: string): Promise<void> {
    return this.#wait(this.#until(condition), clause);
  }

  /**
   * Fails unless the receiver was told this and nothing else.
   *
   * @param events What, in order.
   * @param when The circumstances, for the message.
   */
  expectEvents(events: readonly SocketEventName[], when: string): void {
    expectSame(this.events.join(", "), events.join(", "), `what the receiver is told ${when}`);
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#awaited.push(resolve));
  }

  #notify(): void {
    for (const resolve of this.#awaited.splice(0)) resolve();
  }
}
