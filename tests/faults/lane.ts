/**
 * One direction of one connection that goes through a proxy.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { MessageReader, type Side } from "./wire_message.ts";

/**
 * How a direction or a connection ends: both sides closed; reset; bytes swallowed from now on while the sockets stay
 * open; or this direction closed (FIN) while the other stays open.
 */
export type Break = "cut" | "reset" | "blackhole" | "half-close";

/**
 * What is done with a message: it goes on; it is swallowed; it is swallowed and its connection broken, after what came
 * before it was handed on; or the same after its own first `pass` bytes (`Infinity`: all of it), or other bytes in its
 * place, were handed on too. With a reset, the receiver's system may forget what the receiver has not yet read.
 */
export type Decision =
  | "pass"
  | "drop"
  | Break
  | { readonly pass: number; readonly then: Break }
  | { readonly instead: Buffer; readonly then: Break };

/** A decision, or one that is still to come: then what was sent behind the message waits with it. */
export type Verdict = Decision | Promise<Decision>;

/** What a lane needs from its connection. */
export interface LaneHome {
  /** Decides on a message. */
  judge(type: string, body: Buffer): Verdict;
  /** The connection is to be broken; what was handed on before has left. */
  break(how: "cut" | "reset"): void;
}

/** One direction of one connection. */
export class Lane {
  /** Tells its messages apart. */
  readonly reader: MessageReader;
  readonly #target: Socket;
  readonly #home: LaneHome;
  /** What is still to be done, in order, and when. */
  readonly #later: { readonly at: number; readonly run: () => void }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #delayMs = 0;
  #judging = false;
  #hold: PromiseWithResolvers<void> | undefined;
  #source: "open" | "ended" | "closed" = "open";
  #state: "open" | "blackholed" | "ended" | "closed" = "open";
  #writing = 0;
  #flushed: (() => void)[] = [];

  /**
   * Makes it and starts it.
   *
   * @param from Who sends.
   * @param source The sender's socket.
   * @param target The receiver's.
   * @param home Its connection.
   */
  constructor(from: Side, source: Socket, target: Socket, home: LaneHome) {
    this.reader = new MessageReader(from);
    this.#target = target;
    this.#home = home;
    source.on("data", (chunk: Buffer) => {
      this.reader.push(chunk);
      this.#pump();
    });
    source.on("end", () => {
      this.#source = "ended";
      this.#pump();
    });
    source.on("close", () => {
      this.#source = "closed";
      this.#pump();
    });
    // Then nothing is written any more.
    target.on("close", () => this.#flush());
  }

  /**
   * Hands everything on that much later.
   *
   * @param ms How much, in milliseconds.
   */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Keeps back what comes from now on. */
  hold(): void {
    this.#hold ??= Promise.withResolvers();
  }

  /** Hands on what was kept back. */
  release(): void {
    this.#hold?.resolve();
    this.#hold = undefined;
  }

  /** Swallows what comes from now on, the end included. */
  blackhole(): void {
    if (this.#state === "open") this.#state = "blackholed";
  }

  /** Closes this direction only; what the sender says from now on is swallowed. */
  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    this.#deliver(() => this.#target.end());
  }

  /** Forgets everything. */
  dispose(): void {
    this.#state = "closed";
    clearTimeout(this.#timer);
    this.#later.length = 0;
  }

  #pump(): void {
    while (!this.#judging && this.#state !== "closed") {
      const message = this.reader.next();
      if (message === undefined) return this.#pumped();
      const { type, body, bytes } = message;
      const own = this.#home.judge(type, body);
      const held = this.#hold?.promise.then(() => own);
      const verdict = held ?? own;
      if (!(verdict instanceof Promise)) this.#carryOut(verdict, bytes);
      else {
        this.#judging = true;
        verdict.then((decision) => {
          this.#judging = false;
          this.#carryOut(decision, bytes);
          this.#pump();
        });
      }
    }
  }

  /** All that came was dealt with; now for the end, if it came. */
  #pumped(): void {
    if (this.#source === "open" || this.#state === "blackholed") return;
    this.end();
    if (this.#source === "ended") return;
    this.#state = "closed";
    // What is on its way is not lost by it.
    this.#deliver(() => this.#afterWrites(() => this.#target.destroy()));
  }

  #carryOut(decision: Decision, bytes: Buffer): void {
    if (this.#state !== "open" || decision === "drop") return;
    if (decision === "pass") return this.#write(bytes);
    if (typeof decision === "string") return this.#break(decision);
    if ("instead" in decision) this.#write(decision.instead);
    else if (decision.pass > 0) this.#write(bytes.subarray(0, decision.pass));
    this.#break(decision.then);
  }

  #break(how: Break): void {
    if (how === "blackhole") return this.blackhole();
    if (how === "half-close") return this.end();
    this.#state = "closed";
    this.#deliver(() => this.#afterWrites(() => this.#home.break(how)));
  }

  #write(bytes: Buffer): void {
    this.#deliver(() => {
      this.#writing++;
      this.#target.write(bytes, () => {
        if (--this.#writing === 0) this.#flush();
      });
    });
  }

  #afterWrites(then: () => void): void {
    if (this.#writing === 0 || this.#target.destroyed) then();
    else this.#flushed.push(then);
  }

  #flush(): void {
    for (const then of this.#flushed.splice(0)) then();
  }

  /** Does it now, or after the delay; in order, whatever the delay was changed to in between. */
  #deliver(run: () => void): void {
    if (this.#delayMs === 0 && this.#later.length === 0) return run();
    this.#later.push({ at: performance.now() + this.#delayMs, run });
    this.#schedule();
  }

  #schedule(): void {
    const [first] = this.#later;
    if (this.#timer !== undefined || first === undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#later.shift()?.run();
      this.#schedule();
    }, Math.max(0, first.at - performance.now()));
  }
}
