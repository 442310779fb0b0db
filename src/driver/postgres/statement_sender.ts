/**
 * Puts statements on the wire: past porsager where that is possible, by porsager, or as a command of our own.
 *
 * @module
 */

import type { Bypass } from "./bypass.ts";
import type { Demultiplexer } from "./demultiplexer.ts";
import type { Duplex } from "./duplex.ts";
import { textQuery } from "./light_query.ts";
import { OwnCommand } from "./own_command.ts";
import type { Piggyback } from "./piggyback.ts";
import { allowsFollowers } from "./pipelining.ts";
import { executeBehind, type PorsagerConnection, type Template } from "./porsager.ts";
import type { Statement } from "./statement.ts";
import type { StatementsInFlight } from "./statements_in_flight.ts";
import type { WireTap } from "./wire_tap.ts";

const SYNC = Uint8Array.of(0x53, 0, 0, 0, 4);

/** What {@linkcode StatementSender} is made of. */
export interface StatementSenderParts {
  /** The options that all connections share. */
  readonly template: Template;
  /** Counts what leaves. */
  readonly tap: WireTap;
  /** Writes. */
  readonly duplex: Duplex;
  /** The way past porsager. */
  readonly bypass: Bypass;
  /** Statements in flight, that which is to be sent included. */
  readonly flight: StatementsInFlight;
  /** Asks something with a statement. */
  readonly piggyback: Piggyback;
  /** Is told what answer comes. */
  readonly demultiplexer: Demultiplexer;
}

/** Sends the statements of one connection. */
export class StatementSender {
  readonly #template: Template;
  readonly #tap: WireTap;
  readonly #duplex: Duplex;
  readonly #bypass: Bypass;
  readonly #flight: StatementsInFlight;
  readonly #piggyback: Piggyback;
  readonly #demultiplexer: Demultiplexer;
  /** porsager's connection, once it has handed that out. */
  porsager: PorsagerConnection | undefined = undefined;
  #text: string | undefined;
  /** Whether a statement that could not be built waits for an answer all the same. */
  #owesSync = false;
  /** Templates whose text is to be prepared anew: the server refused it in a transaction. */
  readonly #stale = new WeakSet<readonly string[]>();

  /** @param parts What it is made of. */
  constructor(parts: StatementSenderParts) {
    this.#template = parts.template;
    this.#tap = parts.tap;
    this.#duplex = parts.duplex;
    this.#bypass = parts.bypass;
    this.#flight = parts.flight;
    this.#piggyback = parts.piggyback;
    this.#demultiplexer = parts.demultiplexer;
  }

  /** Text of the statement that was sent last. */
  get text(): string | undefined {
    return this.#text;
  }

  /**
   * Sends a statement alone.
   *
   * @param statement The only one in flight.
   */
  start(statement: Statement): void {
    const { query } = statement;
    if (query instanceof OwnCommand) return this.#startOwn(query);
    this.#piggyback.offer(statement);
    if (!this.#passBy(statement)) {
      statement.beforeExecute();
      this.#flight.lastOfPorsager = statement;
      this.porsager?.execute(query);
    }
    this.#executed(statement);
    // porsager would answer the error of a simple query with parameters by a Sync, as if it were an extended one, and
    // then take the answer to that for the answer to the next statement.
    if (query.options.simple) query.describeFirst = false;
    this.#flight.followable = allowsFollowers(statement);
  }

  #startOwn(command: OwnCommand): void {
    const { debug } = this.#template.options;
    this.#demultiplexer.expect(command);
    this.#piggyback.decline();
    this.#flight.followable = false;
    this.#text = command.string;
    if (typeof debug === "function") debug(this.porsager?.id ?? 0, command.string, [], []);
    this.#duplex.write(command.bytes);
  }

  /**
   * Sends a statement behind others.
   *
   * @param statement The newest in flight.
   * @param oldest The oldest in flight.
   */
  follow(statement: Statement, oldest: Statement): void {
    let failure: { readonly error: unknown } | undefined;
    if (!this.#passBy(statement)) {
      statement.beforeExecute();
      this.#bypass.flush();
      this.#flight.lastOfPorsager = statement;
      failure = this.#executeBehind(statement, oldest);
    }
    this.#executed(statement);
    if (failure !== undefined) {
      statement.reject(failure.error);
      this.#owesSync = true;
      this.#payOwedSync();
    }
    this.#flight.followable = allowsFollowers(statement);
  }

  /** Sends a statement without porsager, if that is possible: not when what porsager was given before is yet to leave. */
  #passBy(statement: Statement): boolean {
    statement.known = undefined;
    if (this.#stale.delete(statement.query.strings)) statement.prepareAnew();
    if (statement.isRenewed) this.#bypass.forget();
    if (statement.isOurs || statement.isRenewed) return false;
    return this.#flight.lastOfPorsager?.evidence !== "unsent" && this.#bypass.take(statement);
  }

  /** Gives a statement to porsager behind those in flight; see {@linkcode executeBehind}. */
  #executeBehind(
    statement: Statement,
    oldest: Statement,
  ): { readonly error: unknown } | undefined {
    let executing: Statement | undefined = oldest;
    while (executing?.known !== undefined) executing = executing.next;
    if (this.porsager === undefined) return undefined;
    if (executing !== statement && executing !== undefined) {
      return executeBehind(this.porsager, statement.query, executing.query);
    }
    // To porsager it is the only one: that rejects it by itself, and brings it its answer.
    this.porsager.execute(statement.query);
    return undefined;
  }

  /** A statement was given to porsager, or was taken past it. */
  #executed(statement: Statement): void {
    const { query } = statement;
    this.#text = query.string;
    statement.afterExecute();
    if (statement.known === undefined && !statement.isOurs) this.#bypass.learnFrom(query);
  }

  /** Bytes left. */
  wrote(): void {
    this.#flight.wrote();
    if (this.#owesSync) this.#payOwedSync();
  }

  /**
   * A statement that could not be built stands in porsager's list of those to be answered. When all before it have left,
   * a Sync of its own brings it an answer.
   */
  #payOwedSync(): void {
    if (this.#tap.executesSent < (this.#flight.newest?.executesBefore ?? 0)) return;
    this.#owesSync = false;
    this.#duplex.write(SYNC);
  }

  /**
   * The server refused what was prepared for a statement, which cannot be sent again: the next of the same template is
   * prepared anew.
   *
   * @param statement Refused.
   */
  prepareNextAnew({ query }: Statement): void {
    this.#stale.add(query.strings);
  }

  /**
   * After a statement that failed amid its rows porsager goes on counting: the rows of the next one would come behind as
   * many holes. It starts again at the next command that completes, so here is one.
   *
   * @param failed Told if it does not complete.
   */
  forgetRows(failed: (error: unknown) => void): void {
    this.#tap.rowsLeft = this.#tap.rowsCut = this.#flight.followable = false;
    const query = textQuery(this.#template.LightQuery, "select where false");
    query.catch(failed);
    this.porsager?.execute(query);
  }
}
