/**
 * The life of a socket: its two promises, its receiver, and the rule that the end is told exactly once. What differs
 * between runtimes is in the adapters; this does not.
 *
 * @module
 */

import type { SocketHandlers } from "../core/runtime.ts";

/**
 * Where in its life a socket is: being opened; open; closing, while queued bytes leave; ended, while the platform lets go
 * of it; gone.
 */
export type SocketPhase = "opening" | "open" | "closing" | "ended" | "gone";

/** Phases, promises and receiver of one socket. The adapter reports what happens; this decides who hears of it. */
export class SocketLife {
  readonly #opening = Promise.withResolvers<void>();
  readonly #going = Promise.withResolvers<void>();
  readonly #abandon: (error: unknown) => void;
  #phase: SocketPhase = "opening";
  #receiver: SocketHandlers | undefined;
  #cause: Error | undefined;
  #unwatch: (() => void) | undefined;

  /**
   * @param abandon Ends the socket because of an error: called when the signal fires or a handler throws.
   */
  constructor(abandon: (error: unknown) => void) {
    this.#abandon = abandon;
    // Nobody has to look at `opened`: who only listens for `close` must not bring the process down.
    this.#opening.promise.catch(() => {});
  }

  /** Fulfilled by {@linkcode SocketLife.open}, rejected by an earlier {@linkcode SocketLife.end}. */
  get opened(): Promise<void> {
    return this.#opening.promise;
  }

  /** Fulfilled by {@linkcode SocketLife.gone}. */
  get closed(): Promise<void> {
    return this.#going.promise;
  }

  /** Where in its life the socket is. */
  get phase(): SocketPhase {
    return this.#phase;
  }

  /** Whether the end has come: nothing but letting go is left to do. */
  get over(): boolean {
    return this.#phase === "ended" || this.#phase === "gone";
  }

  /** Whether somebody receives. */
  get received(): boolean {
    return this.#receiver !== undefined;
  }

  /**
   * Abandons the socket when `signal` fires before it is open; at once if it has fired.
   *
   * @param signal What to watch.
   */
  watch(signal: AbortSignal | undefined): void {
    if (signal === undefined || this.#phase !== "opening") return;
    const abort = (): void => this.#abandon(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    // A pool's signal may outlive thousands of sockets: a listener left behind would keep each of them in memory.
    this.#unwatch = () => signal.removeEventListener("abort", abort);
  }

  /**
   * Sets who receives. Who comes after the end is still told of it, once.
   *
   * @param receiver The receiver.
   */
  receive(receiver: SocketHandlers): void {
    this.#receiver = receiver;
    if (this.#phase === "gone") queueMicrotask(() => receiver.close(this.#cause));
  }

  /**
   * Bytes can flow.
   *
   * @returns `false` if the end came first.
   */
  open(): boolean {
    if (this.#phase !== "opening") return false;
    this.#phase = "open";
    this.#stopWatching();
    this.#opening.resolve();
    return true;
  }

  /**
   * The owner closes: from now on the receiver hears of nothing but the end.
   *
   * @returns `false` if the socket is not open.
   */
  closing(): boolean {
    if (this.#phase !== "open") return false;
    this.#phase = "closing";
    return true;
  }

  /**
   * The end has come. The first cause counts: what breaks while a socket is torn down is a consequence.
   *
   * @param error What broke it; `undefined` for an orderly end.
   * @returns `false` if it had come before.
   */
  end(error: unknown): boolean {
    if (this.over) return false;
    const opening = this.#phase === "opening";
    this.#phase = "ended";
    this.#stopWatching();
    if (opening) this.#opening.reject(error ?? new Error("The socket was closed before it opened"));
    if (error !== undefined) {
      this.#cause = error instanceof Error
        ? error
        : new Error("The socket was abandoned", { cause: error });
    }
    return true;
  }

  /** The platform has let go: tells the receiver and fulfils `closed`. Does nothing the second time. */
  gone(): void {
    if (this.#phase === "gone") return;
    this.end(undefined);
    this.#phase = "gone";
    // First the promise: a receiver that throws must not leave those who wait for `closed` waiting.
    this.#going.resolve();
    this.#receiver?.close(this.#cause);
  }

  /** The stream lives on in another object: this one is dead, and its receiver hears nothing more. */
  handOver(): void {
    this.#phase = "gone";
    this.#receiver = undefined;
    this.#going.resolve();
  }

  /**
   * Hands bytes to the receiver, unless the socket is closing or over.
   *
   * @param bytes What arrived.
   */
  data(bytes: Uint8Array): void {
    if (this.#phase !== "open") return;
    try {
      this.#receiver?.data(bytes);
    } catch (error) {
      this.#abandon(error);
    }
  }

  /** Tells the receiver that there is room again, unless the socket is closing or over. */
  drain(): void {
    if (this.#phase !== "open") return;
    try {
      this.#receiver?.drain();
    } catch (error) {
      this.#abandon(error);
    }
  }

  #stopWatching(): void {
    this.#unwatch?.();
    this.#unwatch = undefined;
  }
}
