/**
 * The way between one fake connection and its session: calls in order, one at a time, each of which can go wrong.
 *
 * @module
 */

import type { Clock, Timer } from "../core/clock.ts";
import type { ConnectionStatus, Evidence } from "../core/driver.ts";
import { FakeError } from "./fake_error.ts";
import type { FakeOperation, Fault, FaultPlan, HeldCall } from "./fake_faults.ts";
import { type FakeLedger, type MutableCounts, zeroCounts } from "./fake_ledger.ts";
import { type Execution, FakeSession } from "./fake_session.ts";
import type { WireCall } from "./wire_call.ts";

/** Calls that may have an effect. */
const EXECUTING: ReadonlySet<FakeOperation> = new Set(["statement", "execute", "reset"]);

/** What all wires of one fake server share. */
export interface FakeServer {
  /** Time of delays and of long statements. */
  readonly clock: Clock;
  /** What goes wrong. */
  readonly faults: FaultPlan;
  /** What happened. */
  readonly ledger: FakeLedger;
  /** Calls without an answer, oldest first. */
  readonly held: Set<HeldCall>;
  /** Durable writes, in order. */
  readonly applied: string[];
}

/** The way between one connection and its session. */
export class FakeWire {
  /** Number of the connection. */
  readonly id: number;
  /** What happened on it. */
  readonly counts: MutableCounts = zeroCounts();
  /** The server's side. */
  readonly session: FakeSession;
  /** How many calls the server may have executed. */
  effects = 0;
  readonly #server: FakeServer;
  readonly #onGone: () => void;
  readonly #waiting: WireCall[] = [];
  readonly #listeners: ((cause: unknown) => void)[] = [];
  #current: WireCall | undefined;
  /** The statement that goes on until it is cancelled, if there is one, and its end. */
  #timer: Timer | undefined;
  #held: HeldCall | undefined;
  #gone = false;
  #cause: unknown;

  /**
   * @param id Number of the connection.
   * @param server What it shares with the others.
   * @param onGone Called when it is lost or closed, before anybody else is told.
   * @param readOnly Whether its session refuses to write.
   */
  constructor(id: number, server: FakeServer, onGone: () => void, readOnly = false) {
    this.id = id;
    this.#server = server;
    this.#onGone = onGone;
    this.session = new FakeSession(server.applied, readOnly);
  }

  /** Whether it is lost or closed. */
  get gone(): boolean {
    return this.#gone;
  }

  /** What the connection is doing. */
  get status(): ConnectionStatus {
    if (this.#gone) return "unknown";
    if (this.#current !== undefined || this.#waiting.length > 0) return "busy";
    return this.session.status;
  }

  /**
   * Sends a call after those before it are answered.
   *
   * @param call The call.
   * @param signal Ends the caller's wait; a call that was not sent yet is not sent then.
   * @returns The answer.
   */
  send(call: WireCall, signal: AbortSignal | undefined): Promise<string> {
    if (signal?.aborted) call.settle(signal.reason);
    else if (this.#gone) call.settle(this.#lostError());
    else {
      if (signal !== undefined) call.listen(signal, () => this.#abandon(call));
      this.#waiting.push(call);
      this.#pump();
    }
    return call.promise;
  }

  /** Cancels what is executed now, if anything is. */
  cancel(): void {
    const call = this.#current;
    if (call?.operation !== "statement" || call.evidence !== "sent") return;
    this.#answer(call, this.session.cancel("the statement was cancelled"));
  }

  /**
   * Loses the connection: nothing of it is left, whoever listens is told.
   *
   * @param cause Why.
   * @param evidence What is known of the statement in hand.
   */
  lose(cause: unknown, evidence: Evidence = "sent"): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#cause = cause;
    this.#forgetCurrent();
    this.session.end();
    this.#onGone();
    const current = this.#current;
    this.#current = undefined;
    if (current !== undefined) {
      if (current.evidence === "sent") {
        current.evidence = evidence;
        if (evidence === "fatal" && EXECUTING.has(current.operation)) this.effects--;
      }
      current.settle(current.operation === "close" ? undefined : this.#lostError());
    }
    for (const call of this.#waiting.splice(0)) {
      call.settle(call.operation === "close" ? undefined : this.#lostError());
    }
    for (const listener of this.#listeners.splice(0)) listener(cause);
  }

  /**
   * Tells of the loss; at once if the connection is lost already.
   *
   * @param listener Receives the cause.
   */
  onLost(listener: (cause: unknown) => void): void {
    if (this.#gone) listener(this.#cause);
    else this.#listeners.push(listener);
  }

  #lostError(): FakeError {
    const error = new FakeError("lost", `connection ${this.id} is gone`);
    if (this.#cause !== undefined) error.cause = this.#cause;
    return error;
  }

  #abandon(call: WireCall): void {
    const index = this.#waiting.indexOf(call);
    if (index >= 0) this.#waiting.splice(index, 1);
    // One that was sent stays on the wire until it is answered: the server knows nothing of our signals.
  }

  #pump(): void {
    if (this.#current !== undefined || this.#gone) return;
    const call = this.#waiting.shift();
    if (call === undefined) return;
    this.#current = call;
    const fault = this.#server.faults.next(call.operation);
    if (fault?.kind === "break" && fault.point === "before send") return this.#break();
    call.evidence = "sent";
    if (EXECUTING.has(call.operation)) this.effects++;
    if (call.operation === "statement") this.#record("send", call.text);
    this.#way(call, fault);
  }

  /** The server got the call: now, later, or never. */
  #way(call: WireCall, fault: Fault | undefined): void {
    switch (fault?.kind) {
      case "break":
        return this.#break(fault.point === "after apply" ? call : undefined);
      case "refuse":
        return this.#soon(call, () => this.#refuse(call, fault.error));
      case "delay":
        this.#timer = this.#server.clock.schedule(fault.delayMs, () => this.#execute(call));
        return;
      case "hold":
        return this.#hold(call);
      default:
        return this.#soon(call, () => this.#execute(call));
    }
  }

  /** An answer takes a turn at least, as over any wire. */
  #soon(call: WireCall, run: () => void): void {
    queueMicrotask(() => {
      if (this.#current === call) run();
    });
  }

  #hold(call: WireCall): void {
    const held: HeldCall = {
      operation: call.operation,
      connection: this.id,
      answer: () => this.#letGo(call, held, () => this.#execute(call)),
      refuse: (error) =>
        this.#letGo(
          call,
          held,
          () => this.#refuse(call, error ?? new FakeError("statement", "refused")),
        ),
    };
    this.#held = held;
    this.#server.held.add(held);
  }

  #letGo(call: WireCall, held: HeldCall, run: () => void): void {
    this.#server.held.delete(held);
    if (this.#current === call) run();
  }

  #refuse(call: WireCall, error: Error): void {
    if (call.operation === "statement" || call.operation === "execute") {
      this.session.cancel(error.message);
    }
    this.#answer(call, error);
  }

  #execute(call: WireCall): void {
    let execution: Execution;
    try {
      execution = call.execute();
    } catch (error) {
      return this.#answer(call, error);
    }
    if (call.operation === "statement") this.#record("apply", call.text);
    switch (execution.kind) {
      case "answer":
        return this.#answer(call, undefined, execution.value);
      case "long":
        if (execution.durationMs === Infinity) return;
        this.#timer = this.#server.clock.schedule(
          execution.durationMs,
          () => this.#answer(call, undefined),
        );
        return;
      case "die":
        this.#record("break");
        return this.lose(new FakeError("lost", "the server ended the session"), "fatal");
    }
  }

  #answer(call: WireCall, error: unknown, value = ""): void {
    this.#forgetCurrent();
    this.#current = undefined;
    call.evidence = "answered";
    if (call.operation === "statement") this.#record("answer", call.text);
    if (call.operation === "close" && error === undefined) return this.#closed(call);
    call.settle(error, value);
    this.#pump();
  }

  #closed(call: WireCall): void {
    this.lose(undefined);
    call.settle(undefined);
  }

  #break(applied?: WireCall): void {
    if (applied !== undefined) {
      try {
        applied.execute();
        if (applied.operation === "statement") this.#record("apply", applied.text);
      } catch {
        // Refused: but nobody will ever hear of it.
      }
    }
    this.#record("break");
    this.lose(new FakeError("lost", "the connection broke"));
  }

  #forgetCurrent(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#held !== undefined) this.#server.held.delete(this.#held);
    this.#held = undefined;
  }

  #record(event: "send" | "apply" | "answer" | "break", detail = ""): void {
    this.#server.ledger.record(event, this, detail);
  }
}
