/**
 * One statement on its way: the driver's query and what is known of it.
 *
 * @module
 */

import type { Evidence } from "../../core/driver.ts";
import {
  ConnectionLostError,
  messageOf,
  type Outcome,
  StatementTimeoutError,
  SteadyError,
} from "../../core/errors.ts";
import { isFatal, isRetryable, isStalePreparation } from "./classify.ts";
import { watchCursor } from "./cursor_calls.ts";
import type { KnownStatement } from "./known_statement.ts";
import type { Watch } from "./statement_limits.ts";
import { isPostgresError, originOf, type PorsagerQuery } from "./porsager.ts";
import { isAtomic } from "./statement_kind.ts";

/** SQLSTATE of a statement that was cancelled. */
const QUERY_CANCELED = "57014";

/** Where a query keeps its statement, from when it was sent on its way. */
export const STATEMENT: unique symbol = Symbol("statement");

/** Takes statements, each at most once. */
export interface StatementCarrier {
  /**
   * Cancels a statement the way `query.cancel()` means it.
   *
   * @param statement Given to this carrier before.
   */
  cancel(statement: Statement): void;
  /**
   * Gives a statement up.
   *
   * @param statement Given to this carrier before.
   * @param reason What its caller gets.
   */
  abort(statement: Statement, reason: unknown): void;
  /**
   * Ends a statement whose deadline has passed, or whose signal aborted, with as little damage as can be.
   *
   * @param statement Given to this carrier before.
   * @param reason What its caller gets at once; `undefined` for a deadline: its caller gets what becomes of it, or the
   * statement's own `overdueError` if it never left.
   */
  giveUp(statement: Statement, reason: { readonly value: unknown } | undefined): void;
}

/** Told how a statement ends. */
export interface StatementListener {
  /**
   * The statement failed; called before the caller's promise is rejected.
   *
   * @param error The error the caller gets.
   */
  failed?(error: unknown): void;
  /** The statement is over: the server answered the last of it, or it never left. Called once. */
  over?(): void;
  /**
   * The connection broke while the statement was in hand.
   *
   * @param outcome What is known of the statement.
   * @returns Whether it is sent again, on another connection, and its caller need not hear of it.
   */
  lost?(outcome: Outcome): boolean;
}

/** One statement: at most once on one connection. */
export class Statement {
  /** The driver's query. */
  readonly query: PorsagerQuery;
  /** How far it got. */
  evidence: Evidence = "unsent";
  /** Whether it was rejected. */
  failed = false;
  /** The stream of a COPY, once it is open. */
  stream: unknown = undefined;
  /** Who has it now; `undefined` before and after. */
  carrier: StatementCarrier | undefined = undefined;
  /** Whether it is the driver's own. */
  isOurs = false;
  /** Watches over its signal and deadline. */
  watch: Watch | undefined = undefined;
  /** Whether it can be sent behind others, and others behind it: one of its own, in no transaction. */
  pipelined = false;
  /** Its place in what leaves the connection and in what is answered: how many Execute and Sync messages come before. */
  executesBefore = 0;
  syncsBefore = 0;
  /** What it executes, if porsager does not hear of it. */
  known: KnownStatement | undefined = undefined;
  /** Whether its answer was read to the end, if porsager does not hear of it. */
  isRead = false;
  /** Whether its connection is lost, and nothing decided yet: what porsager says of it is of no account. */
  detached = false;
  /** Whether an earlier attempt at it may have been executed. */
  inDoubt = false;
  /** Whether it is to be cancelled as soon as that can hit nothing else. */
  cancelWanted = false;
  /** Neighbours among the statements that wait for the same connection; `next` also among those in flight. */
  previous: Statement | undefined = undefined;
  next: Statement | undefined = undefined;
  /** Called when it is over. */
  onEnd: (() => void) | undefined = undefined;
  readonly #listener: StatementListener | undefined;
  #wasPrepared = false;
  /** Why the server refused what was prepared for it, the first time. */
  #staleError: unknown;
  #renewed = false;
  #over = false;
  /** Whether its caller cancelled it. */
  #cancelled = false;
  /** Length of its deadline in milliseconds, once that has passed. */
  #overdueMs: number | undefined;
  /** The fatal error with which the server ended the connection, if it came as the statement's answer. */
  #lastWord: unknown;
  /** Whether it was the caller's own callback that failed. */
  #callerThrew = false;
  /** Of a cursor: whether somebody waits for the next batch. */
  #batchAwaited = true;
  /** Of a cursor: the error that came while nobody did. */
  #untold: { readonly error: unknown } | undefined;
  #reject: (error: unknown) => void;

  /**
   * @param query The driver's query; its settling goes through this statement from now on.
   * @param listener Told how it ends.
   */
  constructor(query: PorsagerQuery, listener?: StatementListener) {
    this.query = query;
    query[STATEMENT] = this;
    this.#listener = listener;
    this.#reject = query.reject;
    const reject = (error: unknown): void => this.reject(error);
    if (query.cursorRows === undefined) query.reject = reject;
    else {
      // A cursor read as an iterator puts new functions in place at every batch.
      Object.defineProperty(query, "reject", {
        configurable: true,
        get: () => reject,
        set: (original: (error: unknown) => void) => {
          this.#reject = original;
          this.#batchAwaited = true;
          if (this.#untold !== undefined) original(this.#untold.error);
        },
      });
    }
    if (query.cursorFn !== undefined) {
      watchCursor(query, {
        called: () => {
          this.#batchAwaited = false;
        },
        failed: (error) => this.#callerFailed(error),
      });
    }
    if (query.streaming) {
      const { resolve } = query;
      query.resolve = (value) => {
        if (this.stream === undefined) this.#streams(value as CopyStream);
        resolve.call(query, value);
      };
    }
  }

  #streams(stream: CopyStream): void {
    this.stream = stream;
    // It may fail before the caller had a turn to listen, and an error that nobody hears would end the process. Who reads
    // or writes it later is told all the same.
    stream.on("error", ignore);
    if (stream.writableEnded !== undefined) return;
    // A reader that went away reads no more, and the server would wait for it for ever.
    stream.once("close", () => {
      if (!this.#over) this.abort(new Error("the stream of the COPY was closed before its end"));
    });
  }

  /** The callback of a cursor threw, or rejected. */
  #callerFailed(error: unknown): void {
    this.#callerThrew = true;
    // As in porsager: what comes when the statement is over is nobody's but the caller's.
    if (this.#over) throw error;
    this.reject(error);
  }

  /**
   * Rejects the caller's promise; does nothing if it is settled.
   *
   * @param error Why. Errors of the server and of the driver get `outcome` and `retryable`.
   */
  reject(error: unknown): void {
    if (this.failed || this.detached) return;
    if (isPostgresError(error) && isFatal(error)) {
      // The server hangs up. What that means for the statement is judged when the connection is lost.
      this.#lastWord = error;
      return;
    }
    if (this.#wasPrepared && !this.isStale && isStalePreparation(error)) {
      this.#staleError = error;
      return;
    }
    this.#fail(this.#staleError !== undefined && isPostgresError(error) ? this.#staleError : error);
  }

  #fail(error: unknown): void {
    this.failed = true;
    const described = this.#isOwnCancel(error)
      ? this.#timeoutError("refused", error)
      : this.#describe(error);
    this.#listener?.failed?.(described);
    this.#reject.call(this.query, described);
    if (!this.#batchAwaited) {
      // porsager's iterator would take a query that is not active for one that came to its end, and rows would be missing.
      this.#untold = { error: described };
      this.query.active = true;
    }
    // porsager forgets a stream when its last byte is sent, whatever the server says to it.
    const stream = this.stream as CopyStream | undefined;
    if (stream?.writableFinished === false && !stream.destroyed) stream.destroy(described);
    if (this.#isOutOfStep(error)) this.abort(described);
  }

  /** Whether it is our own cancel that the server answers with. */
  #isOwnCancel(error: unknown): boolean {
    return this.#overdueMs !== undefined && isPostgresError(error) && error.code === QUERY_CANCELED;
  }

  #timeoutError(latest: Outcome, cause: unknown): StatementTimeoutError {
    const outcome = this.inDoubt ? "unknown" : latest;
    // What was cancelled may have committed in between, if it is more than one statement.
    const retryable = outcome === "refused" ? isAtomic(this.query) : outcome !== "unknown";
    return new StatementTimeoutError(this.#overdueMs ?? 0, outcome, { cause, retryable });
  }

  /**
   * Its deadline has passed.
   *
   * @param timeoutMs Length of the deadline in milliseconds.
   */
  timeOut(timeoutMs: number): void {
    if (this.#over || this.failed) return;
    this.#overdueMs = timeoutMs;
    this.carrier?.giveUp(this, undefined);
  }

  /** What its caller gets if its deadline passed before anybody sent it. */
  overdueError(): StatementTimeoutError {
    return this.#timeoutError("not-applied", undefined);
  }

  /**
   * Its signal aborted.
   *
   * @param reason What its caller gets.
   */
  giveUp(reason: unknown): void {
    this.carrier?.giveUp(this, { value: reason });
  }

  /** Whether the server refused it for what was prepared for it before, so that it may be prepared anew. */
  get isStale(): boolean {
    return this.#staleError !== undefined && !this.#renewed && !this.failed;
  }

  /** Whether it is prepared anew. */
  get isRenewed(): boolean {
    return this.#renewed;
  }

  /** It cannot be prepared anew, so that what the server said is its error. */
  rejectStale(): void {
    this.#fail(this.#staleError);
  }

  /** To be called before it is sent: what porsager has prepared for it is known to be of no use. */
  prepareAnew(): void {
    this.#renewed = true;
  }

  /** Makes it as new, to be prepared anew and sent by itself. */
  renew(): void {
    this.#renewed = true;
    this.evidence = "unsent";
    this.pipelined = false;
    // They are written out by now, and are built anew from the caller's own.
    this.query.parameters = undefined;
  }

  /**
   * Whether it can be sent again although it may have been sent: nobody has seen anything of its answer. Not so cursors,
   * `forEach` and streams: they end with their connection.
   */
  get repeatable(): boolean {
    if (this.failed || this.#over || this.stream !== undefined) return false;
    const { cursorRows, cursorFn, forEachFn, streaming } = this.query;
    return this.evidence === "unsent" ||
      (cursorRows === undefined && cursorFn === undefined && forEachFn === undefined && !streaming);
  }

  /** Makes it as new, to be sent on another connection. */
  repeat(): void {
    this.evidence = "unsent";
    this.carrier = undefined;
    this.cancelWanted = false;
    this.#wasPrepared = this.#renewed = false;
    this.#staleError = this.#lastWord = undefined;
    this.query.parameters = undefined;
  }

  /** It is about to be given to porsager. */
  beforeExecute(): void {
    // Makes porsager forget what was prepared, and ask again for the types of the parameters.
    if (this.#renewed) this.query.onlyDescribe = true;
  }

  /** It was given to porsager. */
  afterExecute(): void {
    const { query } = this;
    if (this.#renewed) query.onlyDescribe = false;
    if (query.cursorFn !== undefined) return;
    this.#wasPrepared = query.prepared === true;
    query.prepared = false;
  }

  /**
   * Whether a parser or a transform threw between the batches of a cursor: porsager goes on asking for rows then, and
   * would take the answers for the next statement's.
   */
  #isOutOfStep(error: unknown): boolean {
    return this.query.cursorFn !== undefined && this.evidence !== "unsent" &&
      !this.#callerThrew && !isPostgresError(error) && !isOurs(error);
  }

  #describe(error: unknown): unknown {
    if (isPostgresError(error)) {
      // Refused, but an earlier attempt at it may have been executed.
      return this.inDoubt
        ? addOutcome(error, "unknown", false)
        : addOutcome(error, "refused", isRetryable(error.code));
    }
    // Could not even be built (an undefined value, too many parameters). What comes later that is neither the
    // server's nor ours was thrown by the caller's own functions: parsers, transforms, forEach.
    if (error instanceof Error && this.evidence === "unsent" && !("outcome" in error)) {
      return addOutcome(error, "not-applied", false);
    }
    return error;
  }

  /**
   * The connection broke while the statement was in hand.
   *
   * @param latest What is known of it, of this attempt alone.
   * @param cause What broke the connection.
   */
  lost(latest: Outcome, cause: unknown): void {
    this.detached = false;
    if (this.#overdueMs !== undefined) {
      this.reject(this.#timeoutError(latest, this.#lastWord ?? cause));
      return this.end();
    }
    // What was cancelled nobody wants to be sent again.
    if (!this.failed && !this.#cancelled && this.#listener?.lost?.(latest)) return;
    const outcome = this.inDoubt ? "unknown" : latest;
    const when = {
      "not-applied": "before the statement had any effect",
      "rolled-back": "during the transaction, which was not committed",
      "refused": "after the server refused the statement",
      "unknown": "while the statement was in hand: it may have been executed or not",
    }[outcome];
    const error = new ConnectionLostError(
      `The connection was lost ${when}: ${messageOf(cause)}`,
      { outcome, cause: this.#lastWord ?? cause },
    );
    error.stack += originOf(this.query);
    this.reject(error);
    this.end();
  }

  /** Cancels the way `query.cancel()` means it. */
  cancel(): void {
    this.#cancelled = true;
    this.carrier?.cancel(this);
  }

  /**
   * Gives the statement up.
   *
   * @param reason What its caller gets.
   */
  abort(reason: unknown): void {
    this.carrier?.abort(this, reason);
  }

  /** The server has answered the last of it. */
  answered(): void {
    if (this.evidence === "sent") this.evidence = "answered";
    this.end();
  }

  /** The statement is over. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.carrier = undefined;
    this.watch?.stop();
    this.onEnd?.();
    this.#listener?.over?.();
  }
}

/**
 * The error of a statement that this side cancelled; as porsager's.
 *
 * @param outcome What is known of it.
 */
export function cancelledError(outcome: Outcome): Error {
  return addOutcome(
    Object.assign(new Error("57014: canceling statement due to user request"), { code: "57014" }),
    outcome,
    outcome === "not-applied",
  );
}

/** The stream of a COPY, as far as it matters here. */
interface CopyStream {
  readonly destroyed: boolean;
  /** Only of one that is written to. */
  readonly writableEnded?: boolean;
  readonly writableFinished?: boolean;
  destroy(error: unknown): void;
  once(event: "close", listener: () => void): void;
  on(event: "error", listener: () => void): void;
}

function isOurs(error: unknown): boolean {
  return error instanceof SteadyError;
}

function addOutcome(error: Error, outcome: Outcome, retryable: boolean): Error {
  if (!Object.isExtensible(error)) return error;
  return Object.defineProperties(error, {
    outcome: { value: outcome, configurable: true },
    retryable: { value: retryable, configurable: true },
  });
}

function ignore(): void {}
