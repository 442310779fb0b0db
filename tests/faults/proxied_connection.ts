/**
 * One connection that goes through a proxy, and what can be done to it.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Lane, type Verdict } from "./lane.ts";
import type { Side, WireMessage } from "./wire_message.ts";

/** Bytes from whom are concerned. */
export type From = Side | "both";

/** One connection that goes through a proxy. */
export class ProxiedConnection {
  /** Its number, from 1, in the order they were opened. */
  readonly number: number;
  /** Fulfilled when both sides are closed. */
  readonly closed: Promise<void>;
  /** Process id of the backend, once the server has told it. */
  pid: number | undefined;
  readonly #sockets: Readonly<Record<Side, Socket>>;
  readonly #lanes: Readonly<Record<Side, Lane>>;

  /**
   * Joins two sockets; the proxy does that.
   *
   * @param number Its number.
   * @param client The client's socket.
   * @param server The server's.
   * @param judge Decides on each message.
   */
  constructor(
    number: number,
    client: Socket,
    server: Socket,
    judge: (message: WireMessage) => Verdict,
  ) {
    this.number = number;
    this.#sockets = { client, server };
    const lane = (from: Side, source: Socket, target: Socket): Lane =>
      new Lane(from, source, target, {
        judge: (type, body) => {
          this.#note(from, type, body);
          return judge({ connection: number, from, type, body });
        },
        break: (how) => how === "cut" ? this.cut() : this.reset(),
      });
    this.#lanes = {
      client: lane("client", client, server),
      server: lane("server", server, client),
    };
    const closed = [client, server].map((socket) =>
      new Promise<void>((resolve) => socket.once("close", () => resolve()))
    );
    for (const socket of [client, server]) socket.on("error", () => {});
    this.closed = Promise.all(closed).then(() => {
      for (const lane of Object.values(this.#lanes)) lane.dispose();
    });
  }

  /**
   * Swallows what is sent from now on; the sockets stay open, also when the other end of theirs is closed. There is no
   * way back: the bytes are lost.
   *
   * @param from Who is not heard any more.
   */
  blackhole(from: From = "both"): void {
    for (const lane of this.#of(from)) lane.blackhole();
  }

  /**
   * Keeps back what is sent from now on, until {@linkcode ProxiedConnection.release}.
   *
   * @param from By whom.
   */
  hold(from: From = "both"): void {
    for (const lane of this.#of(from)) lane.hold();
  }

  /**
   * Hands on what was kept back.
   *
   * @param from What was sent by whom.
   */
  release(from: From = "both"): void {
    for (const lane of this.#of(from)) lane.release();
  }

  /**
   * Hands on later what is sent from now on.
   *
   * @param ms How much later, in milliseconds; 0: at once.
   * @param from By whom.
   */
  delay(ms: number, from: From = "both"): void {
    for (const lane of this.#of(from)) lane.delay(ms);
  }

  /**
   * Tells one side that the other will say nothing more (FIN); what that side says itself still goes on.
   *
   * @param to Who is told.
   */
  halfClose(to: Side): void {
    this.#lanes[to === "client" ? "server" : "client"].end();
  }

  /** Closes both sides; what is still to be handed on is lost. */
  cut(): void {
    for (const socket of Object.values(this.#sockets)) socket.destroy();
  }

  /** Resets both sides (RST), as a host does that knows of no such connection. */
  reset(): void {
    for (const socket of Object.values(this.#sockets)) socket.resetAndDestroy();
  }

  #of(from: From): Lane[] {
    return from === "both" ? Object.values(this.#lanes) : [this.#lanes[from]];
  }

  #note(from: Side, type: string, body: Buffer): void {
    const { client, server } = this.#lanes;
    if (from === "server") {
      if (type === "K") this.pid = body.readInt32BE(0);
      if (type === "ssl" && body.toString() === "S") client.reader.mode = "opaque";
    } else if (type === "ssl") server.reader.mode = "ssl answer";
  }
}
