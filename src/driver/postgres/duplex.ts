/**
 * The Node-style duplex that porsager `postgres` expects, over a runtime's socket, with the tap in between.
 *
 * @module
 */

import type { Socket } from "../../core/runtime.ts";
import { bufferOf } from "./buffer_of.ts";
import type { WireTap } from "./wire_tap.ts";

type Listener = (argument?: unknown) => void;

/** A Query without a statement in it, and what the server says to that: EmptyQueryResponse, ReadyForQuery. */
const EMPTY_QUERY = Uint8Array.of(0x51, 0, 0, 0, 5, 0);
const EMPTY_ANSWER = Uint8Array.of(0x49, 0, 0, 0, 4, 0x5a, 0, 0, 0, 5, 0x49);

/**
 * One socket as porsager sees it; an empty query at the end of the start-up is answered here. It never emits `drain`: the pool
 * decides what is sent when.
 */
export class Duplex {
  readonly #socket: Socket;
  readonly #tap: WireTap;
  readonly #wrote: () => void;
  readonly #leaving: (bytes: Uint8Array) => Uint8Array;
  readonly #listeners = new Map<string, Set<Listener>>();
  #onData: Listener | undefined;
  #written: (() => void)[] = [];
  #paused = false;
  #startingUp = true;
  /** As in Node: `"open"` until it is closed. */
  readyState: "open" | "closed" = "open";

  /**
   * @param socket Open, and past TLS.
   * @param tap Reads in passing.
   * @param events `wrote` is told after bytes left; `leaving` may add to them before.
   */
  constructor(
    socket: Socket,
    tap: WireTap,
    events: { wrote: () => void; leaving: (bytes: Uint8Array) => Uint8Array },
  ) {
    this.#socket = socket;
    this.#tap = tap;
    this.#wrote = events.wrote;
    this.#leaving = events.leaving;
  }

  // Events, as far as porsager uses them

  on(event: string, listener: Listener): this {
    if (event === "data") this.#onData = listener;
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return this;
  }

  once(event: string, listener: Listener): this {
    const once: Listener = (argument) => {
      this.removeListener(event, once);
      listener(argument);
    };
    return this.on(event, once);
  }

  removeListener(event: string, listener: Listener): this {
    this.#listeners.get(event)?.delete(listener);
    if (event === "data" && this.#onData === listener) this.#onData = undefined;
    return this;
  }

  removeAllListeners(): this {
    this.#listeners.clear();
    this.#onData = undefined;
    return this;
  }

  #emit(event: string, argument?: unknown): void {
    for (const listener of [...this.#listeners.get(event) ?? []]) listener(argument);
  }

  // What porsager calls

  write(bytes: Uint8Array, written?: () => void): boolean {
    if (this.readyState === "closed") return false;
    if (this.#startingUp && isEmptyQuery(bytes)) {
      // By its ReadyForQuery the server has said that it is ready: nothing is gained by asking it once more.
      this.#startingUp = false;
      queueMicrotask(() => this.received(EMPTY_ANSWER));
      return true;
    }
    const all = this.#leaving(bytes);
    this.#tap.outgoing(all);
    const room = this.#socket.write(all);
    this.#wrote();
    if (written !== undefined) {
      // A COPY's next chunk is asked for by this callback: held back while there is no room, memory stays bounded.
      if (room) queueMicrotask(written);
      else this.#written.push(written);
    }
    return room;
  }

  end(bytes?: Uint8Array): void {
    if (bytes !== undefined) this.write(bytes);
    void this.#socket.close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }

  // What the socket tells

  /**
   * Bytes came, which the tap has seen.
   *
   * @param bytes As they came.
   */
  received(bytes: Uint8Array): void {
    this.#onData?.(bufferOf(bytes));
    // The stream of a COPY slows the server down, and forgets to let it go on when it has got its last piece.
    if (this.#paused && !this.#tap.copyingOut) this.resume();
  }

  /** There is room to write again. */
  drained(): void {
    const written = this.#written;
    this.#written = [];
    for (const callback of written) callback();
  }

  /**
   * The socket is gone.
   *
   * @param error What porsager rejects with whatever is left in its hands; without it, that stays unsettled.
   */
  gone(error: Error | undefined): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    // `close` is never told: porsager would forget the socket, and what it writes later (an answer to a password
    // request is computed over several turns) would throw where nobody can catch it. Here it goes nowhere.
    if (error !== undefined) this.#emit("error", error);
    this.#written = [];
  }
}

/** porsager hands out its connection with the first query it executes: an empty one, and nothing else is as short. */
function isEmptyQuery(bytes: Uint8Array): boolean {
  return bytes.length === EMPTY_QUERY.length &&
    EMPTY_QUERY.every((byte, index) => bytes[index] === byte);
}
