/**
 * Sockets over connections that are read by asking for bytes, and closed with `closeWrite`.
 *
 * @module
 */

import type { Socket, SocketHandlers } from "../core/runtime.ts";
import { root } from "./async_context.ts";
import type { Conn, Dialer } from "./conn.ts";
import type { ConnectPlan } from "./connect_plan.ts";
import { PulledReader } from "./pulled_reader.ts";
import { PulledWriter } from "./pulled_writer.ts";
import { SocketLife } from "./socket_life.ts";

/** How long a socket that cannot send any more is read, should its peer not hang up, in milliseconds. */
const LAST_WORDS_MS = 1000;

/** A socket over a {@linkcode Conn}. */
export class PulledSocket<C extends Conn> implements Socket {
  readonly #dialer: Dialer<C>;
  readonly #plan: ConnectPlan;
  readonly #life: SocketLife = new SocketLife((error) => this.#end(error));
  readonly #reader: PulledReader = new PulledReader(this.#life);
  readonly #writer: PulledWriter = new PulledWriter(this.#life);
  readonly #cancel: AbortController;
  #conn: C | undefined;
  #secure = false;
  #referenced: boolean;
  #opening = true;
  /** Why nothing more can be sent, if so. */
  #broken: unknown;

  /**
   * Starts to open.
   *
   * @param dialer Opens connections.
   * @param plan Where to and how.
   * @param plain An open connection to put TLS on, instead of a new one.
   * @param referenced Whether the socket keeps the process alive.
   */
  constructor(dialer: Dialer<C>, plan: ConnectPlan, plain?: C, referenced = true) {
    this.#dialer = dialer;
    this.#cancel = dialer.canceller();
    this.#plan = plan;
    this.#referenced = referenced;
    root(() => {
      this.#life.watch(plan.signal);
      this.#open(plain);
    });
  }

  get opened(): Promise<void> {
    return this.#life.opened;
  }

  get closed(): Promise<void> {
    return this.#life.closed;
  }

  get secure(): boolean {
    return this.#secure;
  }

  receive(handlers: SocketHandlers): void {
    root(() => this.#life.receive(handlers));
    this.#reader.wake();
  }

  write(bytes: Uint8Array): boolean {
    const { phase } = this.#life;
    if (phase !== "open" && phase !== "opening" || this.#broken !== undefined) return true;
    return this.#writer.write(bytes);
  }

  pause(): void {
    this.#reader.pause();
  }

  resume(): void {
    this.#reader.resume();
  }

  startTls(): Socket {
    const conn = this.#conn;
    if (this.#plan.secureTransport !== "starttls" || this.#secure || conn === undefined) {
      throw new TypeError('startTls() is for open, plain sockets with secureTransport "starttls"');
    }
    // Platforms take a connection for TLS only when nothing is on its way, and destroy it otherwise.
    if (!this.#life.over && (this.#reader.reading || this.#writer.bytes > 0)) {
      throw new TypeError("startTls() with bytes on their way: pause() in the data handler first");
    }
    this.#life.handOver();
    this.#wake();
    return new PulledSocket(this.#dialer, this.#plan, conn, this.#referenced);
  }

  close(): Promise<void> {
    if (this.#life.closing()) this.#wake();
    else if (this.#life.phase === "opening") this.#end(undefined);
    return this.#life.closed;
  }

  destroy(): void {
    this.#end(undefined);
  }

  ref(): void {
    this.#referenced = true;
    this.#conn?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#conn?.unref();
  }

  async #open(plain: C | undefined): Promise<void> {
    const { signal } = this.#cancel;
    try {
      const conn = plain === undefined
        ? await this.#dialer.dial(this.#plan, signal)
        : await this.#dialer.secure(this.#plan, plain, signal);
      this.#conn = conn;
      this.#secure = plain !== undefined || this.#plan.secureTransport === "on";
      if (!this.#referenced) conn.unref();
    } catch (error) {
      this.#end(error);
    }
    this.#opening = false;
    if (this.#conn !== undefined && this.#life.open()) this.#run(this.#conn);
    else {
      this.#conn?.[Symbol.dispose]();
      this.#life.gone();
    }
  }

  #run(conn: C): void {
    this.#writer.run(conn).catch((error: unknown) => {
      if (this.#life.over) return;
      // What the server said before it hung up may be unread: the reader goes on and meets the end there.
      this.#broken = error;
      this.#writer.clear();
      this.#reader.drain();
      const timer = setTimeout(() => this.#end(error), LAST_WORDS_MS);
      this.#life.closed.then(() => clearTimeout(timer));
    });
    this.#reader.run(conn).then(
      () => this.#end(this.#broken),
      // After our farewell a peer may hang up as it likes.
      (error: unknown) => this.#end(this.#writer.finished ? undefined : this.#broken ?? error),
    );
  }

  #wake(): void {
    this.#reader.wake();
    this.#writer.wake();
  }

  /** Ends the socket; `closed` follows when the platform has let go of it. */
  #end(error: unknown): void {
    if (!this.#life.end(error)) return;
    this.#cancel.abort();
    this.#conn?.[Symbol.dispose]();
    this.#writer.clear();
    this.#reader.wake();
    // An opening that is under way comes to the same point when it has been cancelled.
    if (!this.#opening) root(() => queueMicrotask(() => this.#life.gone()));
  }
}
