/**
 * Executes statements that a connection knows without porsager: what that makes of a query, its bytes and its result takes
 * several times as long as the rest of a short statement. Whatever is not plain is left to it.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { AnswerReader } from "./answer_reader.ts";
import { type KnownStatement, KnownStatements } from "./known_statement.ts";
import { OutgoingBytes } from "./outgoing_bytes.ts";
import type { ParsedOptions } from "./parse_options.ts";
import type { PorsagerQuery } from "./porsager.ts";
import { SendDelay } from "./send_delay.ts";
import type { Statement } from "./statement.ts";

/** The way past porsager on one connection. */
export class Bypass {
  readonly #serializers: Readonly<Record<number, ((value: unknown) => unknown) | undefined>>;
  /** Who debugs is told of each statement by porsager. */
  readonly #open: boolean;
  readonly #statements = new KnownStatements();
  readonly #outgoing = new OutgoingBytes();
  readonly #reader: AnswerReader;
  readonly #write: (bytes: Uint8Array) => void;
  readonly #delay: SendDelay;
  #flushesSoon = false;
  #inFlight = 0;
  /** How many of them have not left. */
  #kept = 0;

  /**
   * @param options The user's.
   * @param events `write` is given bytes that leave now; `aside` whole messages that are not about a statement.
   * @param delay How long statements may be kept back.
   */
  constructor(
    options: ParsedOptions,
    events: { write: (bytes: Uint8Array) => void; aside: (message: Uint8Array) => void },
    delay: SendDelay = new SendDelay(),
  ) {
    this.#delay = delay;
    this.#serializers = options.serializers as Record<number, (value: unknown) => unknown>;
    this.#open = !options.debug && options.prepare;
    this.#reader = new AnswerReader(options.transform, events.aside);
    this.#write = events.write;
  }

  /** How many statements it has taken whose answer was not read to its end. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /**
   * Takes a statement, if it is known and plain; what executes it leaves with what follows in the same turn, or with what
   * follows while the server has enough in hand.
   *
   * @param statement Stands behind all that left, and is to be sent.
   * @returns Whether it was taken.
   */
  take(statement: Statement): boolean {
    if (!this.#open) return false;
    const { query } = statement;
    const known = this.#statements.find(query);
    const parameters = known?.write(query.args, this.#serializers);
    if (known === undefined || parameters === undefined) return false;
    this.#inFlight++;
    this.#kept++;
    statement.known = known;
    statement.isRead = false;
    query.statement = known.statement;
    query.string = known.statement.string;
    query.parameters = parameters;
    query.describeFirst = false;
    query.prepared = true;
    known.append(parameters, this.#outgoing);
    if (statement.pipelined) this.#flushSoon();
    else this.flush();
    return true;
  }

  #flushSoon(): void {
    if (this.#flushesSoon) return;
    this.#flushesSoon = true;
    queueMicrotask(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushesSoon = false;
    if (this.#delay.isDue(this.#kept, this.#inFlight - this.#kept)) this.flush();
  };

  /** Lets leave what was taken. */
  flush(): void {
    if (this.#kept === 0) return;
    if (this.#kept === this.#inFlight) this.#delay.left();
    this.#kept = 0;
    this.#write(this.#outgoing.take());
  }

  /**
   * Keeps what porsager finds out of a query that it executes.
   *
   * @param query Built.
   */
  learnFrom(query: PorsagerQuery): void {
    if (this.#open) this.#statements.learnFrom(query);
  }

  /**
   * Reads of the answer to a statement that was taken.
   *
   * @param statement Which; was taken.
   * @param known What it executes.
   * @param bytes As they came.
   * @param from Where its answer begins, or goes on.
   * @param to Where it ends, or is cut.
   */
  receive(
    statement: Statement,
    known: KnownStatement,
    bytes: Buffer,
    from: number,
    to: number,
  ): void {
    if (!this.#reader.read(statement.query, known, bytes, from, to)) return;
    statement.isRead = true;
    this.#inFlight--;
    this.#delay.answered();
    // What is kept back is due as soon as the server has too little in hand.
    if (this.#kept > 0) this.#flushSoon();
  }

  /** A statement is prepared anew: what is known of its text, wherever that is written, holds no more. */
  forget(): void {
    this.#statements.forget();
  }

  /** The connection is gone, and with it all that was taken. */
  close(): void {
    this.#inFlight = this.#kept = 0;
    this.#outgoing.clear();
    this.#reader.close();
  }
}
