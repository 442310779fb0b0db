/**
 * Sockets over `node:net` and `node:tls`, for every runtime that has them.
 *
 * @module
 */

import type { Socket as NetSocket } from "node:net";
import type { Socket, SocketHandlers } from "../core/runtime.ts";
import { root } from "./async_context.ts";
import type { ConnectPlan } from "./connect_plan.ts";
import { dial, secure } from "./node_dial.ts";
import { SocketLife } from "./socket_life.ts";
import { HIGH_WATER_BYTES, WriteQueue } from "./write_queue.ts";

/** A socket over a `net.Socket` or `tls.TLSSocket`. */
export class NodeSocket implements Socket {
  readonly #plan: ConnectPlan;
  readonly #life: SocketLife = new SocketLife((error) => this.#end(error));
  /** What was written before the socket opened: before a handshake it must not reach the plain stream. */
  readonly #early: WriteQueue = new WriteQueue();
  /** The stream that bytes pass through; while TLS is used, `#plain` is the one below it. */
  #stream: NetSocket | undefined;
  #plain: NetSocket | undefined;
  #secure = false;
  #referenced: boolean;
  #paused = false;
  #flowing = false;

  /**
   * Starts to open.
   *
   * @param plan Where to and how.
   * @param plain An open stream to put TLS on, instead of a new one.
   * @param referenced Whether the socket keeps the process alive.
   */
  constructor(plan: ConnectPlan, plain?: NetSocket, referenced = true) {
    this.#plan = plan;
    this.#plain = plain;
    this.#referenced = referenced;
    root(() => {
      this.#life.watch(plan.signal);
      if (plain?.destroyed) this.#life.end(new Error("The socket ended before TLS began"));
      if (this.#life.over) {
        plain?.destroy();
        queueMicrotask(() => this.#life.gone());
      } else if (plain !== undefined) this.#handshake(plain);
      else this.#dial();
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
    root(() => {
      this.#life.receive(handlers);
      this.#flow();
    });
  }

  write(bytes: Uint8Array): boolean {
    const { phase } = this.#life;
    if (phase === "open") return this.#stream?.write(bytes) ?? true;
    if (phase !== "opening") return true;
    this.#early.push(bytes);
    return this.#early.bytes < HIGH_WATER_BYTES;
  }

  pause(): void {
    this.#paused = true;
    if (this.#flowing) this.#stream?.pause();
  }

  resume(): void {
    this.#paused = false;
    // The stream hands out what it holds in the context of whoever resumes it.
    if (this.#flowing) root(() => this.#stream?.resume());
  }

  startTls(): Socket {
    const stream = this.#stream;
    if (
      this.#plan.secureTransport !== "starttls" || this.#secure || stream === undefined ||
      this.#life.phase === "opening"
    ) throw new TypeError('startTls() is for open, plain sockets with secureTransport "starttls"');
    if (stream.writableLength > 0) throw new TypeError("startTls() with bytes on their way");
    this.#unlisten(stream);
    this.#life.handOver();
    return new NodeSocket(this.#plan, stream, this.#referenced);
  }

  close(): Promise<void> {
    if (this.#life.closing()) {
      this.#stream?.end();
      // Only a stream that is read comes to the end of what the peer sends.
      root(() => this.#stream?.resume());
    } else if (this.#life.phase === "opening") this.#end(undefined);
    return this.#life.closed;
  }

  destroy(): void {
    this.#end(undefined);
  }

  ref(): void {
    this.#referenced = true;
    this.#stream?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#stream?.unref();
  }

  #dial(): void {
    const stream = dial(this.#plan);
    this.#listen(stream);
    stream.once("connect", () => {
      if (this.#plan.secureTransport !== "on") return this.#open();
      this.#unlisten(stream);
      this.#handshake(stream);
    });
  }

  #handshake(plain: NetSocket): void {
    this.#plain = plain;
    try {
      const tls = secure(this.#plan, plain);
      this.#listen(tls);
      tls.once("secureConnect", () => {
        this.#secure = true;
        this.#open();
      });
    } catch (error) {
      // A certificate or key that cannot be read. There is no stream above the plain one, so its end is ours.
      this.#listen(plain);
      this.#end(error);
    }
  }

  #open(): void {
    if (!this.#life.open()) return;
    while (this.#early.bytes > 0) this.#stream?.write(this.#early.take());
    this.#flow();
  }

  /** Lets bytes flow to the receiver. */
  #flow(): void {
    if (this.#flowing || this.#life.phase !== "open" || !this.#life.received) return;
    this.#flowing = true;
    this.#stream?.on("data", this.#arrived);
    if (this.#paused) this.#stream?.pause();
  }

  #listen(stream: NetSocket): void {
    this.#stream = stream;
    if (!this.#referenced) stream.unref();
    stream.on("error", this.#failed);
    stream.on("end", this.#ended);
    stream.on("close", this.#closed);
    stream.on("drain", this.#drained);
  }

  /** Leaves a stream to TLS. Its errors go on being heard: one that nobody hears ends the process. */
  #unlisten(stream: NetSocket): void {
    stream.off("data", this.#arrived);
    stream.off("end", this.#ended);
    stream.off("close", this.#closed);
    stream.off("drain", this.#drained);
  }

  readonly #arrived = (bytes: Uint8Array): void => this.#life.data(bytes);
  readonly #drained = (): void => root(() => this.#life.drain());
  readonly #ended = (): void => this.#end(undefined);
  readonly #closed = (): void => root(() => this.#life.gone());

  readonly #failed = (error: unknown): void => {
    // After our farewell a peer may hang up as it likes.
    const finished = this.#life.phase === "closing" && this.#stream?.writableFinished;
    this.#end(finished ? undefined : error);
  };

  /** Ends the socket; `closed` follows when the platform has let go of it. */
  #end(error: unknown): void {
    if (!this.#life.end(error)) return;
    this.#early.clear();
    this.#stream?.destroy();
    this.#plain?.destroy();
  }
}
