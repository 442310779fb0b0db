/**
 * When each statement of a connection is sent, and when it is over.
 *
 * @module
 */

import type { Bypass } from "./bypass.ts";
import type { Cancelling } from "./cancelling.ts";
import type { Piggyback } from "./piggyback.ts";
import type { ProcessHold } from "./process_hold.ts";
import type { Statement } from "./statement.ts";
import type { StatementSender } from "./statement_sender.ts";
import type { StatementsInFlight } from "./statements_in_flight.ts";
import type { WaitingStatements } from "./waiting_statements.ts";
import type { WireTap } from "./wire_tap.ts";

/** What {@linkcode StatementQueue} is made of. */
export interface StatementQueueParts {
  /** Knows what was answered. */
  readonly tap: WireTap;
  /** Knows of what porsager does not. */
  readonly bypass: Bypass;
  /** Statements that were sent. */
  readonly flight: StatementsInFlight;
  /** Statements that were not. */
  readonly waiting: WaitingStatements;
  /** Asks something with statements; whose answer is waited for. */
  readonly piggyback: Piggyback;
  /** Cancels statements; what is under way is waited for. */
  readonly cancelling: Cancelling;
  /** Sends them. */
  readonly sender: StatementSender;
  /** Keeps the process while there are any. */
  readonly hold: ProcessHold;
  /** Closes the connection. */
  readonly destroy: (reason: unknown) => void;
}

/**
 * The statements of one connection: one at a time in the order given, but for those that may be pipelined. One is over when
 * the server said ReadyForQuery for the last of it, however early its promise settled.
 */
export class StatementQueue {
  readonly #tap: WireTap;
  readonly #bypass: Bypass;
  readonly #flight: StatementsInFlight;
  readonly #waiting: WaitingStatements;
  readonly #piggyback: Piggyback;
  readonly #cancelling: Cancelling;
  readonly #sender: StatementSender;
  readonly #hold: ProcessHold;
  readonly #destroy: (reason: unknown) => void;

  /** @param parts What it is made of. */
  constructor(parts: StatementQueueParts) {
    this.#tap = parts.tap;
    this.#bypass = parts.bypass;
    this.#flight = parts.flight;
    this.#waiting = parts.waiting;
    this.#piggyback = parts.piggyback;
    this.#cancelling = parts.cancelling;
    this.#sender = parts.sender;
    this.#hold = parts.hold;
    this.#destroy = parts.destroy;
  }

  /**
   * Sends a statement, after those given before.
   *
   * @param statement Not yet sent anywhere.
   */
  send(statement: Statement): void {
    const { oldest } = this.#flight;
    if (oldest === undefined) return this.#start(statement);
    if (statement.pipelined && this.canPipeline) return this.#follow(statement, oldest);
    if (isOpenStream(oldest.stream)) {
      statement.reject(
        Object.assign(new Error("COPY_IN_PROGRESS: You cannot execute queries during copy"), {
          code: "COPY_IN_PROGRESS",
        }),
      );
      return statement.end();
    }
    this.#waiting.add(statement);
  }

  /** Whether a pipelined statement would be sent at once, alone or behind what is in flight. */
  get canPipeline(): boolean {
    return this.#waiting.first === undefined &&
      (this.#flight.oldest === undefined || this.#mayFollow);
  }

  get #mayFollow(): boolean {
    return this.#flight.followable && !this.#cancelling.isUnderWay;
  }

  #start(statement: Statement): void {
    this.#flight.start(statement);
    this.#hold.take();
    this.#sender.start(statement);
  }

  #follow(statement: Statement, oldest: Statement): void {
    this.#flight.follow(statement, oldest);
    this.#sender.follow(statement, oldest);
  }

  /** Sends what waits, as far as it can be sent now. */
  #sendWaiting(): void {
    for (let next = this.#waiting.first; next !== undefined; next = this.#waiting.first) {
      const { oldest } = this.#flight;
      if (oldest !== undefined && !(next.pipelined && this.#mayFollow)) return;
      this.#waiting.delete(next);
      if (oldest === undefined) this.#start(next);
      else this.#follow(next, oldest);
    }
  }

  /** Ends the statements that are answered, but for the newest: that one ends when all is quiet. */
  endAnswered(): void {
    const flight = this.#flight;
    const over: Statement[] = [];
    for (let next = flight.takeAnswered(); next !== undefined; next = flight.takeAnswered()) {
      if (!this.#takesAgain(next)) over.push(next);
    }
    this.#sendWaiting();
    for (const statement of over) statement.answered();
    if (flight.oldest?.cancelWanted && !flight.areSeveral) {
      this.#cancelling.cancelExecuting(flight.oldest);
    }
  }

  /** The server has answered all that was sent, as far as whoever says so knows. */
  quiet(): void {
    // Porsager is through with what it knows of, and that is not all.
    if (this.#bypass.inFlight > 0) return;
    if (this.#cancelling.isUnderWay) return this.#cancelling.postponeQuiet();
    const { question, awaiting, rowsLeft, rowsCut, transaction } = this.#tap;
    if (question !== undefined) {
      this.#piggyback.isQuiet = true;
      return;
    }
    if (awaiting) return this.#destroy(new Error("the protocol is out of step"));
    const { oldest } = this.#flight;
    if (
      oldest?.failed && oldest.known === undefined && (rowsLeft || rowsCut) &&
      transaction !== "failed"
    ) {
      return this.#sender.forgetRows(this.#destroy);
    }
    const over: Statement[] = [];
    let next = this.#flight.takeAll();
    while (next !== undefined) {
      const statement: Statement = next;
      next = statement.next;
      statement.next = undefined;
      if (!this.#takesAgain(statement)) over.push(statement);
    }
    this.#sendWaiting();
    for (const statement of over) statement.answered();
    if (this.#flight.oldest === undefined) this.#hold.loosen();
  }

  /**
   * A statement that was refused because the server has forgotten, or would read otherwise, what was prepared for it goes
   * to the front of those that wait, to be prepared anew. In a transaction that is no use.
   */
  #takesAgain(statement: Statement): boolean {
    if (!statement.isStale) return false;
    if (this.#tap.transaction !== "idle") {
      statement.rejectStale();
      this.#sender.prepareNextAnew(statement);
      return false;
    }
    statement.renew();
    this.#waiting.addFirst(statement);
    return true;
  }
}

function isOpenStream(stream: unknown): boolean {
  const { destroyed, readableEnded, writableEnded } = (stream ?? { destroyed: true }) as {
    destroyed?: boolean;
    readableEnded?: boolean;
    writableEnded?: boolean;
  };
  return !destroyed && !readableEnded && !writableEnded;
}
