/**
 * Ends statements before their time: what was not sent is taken out, what executes is cancelled by the server, and where
 * neither can be the connection is closed. So nobody inherits a late reply.
 *
 * @module
 */

import type { Runtime } from "../../core/runtime.ts";
import { requestCancel } from "./cancel_request.ts";
import type { Endpoint } from "./dial.ts";
import { cancelledError, type Statement, type StatementCarrier } from "./statement.ts";
import type { StatementsInFlight } from "./statements_in_flight.ts";
import type { WaitingStatements } from "./waiting_statements.ts";
import type { WireTap } from "./wire_tap.ts";

/** How long after a cancel that did not end a statement the next one is sent, in milliseconds. */
const CANCEL_AGAIN_MS = 50;
/** How long a statement that was cancelled may take to end, in milliseconds, the request included. */
const CANCEL_GRACE_MS = 1_000;

/** What {@linkcode Cancelling} is made of. */
export interface CancellingParts {
  /** Supplies sockets. */
  readonly runtime: Runtime;
  /** Where the connection goes to. */
  readonly endpoint: Endpoint;
  /** Whether each transaction may have another backend, so that none can be named by its process id. */
  readonly pooled: boolean;
  /** Knows the backend. */
  readonly tap: WireTap;
  /** Statements that were sent. */
  readonly flight: StatementsInFlight;
  /** Statements that were not. */
  readonly waiting: WaitingStatements;
  /** Closes the connection. */
  readonly destroy: (reason: unknown) => void;
  /** Told when a cancel is through, if all became quiet meanwhile. */
  readonly quiet: () => void;
}

/** Cancels and gives up the statements of one connection, and knows whether a cancel is on its way to it. */
export class Cancelling implements StatementCarrier {
  readonly #parts: CancellingParts;
  /** The request for a cancel that is on its way. */
  #request: { readonly done: Promise<void>; readonly abort: AbortController } | undefined;
  #isQuiet = false;
  #lost = false;

  /** @param parts What it is made of. */
  constructor(parts: CancellingParts) {
    this.#parts = parts;
  }

  /** Whether a cancel is on its way: what is sent now it could strike. */
  get isUnderWay(): boolean {
    return this.#request !== undefined;
  }

  /** Whether all is quiet but for the cancel that is on its way. */
  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  /** Resolved when the cancel that is on its way is through, however it ended; `undefined` if none is. */
  get through(): Promise<void> | undefined {
    return this.#request?.done.catch(ignore);
  }

  /** All is quiet while a cancel is on its way: that is told again when it is through. */
  postponeQuiet(): void {
    this.#isQuiet = true;
  }

  /**
   * The connection is gone.
   *
   * @param cause Why.
   */
  lost(cause: unknown): void {
    this.#lost = true;
    // What still executes is to be cancelled all the same; when all is quiet, its socket would only be left behind.
    if (this.#isQuiet) this.#request?.abort.abort(cause);
  }

  /**
   * Gives a statement up. Unsent, it is taken out; sent, its connection is closed, because a late answer must not be
   * taken for another statement's. Beside neighbours it is answered in its turn, and nobody hears of it.
   *
   * @param statement Given to this connection before.
   * @param reason What its caller gets.
   */
  abort(statement: Statement, reason: unknown): void {
    const { flight, waiting, destroy } = this.#parts;
    if (statement.carrier !== this) return;
    statement.reject(reason);
    if (waiting.has(statement)) {
      waiting.delete(statement);
      statement.end();
    } else if (!flight.areSeveral) destroy(reason);
  }

  /**
   * Ends a statement whose caller does not wait any longer. Executing, the server is asked to cancel it, and nothing else is
   * sent before all is quiet; if it is not within the grace, the connection is closed: whoever is on the other side does not
   * answer.
   *
   * @param statement Given to this connection before.
   * @param reason What its caller gets at once; `undefined` if that waits for what becomes of the statement.
   */
  giveUp(statement: Statement, reason: { readonly value: unknown } | undefined): void {
    const { flight, waiting, pooled, destroy } = this.#parts;
    if (statement.carrier !== this || this.#isOver(statement)) return;
    const executes = statement === flight.oldest && !flight.areSeveral;
    // What goes on while the server waits for the other side is not cancelled by it.
    const { streaming, cursorRows, cursorFn } = statement.query;
    const isDialogue = streaming || cursorRows !== undefined || cursorFn !== undefined;
    if (!executes || isDialogue || pooled) {
      if (reason !== undefined) return this.abort(statement, reason.value);
      if (waiting.has(statement)) return this.abort(statement, statement.overdueError());
      return destroy(new Error("the statement's deadline passed"));
    }
    if (reason !== undefined) statement.reject(reason.value);
    this.cancelExecuting(statement);
  }

  /**
   * Cancels a statement the way `query.cancel()` means it. Unsent, it is taken out; executing, the server is asked, and
   * nothing else is sent before the server has taken notice. With neighbours in flight, which a cancel could strike, the
   * caller's promise is rejected at once, and the server asked when the statement is the last of them.
   *
   * @param statement Given to this connection before.
   */
  cancel(statement: Statement): void {
    const { flight, waiting, pooled } = this.#parts;
    if (statement.carrier !== this || this.#isOver(statement)) return;
    if (waiting.has(statement)) this.abort(statement, cancelledError("not-applied"));
    else if (pooled) this.abort(statement, cancelledError("unknown"));
    else if (!flight.areSeveral) this.cancelExecuting(statement);
    else {
      statement.reject(cancelledError("unknown"));
      statement.cancelWanted = true;
      flight.followable = false;
    }
  }

  /**
   * Has the server cancel a statement that executes alone, and closes the connection if it does not in time.
   *
   * @param statement The only one in flight.
   */
  cancelExecuting(statement: Statement): void {
    // By its deadline, and its signal, and that of its transaction: the server is asked once.
    if (statement.onEnd !== undefined) return;
    const { flight, destroy } = this.#parts;
    const grace = new AbortController();
    const silence = new Error(`the server did not cancel a statement within ${CANCEL_GRACE_MS} ms`);
    const timer = setTimeout(() => {
      grace.abort(silence);
      destroy(silence);
    }, CANCEL_GRACE_MS);
    let again: ReturnType<typeof setTimeout> | undefined;
    statement.onEnd = () => {
      clearTimeout(timer);
      clearTimeout(again);
    };
    const ask = (): void => {
      this.request(grace.signal).then(() => {
        // The server may not have begun with it when it was asked, and then it cancels nothing.
        if (statement === flight.oldest) again = setTimeout(ask, CANCEL_AGAIN_MS);
      }, ignore);
    };
    ask();
  }

  /**
   * Asks the server to cancel what executes now.
   *
   * @param signal Ends the attempt.
   * @returns Resolved when the server has taken notice, or when nothing executes.
   */
  async request(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { runtime, endpoint, pooled, tap, flight, destroy, quiet } = this.#parts;
    if (flight.oldest === undefined || this.#request || this.#lost) return;
    if (pooled) return destroy(new Error("the statement was cancelled"));
    const abort = new AbortController();
    const signals = signal === undefined ? abort.signal : AbortSignal.any([abort.signal, signal]);
    const done = requestCancel(runtime, endpoint, tap, signals);
    this.#request = { done, abort };
    try {
      await done;
    } catch (error) {
      // Whether the cancel is still on its way nobody knows: it must not strike the next statement.
      destroy(error);
      throw error;
    } finally {
      this.#request = undefined;
      if (this.#isQuiet) {
        this.#isQuiet = false;
        quiet();
      }
    }
  }

  /** Whether nothing is to be ended any more: a cancel could only strike what we ask behind it. */
  #isOver(statement: Statement): boolean {
    return this.#parts.flight.isAnswered(statement) && !statement.isStale;
  }
}

function ignore(): void {}
