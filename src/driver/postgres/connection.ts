/**
 * One physical connection: a porsager client that has one socket in its life, and what the wire says about it.
 *
 * @module
 */

import type { ConnectionStatus } from "../../core/driver.ts";
import { ConnectionLostError, messageOf, type Outcome } from "../../core/errors.ts";
import type { Runtime, Socket } from "../../core/runtime.ts";
import { Bypass } from "./bypass.ts";
import { Cancelling } from "./cancelling.ts";
import { type CommitWatch, nextMoment, ServerClock, type ServerIdentity } from "./commit_watch.ts";
import { Demultiplexer } from "./demultiplexer.ts";
import { dial, type Endpoint } from "./dial.ts";
import { Duplex } from "./duplex.ts";
import { fingerprint } from "./fingerprint.ts";
import type { IdleReferences } from "./idle_references.ts";
import { judge, outcomeOf } from "./outcome.ts";
import { type OwnCallOptions, OwnCalls } from "./own_calls.ts";
import type { CommandResult } from "./own_command.ts";
import type { Login } from "./parse_options.ts";
import { Piggyback } from "./piggyback.ts";
import type { PorsagerConnection, Template } from "./porsager.ts";
import { ProcessHold } from "./process_hold.ts";
import { Session } from "./session.ts";
import { type BaseSql, createSql } from "./sql.ts";
import { resolvePassword, StartUp } from "./start_up.ts";
import type { Statement, StatementListener } from "./statement.ts";
import { StatementQueue } from "./statement_queue.ts";
import { StatementSender } from "./statement_sender.ts";
import { StatementsInFlight } from "./statements_in_flight.ts";
import { WaitingStatements } from "./waiting_statements.ts";
import { type ServerError, WireTap } from "./wire_tap.ts";

/** What a connection is opened with. */
export interface OpenOptions {
  /** The options that all connections share. */
  readonly template: Template;
  /** Supplies sockets. */
  readonly runtime: Runtime;
  /** Where and how. */
  readonly endpoint: Endpoint;
  /** Whether each transaction may have another backend, so that none can be named by its process id. */
  readonly pooled: boolean;
  /** As whom. */
  readonly login: Login;
  /** Whether that one is not meant to write. */
  readonly isReader: boolean;
  /** Whether this connection learns the array types for all. */
  readonly fetchTypes: boolean;
  /** Lets idle connections go of the process. */
  readonly references: IdleReferences;
  /** Told when a server refuses to write that should. */
  readonly onReadOnly: (connection: PostgresConnection, error: Error) => void;
  /** Ends the attempt. */
  readonly signal: AbortSignal | undefined;
}

/** read_only_sql_transaction. */
const READ_ONLY = "25006";

/**
 * One physical connection to PostgreSQL.
 *
 * It sends one statement at a time, in the order given, but for those that may be pipelined; a statement is over when
 * the server said ReadyForQuery for the last of it, however early its promise settled. It never opens a second socket.
 */
export class PostgresConnection {
  readonly #options: OpenOptions;
  readonly #socket: Socket;
  readonly #tap = new WireTap();
  readonly #flight = new StatementsInFlight(this.#tap);
  readonly #waiting = new WaitingStatements();
  readonly #piggyback = new Piggyback(this.#tap, this.#flight);
  readonly #duplex: Duplex;
  readonly #bypass: Bypass;
  readonly #demultiplexer: Demultiplexer;
  readonly #sender: StatementSender;
  readonly #cancelling: Cancelling;
  readonly #hold: ProcessHold;
  readonly #queue: StatementQueue;
  readonly #calls: OwnCalls;
  readonly #lostListeners = new Set<(cause: unknown) => void>();
  #opened: (() => void) | undefined;
  #lost = false;
  #lostCause: unknown;
  #lostOutcome: Outcome = "not-applied";
  /** The last error of the server that was looked at. */
  #seenError: ServerError | undefined;
  /** Statements that left and are known to be without effect. */
  #effectless = 0;
  #sql: BaseSql<Record<never, never>> | undefined;
  #endedHere = false;

  private constructor(options: OpenOptions, socket: Socket) {
    const { template, runtime, endpoint, pooled, references } = options;
    const tap = this.#tap;
    const flight = this.#flight;
    const waiting = this.#waiting;
    const piggyback = this.#piggyback;
    const destroy = (reason: unknown): void => this.destroy(reason);
    const quiet = (): void => this.#queue.quiet();
    const duplex = new Duplex(socket, tap, {
      wrote: () => this.#sender.wrote(),
      leaving: (bytes) => piggyback.attach(bytes),
    });
    const bypass = new Bypass(template.options, {
      write: (bytes) => duplex.write(bytes),
      aside: (message) => duplex.received(message),
    });
    const parts = { tap, duplex, bypass, flight, waiting, piggyback, destroy, quiet };
    const demultiplexer = new Demultiplexer(parts);
    const sender = new StatementSender({ ...parts, template, demultiplexer });
    const cancelling = new Cancelling({ ...parts, runtime, endpoint, pooled });
    // Who is in a transaction waits for its end, and for the loss that would be its end.
    const hold = new ProcessHold(
      socket,
      references,
      () => flight.oldest !== undefined || cancelling.isUnderWay || tap.transaction !== "idle",
    );
    this.#options = options;
    this.#socket = socket;
    this.#duplex = duplex;
    this.#bypass = bypass;
    this.#demultiplexer = demultiplexer;
    this.#sender = sender;
    this.#cancelling = cancelling;
    this.#hold = hold;
    this.#queue = new StatementQueue({ ...parts, cancelling, sender, hold });
    this.#calls = new OwnCalls(template, this);
    socket.receive({
      data: (bytes) => this.#received(bytes),
      drain: () => duplex.drained(),
      close: (error) => this.#gone(error),
    });
  }

  #received(bytes: Uint8Array): void {
    this.#tap.incoming(bytes);
    const { error, syncsAnswered } = this.#tap;
    // porsager's own first queries: a rejection of theirs would go unhandled and end the process.
    if (this.#opened !== undefined && syncsAnswered > 0 && error !== undefined) {
      return this.destroy(serverError(error));
    }
    if (error !== this.#seenError) {
      this.#seenError = error;
      if (error?.code === READ_ONLY && this.#isDemoted) {
        this.#options.onReadOnly(this, serverError(error));
      }
    }
    this.#demultiplexer.receive(bytes);
    if (this.#tap.fatal !== undefined && this.#opened === undefined) {
      // Its last word: to wait for it to hang up would be to trust a server that goes down to do it in time.
      this.#gone(undefined);
      return this.#socket.destroy();
    }
    if (this.#flight.areSeveral) this.#queue.endAnswered();
  }

  /** Whether a refusal to write is the server's own affair, and not what the user asked for. */
  get #isDemoted(): boolean {
    const { inHotStandby, beganReadOnly, transaction } = this.#tap;
    if (inHotStandby || beganReadOnly || this.#options.isReader) return inHotStandby === true;
    // Of a transaction by hand nobody here knows how it was begun.
    return this.commitWatch === undefined ? transaction === "idle" : !this.commitWatch.readOnly;
  }

  /**
   * Opens a connection: socket, TLS, start-up, password.
   *
   * @param options Where and how.
   * @returns The connection, idle.
   */
  static async open(options: OpenOptions): Promise<PostgresConnection> {
    const { template, runtime, endpoint, login, signal } = options;
    signal?.throwIfAborted();
    const password = await resolvePassword(login);
    signal?.throwIfAborted();
    const dialling = dial(runtime, endpoint, signal);
    // Made while the socket opens: it takes as long as that does.
    const start = new StartUp(template, login, password, options.fetchTypes);
    const connection = new PostgresConnection(options, await dialling);
    const abort = (): void => connection.destroy();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      await connection.#startUp(start);
    } catch (error) {
      connection.destroy();
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
    signal?.throwIfAborted();
    connection.openedAt = nextMoment();
    return connection;
  }

  #startUp(start: StartUp): Promise<void> {
    start.duplex = this.#duplex;
    start.rowsAreOurs = () => this.#opened !== undefined || this.#flight.oldest?.isOurs === true;
    return new Promise((resolve, reject) => {
      this.#opened = resolve;
      // Also when porsager has not asked for the socket yet, and so hears nothing of its end.
      this.onLost(reject);
      // The client hands its connection to the first query that it executes.
      const first = start.client.unsafe("", [], {
        onexecute: (connection: PorsagerConnection): boolean => {
          this.#sender.porsager = connection;
          const quiet: (() => void) & { release?: boolean } = () => {
            this.#opened?.();
            this.#opened = undefined;
            this.#queue.quiet();
          };
          quiet.release = true;
          connection.reserved = quiet;
          return true;
        },
      } as Record<string, unknown>);
      first.catch((error: unknown) => reject(this.#lost ? this.#lostCause ?? error : error));
    });
  }

  /** Process id of the backend; behind a pooler, whatever that calls so. */
  get pid(): number {
    return this.#tap.pid;
  }

  /** Text of the statement that was sent last, `?` in place of values that are written in it; cut to 200 characters. */
  get lastStatement(): string | undefined {
    const { text } = this.#sender;
    return text === undefined ? undefined : fingerprint(text);
  }

  /**
   * Follows the transaction that is under way, while there is one.
   *
   * @internal
   */
  get commitWatch(): CommitWatch | undefined {
    return this.#piggyback.watch;
  }

  set commitWatch(watch: CommitWatch | undefined) {
    this.#piggyback.watch = watch;
  }

  /**
   * What is known of the server's clock.
   *
   * @internal
   */
  readonly serverClock: ServerClock = new ServerClock();
  /**
   * Number of the moment it was opened.
   *
   * @internal
   */
  openedAt = 0;

  /**
   * Sends statements on this connection, in the order written; porsager's `sql`. For users of a {@linkcode SteadyConnection},
   * inside of its `run` and `transaction`; leases and transactions of a pool have an `sql` of their own.
   */
  get sql(): BaseSql<Record<never, never>> {
    return this.#sql ??= createSql(this.#options.template, new Session(() => this));
  }

  /**
   * How many messages that execute something left, less those that are known to be without effect.
   *
   * @internal
   */
  get effects(): number {
    return this.#tap.executesSent - this.#effectless;
  }

  /** Major version of the server, such as 18; 0 where it does not say. */
  get serverVersion(): number {
    return this.#tap.serverVersion;
  }

  /** Whether each transaction may have another backend. */
  get pooled(): boolean {
    return this.#options.pooled;
  }

  /** Whether the server is a standby; `undefined` where it does not say. */
  get inHotStandby(): boolean | undefined {
    return this.#tap.inHotStandby;
  }

  /** Whether the connection is gone. */
  get lost(): boolean {
    return this.#lost;
  }

  /**
   * What is known of the statement that was in hand when the connection was lost.
   *
   * @internal
   */
  get lostOutcome(): Outcome {
    return this.#lostOutcome;
  }

  /** Whether the connection is gone because this side closed it in an orderly way. */
  get endedHere(): boolean {
    return this.#endedHere;
  }

  /** What the connection is doing, by the server's word. */
  get status(): ConnectionStatus {
    if (this.#lost) return "unknown";
    // The server has answered all there was to answer, and nobody but us waits for anything.
    const { isUnderWay } = this.#cancelling;
    const isQuiet = isUnderWay ? this.#cancelling.isQuiet : this.#piggyback.isQuiet;
    if (isQuiet && this.#waiting.first === undefined) return this.#tap.transaction ?? "unknown";
    if (this.#flight.oldest !== undefined || isUnderWay || this.#tap.awaiting) return "busy";
    return this.#tap.transaction ?? "unknown";
  }

  /**
   * Executes a statement, after those given before.
   *
   * @internal
   * @param statement Not yet sent anywhere.
   */
  send(statement: Statement): void {
    statement.carrier = this.#cancelling;
    if (!this.#lost) return this.#queue.send(statement);
    statement.lost(outcomeOf(statement, false, this.#tap), this.#lostCause);
  }

  /**
   * Whether a pipelined statement would be sent at once, alone or behind what is in flight.
   *
   * @internal
   */
  get canPipeline(): boolean {
    return !this.#lost && this.#queue.canPipeline;
  }

  /**
   * Executes one command of the driver's own by the simple protocol.
   *
   * @internal
   * @param text The command.
   * @param options Signal, deadline, and a listener for how it ends.
   * @returns The server's command tag.
   */
  run(
    text: string,
    options?: OwnCallOptions & { readonly listener?: StatementListener },
  ): Promise<CommandResult> {
    return this.#calls.run(text, options);
  }

  /**
   * Asks the server something of the driver's own by the simple protocol.
   *
   * @internal
   * @param text One statement.
   * @param options Signal and deadline.
   * @returns The rows as the server wrote them, whatever parsers and transforms the user has.
   */
  ask(text: string, options?: OwnCallOptions): Promise<readonly (readonly (string | null)[])[]> {
    return this.#calls.ask(text, options);
  }

  /**
   * Learns which server this is, once; outside of a transaction, because where that is not permitted it fails.
   *
   * @internal
   * @param options Signal and deadline.
   * @returns The identity; `undefined` where the server does not say.
   */
  identify(options?: OwnCallOptions): Promise<ServerIdentity | undefined> {
    return this.#calls.identify(options);
  }

  /**
   * Gives a statement up; see {@linkcode Cancelling.abort}.
   *
   * @internal
   * @param statement Given to this connection before.
   * @param reason What its caller gets.
   */
  abort(statement: Statement, reason: unknown): void {
    this.#cancelling.abort(statement, reason);
  }

  /**
   * Ends what executes, whoever's it is; see {@linkcode Cancelling.giveUp}.
   *
   * @internal
   * @param reason What its caller gets.
   */
  giveUpCurrent(reason: unknown): void {
    const { oldest } = this.#flight;
    if (oldest !== undefined) this.#cancelling.giveUp(oldest, { value: reason });
  }

  /**
   * Asks the server to cancel what executes now.
   *
   * @param signal Ends the attempt.
   * @returns Resolved when the server has taken notice, or when nothing executes.
   */
  cancelCurrent(signal?: AbortSignal): Promise<void> {
    return this.#cancelling.request(signal);
  }

  /**
   * Says goodbye and closes; a connection that is not quiet is destroyed.
   *
   * @param signal Ends the wait.
   * @returns Resolved when the socket is gone.
   */
  async close(signal?: AbortSignal): Promise<void> {
    if (this.#lost) return;
    const { porsager } = this.#sender;
    if (this.status === "busy" || porsager === undefined) return this.destroy();
    const destroy = (): void => this.destroy();
    signal?.addEventListener("abort", destroy, { once: true });
    // Its socket would outlive the connection, and whoever waits for that to be closed.
    await this.#cancelling.through;
    if (!this.#lost) {
      this.#socket.ref();
      this.#endedHere = true;
      porsager.terminate();
    }
    await this.#socket.closed;
    signal?.removeEventListener("abort", destroy);
  }

  /**
   * Closes now.
   *
   * @param reason Why, for the errors of what is in hand.
   */
  destroy(reason?: unknown): void {
    if (this.#lost) return;
    this.#loseAll(reason ?? new Error("the connection was closed by this process"));
    this.#socket.destroy();
  }

  /**
   * Calls `listener` once when the connection is gone; at once if it is.
   *
   * @param listener Receives the cause.
   * @returns Takes the listener off again.
   */
  onLost(listener: (cause: unknown) => void): () => void {
    if (this.#lost) listener(this.#lostCause);
    else this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  #gone(error: Error | undefined): void {
    if (this.#lost) return;
    const lastWord = this.#tap.fatal ?? this.#tap.farewell;
    this.#loseAll(
      lastWord !== undefined
        ? serverError(lastWord, error)
        : error ?? new Error("the server closed the connection"),
    );
  }

  #loseAll(cause: unknown): void {
    this.#lost = true;
    this.#lostCause = cause;
    this.#cancelling.lost(cause);
    this.#hold.end();
    const { answered, others, executing } = judge(this.#flight, this.#waiting, this.#tap);
    this.#demultiplexer.close();
    this.#bypass.close();
    this.#flight.takeAll();
    this.#waiting.clear();
    for (const { statement, outcome } of others) {
      if (statement.evidence !== "unsent" && outcome === "not-applied") this.#effectless++;
      statement.previous = statement.next = undefined;
      // What porsager says of it now is not what is known of it.
      statement.detached = true;
    }
    // Of those in flight it struck the one that was executing.
    if (executing?.evidence === "sent" && this.#tap.fatal !== undefined) {
      executing.evidence = "fatal";
    }
    if (executing !== undefined) this.#lostOutcome = others[0]?.outcome ?? "unknown";
    // The pool first: whoever hears of the loss below may ask it for another connection.
    for (const listener of this.#lostListeners) listener(cause);
    this.#lostListeners.clear();
    const { porsager } = this.#sender;
    if (porsager !== undefined) this.#options.template.options.onclose?.(porsager.id);
    this.#duplex.gone(
      // Who opens the connection has heard of it, and porsager's own first queries must not: nobody handles them.
      this.#opened !== undefined
        ? undefined
        : new ConnectionLostError(`The connection was lost: ${messageOf(cause)}`, {
          outcome: "unknown",
          cause,
        }),
    );
    for (const statement of answered) {
      statement.next = undefined;
      if (statement.isStale) statement.lost("not-applied", cause);
      else statement.answered();
    }
    for (const { statement, outcome } of others) statement.lost(outcome, cause);
  }
}

/** An error of the server's as a cause. */
function serverError({ fatal, code, message }: ServerError, cause?: Error): Error {
  return Object.assign(new Error(`${message} (${code})`, { cause }), {
    code,
    severity: fatal ? "FATAL" : "ERROR",
  });
}
