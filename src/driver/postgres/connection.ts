/**
 * One physical connection: a porsager client that has one socket in its life, and what the wire says about it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { ConnectionStatus } from "../../core/driver.ts";
import { ConnectionLostError, messageOf, type Outcome } from "../../core/errors.ts";
import type { Runtime, Socket } from "../../core/runtime.ts";
import { bufferOf } from "./buffer_of.ts";
import { Bypass } from "./bypass.ts";
import { requestCancel } from "./cancel_request.ts";
import { type CommitWatch, nextMoment, ServerClock, type ServerIdentity } from "./commit_watch.ts";
import { dial, type Endpoint } from "./dial.ts";
import { Duplex } from "./duplex.ts";
import { fingerprint } from "./fingerprint.ts";
import type { IdleReferences } from "./idle_references.ts";
import { textQuery } from "./light_query.ts";
import { judge, outcomeOf } from "./outcome.ts";
import { type OwnCallOptions, OwnCalls } from "./own_calls.ts";
import { executeBehind, type PorsagerConnection, type Template } from "./porsager.ts";
import type { Login } from "./parse_options.ts";
import { type CommandResult, OwnCommand } from "./own_command.ts";
import { allowsFollowers } from "./pipelining.ts";
import { ProcessHold } from "./process_hold.ts";
import { Session } from "./session.ts";
import { type BaseSql, createSql } from "./sql.ts";
import { resolvePassword, StartUp } from "./start_up.ts";
import { cancelledError, type Statement, type StatementListener } from "./statement.ts";
import { StatementsInFlight } from "./statements_in_flight.ts";
import { WaitingStatements } from "./waiting_statements.ts";
import { OwnQuestion, type ServerError, WireTap } from "./wire_tap.ts";

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

/** A CommandComplete with an empty tag, as the server would send it. */
const COMMAND_COMPLETE = Uint8Array.of(0x43, 0, 0, 0, 5, 0);
/** read_only_sql_transaction. */
const READ_ONLY = "25006";
/** How long after a cancel that did not end a statement the next one is sent, in milliseconds. */
const CANCEL_AGAIN_MS = 50;
/** How long a statement that was cancelled may take to end, in milliseconds, the request included. */
const CANCEL_GRACE_MS = 1_000;
const SYNC = Uint8Array.of(0x53, 0, 0, 0, 4);

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
  readonly #duplex: Duplex;
  readonly #bypass: Bypass;
  readonly #hold: ProcessHold;
  readonly #calls: OwnCalls;
  readonly #lostListeners = new Set<(cause: unknown) => void>();
  #porsager: PorsagerConnection | undefined;
  #opened: (() => void) | undefined;
  #lost = false;
  /** Text of the statement that was sent last. */
  #text: string | undefined;
  #lostCause: unknown;
  #lostOutcome: Outcome = "not-applied";
  /** Whether a statement that could not be built waits for an answer all the same. */
  #owesSync = false;
  /** What executes, if that is a command that porsager does not know of. */
  #own: OwnCommand | undefined;
  /** The last error of the server that was looked at. */
  #seenError: ServerError | undefined;
  /** The request for a cancel that is on its way. */
  #cancelling: { readonly done: Promise<void>; readonly abort: AbortController } | undefined;
  #quietDuringCancel = false;
  /** Whether a message that is about no statement has begun and not ended. */
  #isAmidAside = false;
  /** Templates whose text is to be prepared anew: the server refused it in a transaction. */
  readonly #stale = new WeakSet<readonly string[]>();
  /** Who wants to ask something of its own with the statement in flight: until that has left. */
  #toAsk: CommitWatch | undefined;
  /** Who wants the answer. */
  #asker: CommitWatch | undefined;
  #quietDuringQuestion = false;
  /** Statements that left and are known to be without effect. */
  #effectless = 0;
  #sql: BaseSql<Record<never, never>> | undefined;
  #endedHere = false;

  private constructor(options: OpenOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#duplex = new Duplex(socket, this.#tap, {
      wrote: () => this.#wrote(),
      leaving: (bytes) => this.#withQuestion(bytes),
    });
    this.#bypass = new Bypass(options.template.options, {
      write: (bytes) => this.#duplex.write(bytes),
      aside: (message) => this.#duplex.received(message),
    });
    // Who is in a transaction waits for its end, and for the loss that would be its end.
    this.#hold = new ProcessHold(
      socket,
      options.references,
      () =>
        this.#flight.oldest !== undefined || this.#cancelling !== undefined ||
        this.#tap.transaction !== "idle",
    );
    this.#calls = new OwnCalls(options.template, this);
    socket.receive({
      data: (bytes) => this.#received(bytes),
      drain: () => this.#duplex.drained(),
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
    const from = this.#passAside(bytes);
    if (from < bytes.length) {
      if (this.#own !== undefined) this.#receiveOwn(this.#own, bytes.subarray(from));
      else if (this.#tap.question === undefined) this.#deliver(bytes, from);
      else this.#passAround(this.#tap.question, bytes, from);
    }
    if (this.#tap.fatal !== undefined && this.#opened === undefined) {
      // Its last word: to wait for it to hang up would be to trust a server that goes down to do it in time.
      this.#gone(undefined);
      return this.#socket.destroy();
    }
    if (this.#flight.areSeveral) this.#endAnswered();
  }

  /** Whether a refusal to write is the server's own affair, and not what the user asked for. */
  get #isDemoted(): boolean {
    const { inHotStandby, beganReadOnly, transaction } = this.#tap;
    if (inHotStandby || beganReadOnly || this.#options.isReader) return inHotStandby === true;
    // Of a transaction by hand nobody here knows how it was begun.
    return this.commitWatch === undefined ? transaction === "idle" : !this.commitWatch.readOnly;
  }

  /**
   * Passes on the end of a message that began while nothing was in flight: it is about no statement, though one was sent
   * meanwhile.
   *
   * @returns Where it ends.
   */
  #passAside(bytes: Uint8Array): number {
    const { firstEnd, isAmid, awaiting } = this.#tap;
    const wasAmid = this.#isAmidAside;
    this.#isAmidAside = isAmid && (!awaiting || wasAmid && firstEnd === undefined);
    if (!wasAmid) return 0;
    const end = firstEnd ?? bytes.length;
    this.#duplex.received(bytes.subarray(0, end));
    return end;
  }

  /** Gives each statement the part of the bytes that answers it. */
  #deliver(bytes: Uint8Array, start: number): void {
    if (this.#bypass.inFlight === 0) return this.#pass(bytes, start, bytes.length);
    const { readyAt, syncsAnswered } = this.#tap;
    const isAmidAside = this.#isAmidAside;
    const buffer = bufferOf(bytes);
    let statement = this.#flight.oldest;
    let sync = syncsAnswered - readyAt.length;
    let from = start;
    for (let i = 0; from < bytes.length; i++) {
      const to = readyAt[i] ?? bytes.length;
      while (statement !== undefined && statement.syncsBefore < sync) statement = statement.next;
      // What comes while nothing is in flight is porsager's.
      const known = i === readyAt.length && isAmidAside ? undefined : statement?.known;
      if (statement === undefined || known === undefined) this.#pass(bytes, from, to);
      else this.#bypass.receive(statement, known, buffer, from, to);
      if (this.#lost) return;
      from = to;
      sync++;
    }
    this.#tap.rowsCut = false;
    const newest = this.#flight.newest;
    if (newest?.known !== undefined && this.#flight.isAnswered(newest)) this.#quiet();
  }

  /**
   * Passes bytes on to porsager. It counts rows until a command completes: behind an error amid rows the next result would
   * begin with as many holes, so here is a command that completes. (A cursor's is another matter: it would answer it.)
   */
  #pass(bytes: Uint8Array, start: number, end: number): void {
    let from = start;
    if (this.#flight.oldest?.query.cursorFn === undefined) {
      for (const cut of this.#tap.cutRowsAt) {
        if (cut <= start || cut > end) continue;
        this.#duplex.received(bytes.subarray(from, cut));
        this.#duplex.received(COMMAND_COMPLETE);
        from = cut;
        this.#tap.rowsCut = false;
      }
    }
    this.#duplex.received(from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end));
  }

  /** Takes the answer to a command that porsager does not know of, and passes on what is not about it. */
  #receiveOwn(command: OwnCommand, bytes: Uint8Array): void {
    const others = command.receive(bytes);
    if (!command.isOver) return others.forEach((message) => this.#duplex.received(message));
    this.#own = undefined;
    others.forEach((message) => this.#duplex.received(message));
    command.settle();
    this.#quiet();
  }

  /** Gives the statement in flight what is about it, and so not the answer to our own question. */
  #passAround(question: OwnQuestion, bytes: Uint8Array, from: number): void {
    if (question.skipped) {
      this.#tap.question = undefined;
      return this.#deliver(bytes, from);
    }
    const statement = this.#flight.oldest;
    const known = statement?.known;
    const { begins = bytes.length, ends } = question;
    if (ends !== undefined) {
      this.#tap.question = undefined;
      this.#asker?.answered(question.row);
    }
    if (begins > from) {
      if (statement === undefined || known === undefined) this.#pass(bytes, from, begins);
      else this.#bypass.receive(statement, known, bufferOf(bytes), from, begins);
    }
    if (ends === undefined) return;
    // The end of the statement: it may have come in pieces, of which the first went with the answer.
    if (question.inside) {
      const end = Buffer.of(0x5a, 0, 0, 0, 5, this.#tap.status);
      if (statement === undefined || known === undefined) this.#duplex.received(end);
      else this.#bypass.receive(statement, known, end, 0, end.length);
    }
    if (ends < bytes.length) this.#duplex.received(bytes.subarray(ends));
    if (this.#quietDuringQuestion || known !== undefined) {
      this.#quietDuringQuestion = false;
      this.#quiet();
    }
  }

  /**
   * Adds our own question to the bytes of the statement that it is asked with: before its Sync, so that the server answers
   * both in one go; behind one of the simple protocol, which has no such place.
   */
  #withQuestion(bytes: Uint8Array): Uint8Array {
    const asker = this.#toAsk;
    const statement = this.#flight.oldest;
    if (asker === undefined || statement === undefined) return bytes;
    const { query, syncsBefore } = statement;
    const isSimple = query.options.simple === true;
    // What is only described is not complete; what could not be built is but a Sync.
    if (!isSimple && (bytes.length === SYNC.length || !endsWithSync(bytes))) return bytes;
    this.#toAsk = undefined;
    const question = asker.sent(query);
    if (question === undefined) return bytes;
    this.#asker = asker;
    this.#tap.question = new OwnQuestion(isSimple ? syncsBefore + 1 : syncsBefore, !isSimple);
    return isSimple
      ? Buffer.concat([bytes, question.simple])
      : Buffer.concat([bytes.subarray(0, -SYNC.length), question.extended, SYNC]);
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
          this.#porsager = connection;
          const quiet: (() => void) & { release?: boolean } = () => this.#quiet();
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
    return this.#text === undefined ? undefined : fingerprint(this.#text);
  }

  /**
   * Follows the transaction that is under way, while there is one.
   *
   * @internal
   */
  commitWatch: CommitWatch | undefined = undefined;
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
    const isQuiet = this.#cancelling !== undefined
      ? this.#quietDuringCancel
      : this.#quietDuringQuestion;
    if (isQuiet && this.#waiting.first === undefined) return this.#tap.transaction ?? "unknown";
    if (this.#flight.oldest !== undefined || this.#cancelling || this.#tap.awaiting) return "busy";
    return this.#tap.transaction ?? "unknown";
  }

  /**
   * Executes a statement, after those given before.
   *
   * @internal
   * @param statement Not yet sent anywhere.
   */
  send(statement: Statement): void {
    statement.carrier = this;
    if (this.#lost) return statement.lost(outcomeOf(statement, false, this.#tap), this.#lostCause);
    const current = this.#flight.oldest;
    if (current === undefined) return this.#start(statement);
    if (statement.pipelined && this.canPipeline) return this.#follow(statement, current);
    if (isOpenStream(current.stream)) {
      statement.reject(
        Object.assign(new Error("COPY_IN_PROGRESS: You cannot execute queries during copy"), {
          code: "COPY_IN_PROGRESS",
        }),
      );
      return statement.end();
    }
    this.#waiting.add(statement);
  }

  /**
   * Whether a pipelined statement would be sent at once, alone or behind what is in flight.
   *
   * @internal
   */
  get canPipeline(): boolean {
    return this.#waiting.first === undefined && !this.#lost &&
      (this.#flight.oldest === undefined || this.#mayFollow);
  }

  get #mayFollow(): boolean {
    return this.#flight.followable && !this.#cancelling;
  }

  #start(statement: Statement): void {
    this.#flight.start(statement);
    this.#hold.take();
    const { query } = statement;
    if (query instanceof OwnCommand) return this.#startOwn(query);
    this.#toAsk = statement.isOurs ? undefined : this.commitWatch;
    if (!this.#passBy(statement)) {
      statement.beforeExecute();
      this.#flight.lastOfPorsager = statement;
      this.#porsager?.execute(query);
    }
    this.#executed(statement);
    // porsager would answer the error of a simple query with parameters by a Sync, as if it were an extended one, and
    // then take the answer to that for the answer to the next statement.
    if (query.options.simple) query.describeFirst = false;
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
    current: Statement,
  ): { readonly error: unknown } | undefined {
    let executing: Statement | undefined = current;
    while (executing?.known !== undefined) executing = executing.next;
    if (this.#porsager === undefined) return undefined;
    if (executing !== statement && executing !== undefined) {
      return executeBehind(this.#porsager, statement.query, executing.query);
    }
    // To porsager it is the only one: that rejects it by itself, and brings it its answer.
    this.#porsager.execute(statement.query);
    return undefined;
  }

  /** A statement was given to porsager, or was taken past it. */
  #executed(statement: Statement): void {
    const { query } = statement;
    this.#text = query.string;
    statement.afterExecute();
    if (statement.known === undefined && !statement.isOurs) this.#bypass.learnFrom(query);
  }

  #startOwn(command: OwnCommand): void {
    const { debug } = this.#options.template.options;
    this.#own = command;
    this.#toAsk = undefined;
    this.#flight.followable = false;
    this.#text = command.string;
    if (typeof debug === "function") debug(this.#porsager?.id ?? 0, command.string, [], []);
    this.#duplex.write(command.bytes);
  }

  /** Sends a statement behind those in flight; each has one Execute and one Sync. */
  #follow(statement: Statement, current: Statement): void {
    this.#flight.follow(statement, current);
    let failure: { readonly error: unknown } | undefined;
    if (!this.#passBy(statement)) {
      statement.beforeExecute();
      this.#bypass.flush();
      this.#flight.lastOfPorsager = statement;
      failure = this.#executeBehind(statement, current);
    }
    this.#executed(statement);
    if (failure !== undefined) {
      statement.reject(failure.error);
      this.#owesSync = true;
      this.#payOwedSync();
    }
    this.#flight.followable = allowsFollowers(statement);
  }

  /** Bytes left: a statement is on its way as soon as what executes it is among them. */
  #wrote(): void {
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

  /** Ends the statements that are answered, but for the newest: that one ends when all is quiet. */
  #endAnswered(): void {
    const flight = this.#flight;
    const over: Statement[] = [];
    for (let next = flight.takeAnswered(); next !== undefined; next = flight.takeAnswered()) {
      if (!this.#takesAgain(next)) over.push(next);
    }
    this.#sendWaiting();
    for (const statement of over) statement.answered();
    if (flight.oldest?.cancelWanted && !flight.areSeveral) this.#cancelWithin(flight.oldest);
  }

  /**
   * A statement that was refused because the server has forgotten, or would read otherwise, what was prepared for it goes
   * to the front of those that wait, to be prepared anew. In a transaction that is no use.
   */
  #takesAgain(statement: Statement): boolean {
    if (!statement.isStale) return false;
    if (this.#tap.transaction !== "idle") {
      statement.rejectStale();
      this.#stale.add(statement.query.strings);
      return false;
    }
    statement.renew();
    this.#waiting.addFirst(statement);
    return true;
  }

  /** The server has answered all that was sent. */
  #quiet(): void {
    // Porsager is through with what it knows of, and that is not all.
    if (this.#bypass.inFlight > 0) return;
    if (this.#opened !== undefined) {
      this.#opened();
      this.#opened = undefined;
    }
    if (this.#cancelling) {
      this.#quietDuringCancel = true;
      return;
    }
    if (this.#tap.question !== undefined) {
      this.#quietDuringQuestion = true;
      return;
    }
    if (this.#tap.awaiting) return this.destroy(new Error("the protocol is out of step"));
    const { oldest } = this.#flight;
    const { rowsLeft, rowsCut, transaction } = this.#tap;
    if (
      oldest?.failed && oldest.known === undefined && (rowsLeft || rowsCut) &&
      transaction !== "failed"
    ) {
      return this.#forgetRows();
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

  /** Sends what waits, as far as it can be sent now. */
  #sendWaiting(): void {
    for (let next = this.#waiting.first; next !== undefined; next = this.#waiting.first) {
      const current = this.#flight.oldest;
      if (current !== undefined && !(next.pipelined && this.#mayFollow)) return;
      this.#waiting.delete(next);
      if (current === undefined) this.#start(next);
      else this.#follow(next, current);
    }
  }

  /**
   * After a statement that failed amid its rows porsager goes on counting: the rows of the next one would come behind as
   * many holes. It starts again at the next command that completes, so here is one.
   */
  #forgetRows(): void {
    this.#tap.rowsLeft = this.#tap.rowsCut = this.#flight.followable = false;
    const query = textQuery(this.#options.template.LightQuery, "select where false");
    query.catch((error: unknown) => this.destroy(error));
    this.#porsager?.execute(query);
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
   * Gives a statement up. Unsent, it is taken out; sent, its connection is closed, because a late answer must not be
   * taken for another statement's. Beside neighbours it is answered in its turn, and nobody hears of it.
   *
   * @internal
   * @param statement Given to this connection before.
   * @param reason What its caller gets.
   */
  abort(statement: Statement, reason: unknown): void {
    if (statement.carrier !== this) return;
    statement.reject(reason);
    if (this.#waiting.has(statement)) {
      this.#waiting.delete(statement);
      statement.end();
    } else if (!this.#flight.areSeveral) this.destroy(reason);
  }

  /**
   * Ends a statement whose caller does not wait any longer. Executing, the server is asked to cancel it, and nothing else is
   * sent before all is quiet; if it is not within the grace, the connection is closed: whoever is on the other side does not
   * answer. So nobody inherits a late reply.
   *
   * @internal
   * @param statement Given to this connection before.
   * @param reason What its caller gets at once; `undefined` if that waits for what becomes of the statement.
   */
  giveUp(statement: Statement, reason: { readonly value: unknown } | undefined): void {
    if (statement.carrier !== this || this.#isOver(statement)) return;
    const executes = statement === this.#flight.oldest && !this.#flight.areSeveral;
    // What goes on while the server waits for the other side is not cancelled by it.
    const { streaming, cursorRows, cursorFn } = statement.query;
    const isDialogue = streaming || cursorRows !== undefined || cursorFn !== undefined;
    if (!executes || isDialogue || this.#options.pooled) {
      if (reason !== undefined) return this.abort(statement, reason.value);
      if (this.#waiting.has(statement)) return this.abort(statement, statement.overdueError());
      return this.destroy(new Error("the statement's deadline passed"));
    }
    if (reason !== undefined) statement.reject(reason.value);
    this.#cancelWithin(statement);
  }

  /** Has the server cancel a statement that executes alone, and closes the connection if it does not in time. */
  #cancelWithin(statement: Statement): void {
    // By its deadline, and its signal, and that of its transaction: the server is asked once.
    if (statement.onEnd !== undefined) return;
    const grace = new AbortController();
    const silence = new Error(`the server did not cancel a statement within ${CANCEL_GRACE_MS} ms`);
    const timer = setTimeout(() => {
      grace.abort(silence);
      this.destroy(silence);
    }, CANCEL_GRACE_MS);
    let again: ReturnType<typeof setTimeout> | undefined;
    statement.onEnd = () => {
      clearTimeout(timer);
      clearTimeout(again);
    };
    const ask = (): void => {
      this.cancelCurrent(grace.signal).then(() => {
        // The server may not have begun with it when it was asked, and then it cancels nothing.
        if (statement === this.#flight.oldest) again = setTimeout(ask, CANCEL_AGAIN_MS);
      }, ignore);
    };
    ask();
  }

  /**
   * Ends what executes, whoever's it is; see {@linkcode PostgresConnection.giveUp}.
   *
   * @internal
   * @param reason What its caller gets.
   */
  giveUpCurrent(reason: unknown): void {
    if (this.#flight.oldest !== undefined) this.giveUp(this.#flight.oldest, { value: reason });
  }

  /**
   * Cancels a statement the way `query.cancel()` means it. Unsent, it is taken out; executing, the server is asked, and
   * nothing else is sent before the server has taken notice. With neighbours in flight, which a cancel could strike, the
   * caller's promise is rejected at once, and the server asked when the statement is the last of them.
   *
   * @internal
   * @param statement Given to this connection before.
   */
  cancel(statement: Statement): void {
    if (statement.carrier !== this || this.#isOver(statement)) return;
    if (this.#waiting.has(statement)) this.abort(statement, cancelledError("not-applied"));
    else if (this.#options.pooled) this.abort(statement, cancelledError("unknown"));
    else if (!this.#flight.areSeveral) this.#cancelWithin(statement);
    else {
      statement.reject(cancelledError("unknown"));
      statement.cancelWanted = true;
      this.#flight.followable = false;
    }
  }

  /**
   * Asks the server to cancel what executes now.
   *
   * @param signal Ends the attempt.
   * @returns Resolved when the server has taken notice, or when nothing executes.
   */
  async cancelCurrent(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#flight.oldest === undefined || this.#cancelling || this.#lost) return;
    const { runtime, endpoint, pooled } = this.#options;
    if (pooled) return this.destroy(new Error("the statement was cancelled"));
    const abort = new AbortController();
    const signals = signal === undefined ? abort.signal : AbortSignal.any([abort.signal, signal]);
    const done = requestCancel(runtime, endpoint, this.#tap, signals);
    this.#cancelling = { done, abort };
    try {
      await done;
    } catch (error) {
      // Whether the cancel is still on its way nobody knows: it must not strike the next statement.
      this.destroy(error);
      throw error;
    } finally {
      this.#cancelling = undefined;
      if (this.#quietDuringCancel) {
        this.#quietDuringCancel = false;
        this.#quiet();
      }
    }
  }

  /**
   * Says goodbye and closes; a connection that is not quiet is destroyed.
   *
   * @param signal Ends the wait.
   * @returns Resolved when the socket is gone.
   */
  async close(signal?: AbortSignal): Promise<void> {
    if (this.#lost) return;
    if (this.status === "busy" || this.#porsager === undefined) return this.destroy();
    const destroy = (): void => this.destroy();
    signal?.addEventListener("abort", destroy, { once: true });
    // Its socket would outlive the connection, and whoever waits for that to be closed.
    await this.#cancelling?.done.catch(ignore);
    if (!this.#lost) {
      this.#socket.ref();
      this.#endedHere = true;
      this.#porsager.terminate();
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
    // What still executes is to be cancelled all the same; when all is quiet, its socket would only be left behind.
    if (this.#quietDuringCancel) this.#cancelling?.abort.abort(cause);
    this.#hold.end();
    const { answered, others, executing } = judge(this.#flight, this.#waiting, this.#tap);
    this.#own = undefined;
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
    if (this.#porsager !== undefined) this.#options.template.options.onclose?.(this.#porsager.id);
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

  /** Whether nothing is to be ended any more: a cancel could only strike what we ask behind it. */
  #isOver(statement: Statement): boolean {
    return this.#flight.isAnswered(statement) && !statement.isStale;
  }
}

/** An error of the server's as a cause. */
function serverError({ fatal, code, message }: ServerError, cause?: Error): Error {
  return Object.assign(new Error(`${message} (${code})`, { cause }), {
    code,
    severity: fatal ? "FATAL" : "ERROR",
  });
}

function isOpenStream(stream: unknown): boolean {
  const { destroyed, readableEnded, writableEnded } = (stream ?? { destroyed: true }) as {
    destroyed?: boolean;
    readableEnded?: boolean;
    writableEnded?: boolean;
  };
  return !destroyed && !readableEnded && !writableEnded;
}

function endsWithSync(bytes: Uint8Array): boolean {
  const from = bytes.length - SYNC.length;
  return from >= 0 && SYNC.every((byte, index) => bytes[from + index] === byte);
}

function ignore(): void {}
