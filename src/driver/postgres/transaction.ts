/**
 * An explicit transaction on one connection, with savepoints.
 *
 * @module
 */

import type { Clock } from "../../core/clock.ts";
import type { IsolationLevel } from "../../core/driver.ts";
import {
  type CommitOutcome,
  CommitUnknownError,
  ConnectionLostError,
  LeaseReleasedError,
  messageOf,
  type Outcome,
  StatementTimeoutError,
  SteadyError,
} from "../../core/errors.ts";
import { isFatal, isRetryable } from "./classify.ts";
import { type CommandDeadline, startDeadline } from "./command_deadline.ts";
import { quoteIdentifier, quoteLiteral } from "./commands.ts";
import type { CommitQuestion } from "./commit_resolution.ts";
import { CommitWatch, type ServerIdentity } from "./commit_watch.ts";
import type { PostgresConnection } from "./connection.ts";
import type { PostgresTypes } from "./options.ts";
import { OwnCommand } from "./own_command.ts";
import { isPostgresError, type Template } from "./porsager.ts";
import { Stretch, type TransactionPlace } from "./stretch.ts";
import { createSql, type Gate, lazily, type SqlTypes } from "./sql.ts";
import { Statement, type StatementListener } from "./statement.ts";
import type { StatementLimits, StatementOptions } from "./statement_limits.ts";

/** Options of one transaction. */
export interface TransactionOptions {
  /** Isolation level. @default {the database's default} */
  readonly isolation?: IsolationLevel;
  /** Whether writes are refused. @default {the session's default} */
  readonly readOnly?: boolean;
  /** Whether a serializable, read-only transaction waits for a safe snapshot. @default {false} */
  readonly deferrable?: boolean;
  /** Ends the transaction: it is rolled back, and the rejection is the signal's own reason. */
  readonly signal?: AbortSignal;
  /**
   * How often the whole callback is run again when the transaction failed of a serialization failure (40001), of a deadlock
   * (40P01), or with its connection before COMMIT was sent. Integer, at least 0. **The callback must have no other effects
   * than those of its statements.** In a lease a lost connection is not replaced.
   *
   * @default {0}
   */
  readonly retries?: number;
  /**
   * What is done about a COMMIT whose answer was lost.
   *
   * @default {that of the pool}
   */
  readonly commitResolution?: CommitResolution;
  /**
   * What it is where another one is open in the same scope: `"savepoint"`: a part of that one, which can be rolled back
   * alone; `"join"`: nothing of its own, so that its failure rolls back all; `"forbid"`: refused. `retries`, `deferrable` and
   * `commitResolution` are those of the outermost.
   *
   * @default {"savepoint"}
   */
  readonly nested?: "savepoint" | "join" | "forbid";
}

/**
 * What is done about a COMMIT whose answer was lost: `"auto"`: the server is asked, on another connection, what became of the
 * transaction, before the call returns or rejects; `"manual"`: the call rejects with a `CommitUnknownError`, whose
 * `resolve()` asks; `"off"`: nobody can ask, and the transaction's id is not learnt.
 */
export type CommitResolution = "auto" | "manual" | "off";

/** The `sql` inside a transaction: porsager's, bound to the transaction's connection and to its end. */
export type TransactionSql<T extends PostgresTypes = Record<never, never>> =
  & import("postgres").TransactionSql<SqlTypes<T>>
  & TransactionViews<T>;

/** What the `sql` inside a transaction has beside porsager's. */
export interface TransactionViews<T extends PostgresTypes = Record<never, never>> {
  /**
   * A view of the same transaction whose statements carry options.
   *
   * @param options Signal and deadline of each statement.
   * @returns The view.
   */
  with(options: StatementOptions): TransactionSql<T>;
}

/**
 * Deadline of what begins a transaction, in milliseconds: it makes the server do nothing, so that whoever does not answer is
 * not there. Nothing is lost by beginning again on another connection.
 */
const BEGIN_TIMEOUT_MS = 5_000;

/** Deadline of a rollback, in milliseconds, statements before it included; then the connection is closed. */
const ROLLBACK_TIMEOUT_MS = 5_000;

/** What a transaction's callback may return: an array of queries is awaited as porsager does. */
type Awaitable<R> = R | PromiseLike<R>;

/** What a transaction returns: of an array of queries, their results. */
export type TransactionResult<R> = R extends readonly PromiseLike<unknown>[]
  ? { [Index in keyof R]: Awaited<R[Index]> }
  : Awaited<R>;

/** What a transaction runs on. */
export interface TransactionContext {
  /** Where: a connection that nobody else uses meanwhile. */
  readonly connection: PostgresConnection;
  /** Makes the queries. */
  readonly template: Template;
  /** The statement that begins. */
  readonly begin: string;
  /** What is done about a lost COMMIT. */
  readonly commitResolution: CommitResolution;
  /** Asks what became of a transaction. */
  readonly resolve: (question: CommitQuestion) => Promise<CommitOutcome>;
  /** Ends the transaction early. */
  readonly signal: AbortSignal | undefined;
  /** Limits of each statement that the callback sends; the deadline is that of BEGIN and COMMIT, too. */
  readonly limits: StatementLimits | undefined;
  /** Source of timers. */
  readonly clock: Clock;
  /** When it was asked for, by that clock: the wait for its connection is part of what BEGIN may take. */
  readonly askedAt: number;
  /** Checks options of `with` and makes limits of them. */
  readonly limit: (options: StatementOptions) => StatementLimits;
  /** Asked before each statement of the callback, where connections belong to one request. */
  readonly gate?: Gate;
  /** Where it stands, if all that runs below its callback joins it. */
  readonly place?: TransactionPlace;
  /** Ends it early while its callback runs: nobody is to have its connection any longer. */
  readonly abandoned?: AbortSignal;
  /** Whether its connection was given back, so that nothing of it may be sent any more. */
  readonly isOver?: () => boolean;
}

/** Options of a transaction within another. */
export interface SavepointOptions {
  /** Whether writes are refused in it; where the transaction is read-only, they are anyway. */
  readonly readOnly?: boolean;
  /** Ends it: it is rolled back, and the rejection is the signal's own reason. */
  readonly signal?: AbortSignal;
}

/** Runs a savepoint in a stretch. */
export type RunSavepoint<T extends PostgresTypes> = (
  fn: (sql: TransactionSql<T>) => unknown,
  options: SavepointOptions,
) => Promise<unknown>;

/**
 * Runs a callback in a transaction: commits when it returns, rolls back when it throws or when a statement in it failed.
 *
 * @param context Where and how.
 * @param fn The callback.
 * @returns What the callback returned, after the server confirmed the commit.
 */
export async function runTransaction<R, T extends PostgresTypes>(
  context: TransactionContext,
  fn: (sql: TransactionSql<T>) => Awaitable<R>,
): Promise<TransactionResult<R>> {
  const { connection, commitResolution } = context;
  const learns = commitResolution !== "off" && !connection.pooled &&
    connection.serverVersion >= FIRST_VERSION_THAT_KNOWS && !connection.inHotStandby;
  const server = await begin(context, learns);
  const transaction = new Transaction<T>(context);
  const watch = connection.commitWatch = new CommitWatch({
    readOnly: READ_ONLY.test(context.begin),
    learns,
    pid: connection.pid,
    server,
    clock: connection.serverClock,
  });
  try {
    return await transaction.run(fn);
  } finally {
    transaction.end();
    // Another one may have it by now.
    if (connection.commitWatch === watch) connection.commitWatch = undefined;
  }
}

/** The first major version in which a transaction's id can be asked for without giving it one. */
const FIRST_VERSION_THAT_KNOWS = 13;
const READ_ONLY = /\bread only\b/i;
const SERIALIZABLE = /\bserializable\b/i;

async function begin(
  context: TransactionContext,
  learns: boolean,
): Promise<ServerIdentity | undefined> {
  const { connection, begin, signal } = context;
  if (connection.status === "in transaction" || connection.status === "failed") {
    // The server would only warn, and the COMMIT of this one would commit the one around it.
    throw new TypeError("Cannot begin a transaction inside of another: use its savepoint");
  }
  const deadline = (): CommandDeadline => {
    // What waits for a pooler's connection, or in a lease for what was sent before, says nothing of the server.
    const isAlone = !connection.pooled && connection.status !== "busy";
    return beginDeadline(context, isAlone ? BEGIN_TIMEOUT_MS : Infinity);
  };
  try {
    const server = learns ? await connection.identify({ signal, deadline: deadline() }) : undefined;
    await connection.run(begin, { signal, deadline: deadline() });
    return server;
  } catch (error) {
    if (!(error instanceof ConnectionLostError) || error instanceof BeginLostError) throw error;
    // A transaction that only began has no effect.
    throw new BeginLostError(
      `The connection was lost before the transaction began: ${messageOf(error.cause)}`,
      { outcome: "not-applied", cause: error.cause },
    );
  }
}

/** The deadline of what begins, or what is left of the caller's, if that is less. */
function beginDeadline(
  { clock, limits, askedAt }: TransactionContext,
  ownMs: number,
): CommandDeadline {
  const { timeoutMs = Infinity } = limits ?? {};
  const leftMs = timeoutMs - (clock.now() - askedAt);
  if (leftMs >= ownMs) return { clock, timeoutMs: ownMs, error: () => noAnswerToBegin(ownMs) };
  return {
    clock,
    timeoutMs: leftMs,
    error: (isSent) =>
      new StatementTimeoutError(timeoutMs, isSent ? "rolled-back" : "not-applied", {
        retryable: true,
      }),
  };
}

function noAnswerToBegin(timeoutMs: number): BeginLostError {
  const cause = new Error(`no answer to BEGIN within ${timeoutMs} ms`);
  return new BeginLostError(
    `The connection was given up before the transaction began: ${cause.message}`,
    { outcome: "not-applied", cause },
  );
}

/** Whose the `sql` of a transaction is. */
interface TransactionPart<T extends PostgresTypes = PostgresTypes> {
  readonly transaction: Transaction<T>;
  readonly stretch: Stretch;
}

/** What was made for a template before; see {@linkcode Transaction.#prototypeOf}. */
const prototypes = new WeakMap<Template, object>();

class Transaction<T extends PostgresTypes> {
  readonly #connection: PostgresConnection;
  readonly #template: Template;
  readonly #signal: AbortSignal | undefined;
  readonly #limits: StatementLimits | undefined;
  readonly #clock: Clock;
  readonly #limit: (options: StatementOptions) => StatementLimits;
  readonly #gate: Gate | undefined;
  readonly #begin: string;
  readonly #resolution: CommitResolution;
  readonly #resolve: (question: CommitQuestion) => Promise<CommitOutcome>;
  /** Callbacks that are waited for: their rejections. */
  readonly #waiting = new Set<(reason: unknown) => void>();
  /** Why there is no point in waiting for them any more. */
  #interruption: { readonly reason: unknown } | undefined;
  readonly #stopListening: () => void;
  readonly #place: TransactionPlace | undefined;
  readonly #isOver: (() => boolean) | undefined;
  #ignoreAbandoned: (() => void) | undefined;
  #savepoints = 0;
  /** Those savepoints that all below joins and that have not come to their end, each within the one before. */
  readonly #open: string[] = [];
  #preparedName: string | undefined;

  constructor(context: TransactionContext) {
    const { connection, template, signal, limits, limit, gate } = context;
    this.#begin = context.begin;
    this.#resolution = context.commitResolution;
    this.#resolve = context.resolve;
    this.#connection = connection;
    this.#template = template;
    this.#signal = signal;
    this.#limits = limits;
    this.#clock = context.clock;
    this.#limit = limit;
    this.#gate = gate;
    this.#place = context.place;
    this.#isOver = context.isOver;
    const { abandoned } = context;
    if (abandoned !== undefined) {
      const onAbandoned = (): void => this.#giveUp(abandoned.reason);
      abandoned.addEventListener("abort", onAbandoned, { once: true });
      this.#ignoreAbandoned = () => abandoned.removeEventListener("abort", onAbandoned);
      if (abandoned.aborted) onAbandoned();
    }
    const offLost = connection.onLost((cause) =>
      this.#interrupt(signal?.aborted ? signal.reason : lostError(this.#lostOutcome, cause))
    );
    const onAbort = (): void => this.#giveUp(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#stopListening = () => {
      offLost();
      signal?.removeEventListener("abort", onAbort);
    };
    if (signal?.aborted) onAbort();
  }

  #giveUp(reason: unknown): void {
    this.#interrupt(reason);
    this.#giveUpCurrent(reason);
  }

  /** Gives up what is executed, if that can be a statement of ours. */
  #giveUpCurrent(reason: unknown): void {
    if (!this.#isOver?.()) this.#connection.giveUpCurrent(reason);
  }

  #interrupt(reason: unknown): void {
    this.#interruption ??= { reason };
    for (const reject of this.#waiting) reject(this.#interruption.reason);
  }

  end(): void {
    this.#stopListening();
  }

  get #lostOutcome(): Outcome {
    return this.#connection.commitWatch?.endedByHand ? "unknown" : this.#connection.lostOutcome;
  }

  async run<R>(fn: (sql: TransactionSql<T>) => Awaitable<R>): Promise<TransactionResult<R>> {
    const stretch = new Stretch({
      connection: this.#connection,
      kind: "transaction",
      gate: this.#gate,
      place: this.#place,
      isOver: this.#isOver,
    });
    let result: TransactionResult<R>;
    try {
      result = await this.#call(stretch, fn);
      stretch.end();
      if (this.#open.length > 0 && !this.#isOver?.()) {
        await this.#undo(this.#open.splice(0), stretch.listener);
      }
    } catch (error) {
      stretch.end();
      await this.#rollback();
      throw stretch.causeOf(error);
    } finally {
      this.#ignoreAbandoned?.();
    }
    if (this.#isOver?.()) throw givenBackError();
    await this.#commit(stretch);
    return result;
  }

  async #call<R>(
    stretch: Stretch,
    fn: (sql: TransactionSql<T>) => Awaitable<R>,
  ): Promise<TransactionResult<R>> {
    const sql = this.#sql(stretch);
    const { place } = stretch;
    const result = await this.#unlessInterrupted(
      place === undefined
        ? () => settle(fn, sql)
        : () => place.call(stretch, sql, this.#runNested(stretch), () => settle(fn, sql)),
    );
    // As in porsager: a statement that failed fails the transaction, even if the callback caught the error.
    if (stretch.broken) throw stretch.error;
    return result;
  }

  /** What a savepoint gives, unless its own signal ends it before. */
  #untilAborted<R>(signal: AbortSignal | undefined, call: () => Promise<R>): Promise<R> {
    if (signal === undefined) return call();
    return new Promise<R>((resolve, reject) => {
      const onAbort = (): void => {
        reject(signal.reason);
        this.#giveUpCurrent(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      call().then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    });
  }

  /** What a callback gives, unless the transaction is interrupted before: it may never come to its end then. */
  #unlessInterrupted<R>(call: () => Promise<R>): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      if (this.#interruption !== undefined) reject(this.#interruption.reason);
      const waiting = this.#waiting;
      waiting.add(reject);
      call().then(
        (result) => {
          waiting.delete(reject);
          resolve(result);
        },
        (error: unknown) => {
          waiting.delete(reject);
          reject(error);
        },
      );
    });
  }

  async #rollback(): Promise<void> {
    const connection = this.#connection;
    // Who took the connection back has rolled back.
    if (connection.lost || this.#isOver?.() || connection.status === "idle") return;
    const abort = new AbortController();
    const timer = setTimeout(
      () => abort.abort(new Error(`no answer to rollback within ${ROLLBACK_TIMEOUT_MS} ms`)),
      ROLLBACK_TIMEOUT_MS,
    );
    try {
      await connection.run("rollback", { signal: abort.signal });
    } catch (error) {
      // What cannot be rolled back must not be lent again.
      connection.destroy(error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #commit(stretch: Stretch): Promise<void> {
    if (this.#connection.status === "idle") throw endedError();
    const name = this.#preparedName;
    const text = name === undefined ? "commit" : `prepare transaction ${quoteLiteral(name)}`;
    const command = new OwnCommand(text);
    const commit = new Statement(command.asQuery);
    commit.isOurs = true;
    const watch = this.#connection.commitWatch;
    const onAbort = (): void => this.#connection.destroy(this.#signal?.reason);
    this.#signal?.addEventListener("abort", onAbort, { once: true });
    const stop = startDeadline(this.#commitDeadline, ({ error }) => {
      this.#connection.destroy(error(commit.evidence !== "unsent"));
    });
    let tag: string | null;
    try {
      this.#connection.send(commit);
      tag = (await command.done).command;
    } catch (error) {
      if (isPostgresError(error)) {
        await this.#rollback();
        throw error;
      }
      const cause = error instanceof ConnectionLostError ? error.cause : error;
      if (commit.evidence === "unsent") {
        if (this.#signal?.aborted) throw this.#signal.reason;
        // Not even given to the connection: a COPY was left open.
        if (!(error instanceof ConnectionLostError)) throw error;
        throw lostError(this.#lostOutcome, cause);
      }
      return await this.#commitLost(watch, name, cause);
    } finally {
      stop();
      this.#signal?.removeEventListener("abort", onAbort);
    }
    // In a failed transaction the server answers COMMIT by rolling back, and calls that a success.
    if (tag === "ROLLBACK") throw stretch.broken ? stretch.error : rolledBackError();
  }

  /** It has none but its caller's: it may have to wait for standbys, and what becomes of it is not to be left open. */
  get #commitDeadline(): CommandDeadline | undefined {
    const timeoutMs = this.#limits?.timeoutMs;
    if (timeoutMs === undefined) return undefined;
    const error = (): Error => new Error(`no answer to COMMIT within ${timeoutMs} ms`);
    return { clock: this.#clock, timeoutMs, error };
  }

  /** COMMIT was sent, and its answer is lost: returns if it is in force for certain. */
  async #commitLost(
    watch: CommitWatch | undefined,
    preparedName: string | undefined,
    cause: unknown,
  ): Promise<void> {
    if (watch?.asBegun && READ_ONLY.test(this.#begin)) {
      // There was nothing to commit. What it read may still be refused at its end, if it is serializable.
      if (SERIALIZABLE.test(this.#begin)) throw this.#notCommitted(cause);
      return;
    }
    const ticket = watch?.ticket;
    const resolve = async (): Promise<CommitOutcome> =>
      ticket === undefined ? "unknown" : await this.#resolve({ ticket, preparedName });
    const outcome = this.#resolution === "auto" ? await resolve() : "unknown";
    if (outcome === "rolled-back") throw this.#notCommitted(cause);
    if (outcome === "unknown") throw new CommitUnknownError(cause, resolve);
  }

  #notCommitted(cause: unknown): unknown {
    if (this.#signal?.aborted) return this.#signal.reason;
    return new CommitLostError(
      `The connection was lost while COMMIT was on its way, and the transaction was rolled back: ${
        messageOf(cause)
      }`,
      { outcome: "rolled-back", cause },
    );
  }

  #sql(stretch: Stretch, limits = this.#limits): TransactionSql<T> {
    const prototype = Transaction.#prototypeOf(this.#template);
    const owner: TransactionPart<T> = { transaction: this, stretch };
    const sql = createSql<T>(this.#template, stretch.route(limits), prototype, owner);
    return sql as unknown as TransactionSql<T>;
  }

  /** What the `sql` of every transaction has beside statements. */
  static #prototypeOf(template: Template): object {
    const before = prototypes.get(template);
    if (before !== undefined) return before;
    const made = lazily<TransactionPart>(Object.create(template.prototype), {
      savepoint: ({ transaction, stretch }) => transaction.#savepoint.bind(transaction, stretch),
      prepare: ({ transaction }) => (name: string) => {
        transaction.#preparedName = String(name);
      },
      with: ({ transaction, stretch }) => (options: StatementOptions) =>
        transaction.#sql(stretch, transaction.#limit(options)),
    });
    prototypes.set(template, made);
    return made;
  }

  async #savepoint(
    outer: Stretch,
    nameOrFn: string | TemplateStringsArray | ((sql: TransactionSql<T>) => unknown),
    ...rest: unknown[]
  ): Promise<unknown> {
    const { name, fn } = savepointArguments<T>(nameOrFn, rest);
    return await this.#nested(outer, name, fn, {});
  }

  #runNested(outer: Stretch): RunSavepoint<PostgresTypes> {
    const run: RunSavepoint<T> = (fn, options) => this.#nested(outer, undefined, fn, options);
    return run as RunSavepoint<PostgresTypes>;
  }

  async #nested(
    outer: Stretch,
    name: string | undefined,
    fn: (sql: TransactionSql<T>) => unknown,
    options: SavepointOptions,
  ): Promise<unknown> {
    outer.check();
    const run = (place?: TransactionPlace): Promise<unknown> =>
      this.#runSavepoint(outer, name, fn, options, place);
    return await (outer.place === undefined ? run() : outer.place.alone(run));
  }

  async #runSavepoint(
    outer: Stretch,
    name: string | undefined,
    fn: (sql: TransactionSql<T>) => unknown,
    { readOnly, signal }: SavepointOptions,
    place: TransactionPlace | undefined,
  ): Promise<unknown> {
    // It may have ended while others were before.
    outer.check();
    signal?.throwIfAborted();
    const connection = this.#connection;
    const { listener } = outer;
    const identifier = quoteIdentifier(
      `s${this.#savepoints++}${name === undefined ? "" : `_${name}`}`,
    );
    if (place !== undefined) {
      this.#open.push(identifier);
      place.onOutlived(() => {
        if (!outer.ended) void this.#undo(this.#take(identifier), listener).catch(ignore);
      });
    }
    try {
      await connection.run(`savepoint ${identifier}`, { listener });
    } catch (error) {
      this.#take(identifier);
      throw error;
    }
    const stretch = new Stretch({
      connection,
      kind: "savepoint",
      gate: this.#gate,
      outer,
      place,
    });
    /** Whether its end is on its way. */
    let ends = false;
    try {
      if (place !== undefined && !this.#open.includes(identifier)) throw outlivedError();
      if (readOnly) {
        await connection.run("set transaction read only", { listener: stretch.listener });
      }
      const result = await this.#untilAborted(signal, () => this.#call(stretch, fn));
      stretch.end();
      if (place !== undefined) {
        const [mine, ...within] = this.#take(identifier);
        if (mine === undefined) throw outlivedError();
        ends = true;
        await this.#undo(within, listener);
        // What is read-only in it is so until it is released; and a thousand of them are not to stand one in the other.
        await connection.run(`release savepoint ${identifier}`, { listener });
      }
      return result;
    } catch (error) {
      stretch.end();
      const isOurs = place === undefined || ends || this.#take(identifier).length > 0;
      // Nobody may send anything when the transaction has ended meanwhile: its connection may be somebody else's.
      if (isOurs && !connection.lost && !outer.ended) {
        await connection.run(`rollback to savepoint ${identifier}`, { listener });
      }
      throw stretch.causeOf(error);
    } finally {
      stretch.end();
    }
  }

  /** Takes a savepoint, and those within it, from those that are open; nothing if it is not. */
  #take(identifier: string): string[] {
    const index = this.#open.indexOf(identifier);
    return index < 0 ? [] : this.#open.splice(index);
  }

  /** Rolls back what has not come to its end when what it stands in does: nothing of it is to be in force. */
  async #undo([outermost]: readonly string[], listener: StatementListener): Promise<void> {
    if (outermost === undefined || this.#connection.lost) return;
    await this.#connection.run(`rollback to savepoint ${outermost}`, { listener });
  }
}

/** Calls the callback; an array of queries is awaited as a whole, a throw becomes a rejection. */
async function settle<R, T extends PostgresTypes>(
  fn: (sql: TransactionSql<T>) => Awaitable<R>,
  sql: TransactionSql<T>,
): Promise<TransactionResult<R>> {
  const result = fn(sql);
  return await (Array.isArray(result) ? Promise.all(result) : result) as TransactionResult<R>;
}

function savepointArguments<T extends PostgresTypes>(
  first: string | TemplateStringsArray | ((sql: TransactionSql<T>) => unknown),
  rest: unknown[],
): { name: string | undefined; fn: (sql: TransactionSql<T>) => unknown } {
  if (typeof first === "function") return { name: undefined, fn: first };
  if (typeof first === "string") {
    return { name: first, fn: rest[0] as (sql: TransactionSql<T>) => unknown };
  }
  // porsager's shorthand: one statement as the whole savepoint.
  return {
    name: undefined,
    fn: (sql) => (sql as unknown as (...all: unknown[]) => unknown)(first, ...rest),
  };
}

/** Nothing of the transaction was sent but what begins it. */
class BeginLostError extends ConnectionLostError {}

/** How often a transaction is begun again at most. */
const MAX_BEGINS_AGAIN = 2;

/**
 * Runs a transaction, and once more if its connection is lost before its callback was called.
 *
 * @param run Takes a connection, and runs the transaction on it.
 * @returns What `run` returns.
 */
export async function beginningAnew<R>(run: () => Promise<R>): Promise<R> {
  for (let again = 0;; again++) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof BeginLostError) || again >= MAX_BEGINS_AGAIN) throw error;
    }
  }
}

/** COMMIT was sent, and is not in force: to be run again by who called, never by us. */
class CommitLostError extends ConnectionLostError {}

/**
 * Tells whether a transaction that failed can be run again as a whole: it is rolled back for certain, and may succeed.
 *
 * @param error What it rejected with.
 * @returns Whether it can; not once a COMMIT was sent that the server did not refuse.
 */
export function canRunAgain(error: unknown): boolean {
  if (isPostgresError(error)) return isRetryable(error.code) && !isFatal(error);
  return error instanceof ConnectionLostError && error.outcome === "rolled-back" &&
    !(error instanceof CommitLostError);
}

/** The connection broke before our own COMMIT was sent; the callback may have sent one of its own. */
function lostError(outcome: Outcome, cause: unknown): ConnectionLostError {
  const known = outcome === "unknown"
    ? "with a statement in hand that may have ended it"
    : "which was not committed";
  return new ConnectionLostError(
    `The connection was lost during the transaction, ${known}: ${messageOf(cause)}`,
    { outcome: outcome === "unknown" ? "unknown" : "rolled-back", cause },
  );
}

function givenBackError(): LeaseReleasedError {
  return new LeaseReleasedError(
    "Cannot commit the transaction as its connection was given back, which rolled it back: await it before",
  );
}

function outlivedError(): LeaseReleasedError {
  return new LeaseReleasedError(
    "Cannot use the savepoint as what is around it has ended, which rolled it back: await it before",
  );
}

function endedError(): SteadyError {
  return new SteadyError(
    "TRANSACTION_ENDED",
    "Cannot commit as a statement in the callback has ended the transaction: leave COMMIT and ROLLBACK to the pool",
    { outcome: "unknown", retryable: false },
  );
}

function rolledBackError(): SteadyError {
  return new SteadyError(
    "TRANSACTION_ROLLED_BACK",
    "The server rolled the transaction back instead of committing it, as a statement in it had failed",
    { outcome: "rolled-back", retryable: false },
  );
}

function ignore(): void {}
