/**
 * One call of a handler that was wrapped by `scoped`, and the pool that belongs to it.
 *
 * @module
 */

import { ScopeError } from "../core/errors.ts";
import type { ContextVariable } from "../core/runtime.ts";
import type { PostgresTypes } from "../driver/postgres/options.ts";
import type { Gate } from "../driver/postgres/sql.ts";
import type { PostgresPool } from "./postgres_pool.ts";

/** Keeps a request alive until a promise is settled. */
export type WaitUntil = (promise: Promise<unknown>) => void;

/** What all invocations of one pool share; nothing of it belongs to a request. */
export interface InvocationHost<T extends PostgresTypes> {
  /** The invocation that runs. */
  readonly current: ContextVariable<Invocation<T>>;
  /**
   * Makes a pool.
   *
   * @param gate Asked before each use of it.
   */
  readonly makePool: (gate: Gate) => PostgresPool<T>;
}

/** One invocation: from the call of the handler until all it opened is closed. */
export class Invocation<T extends PostgresTypes> implements Gate {
  readonly #host: InvocationHost<T>;
  readonly #waitUntil: WaitUntil | undefined;
  readonly #end = Promise.withResolvers<void>();
  #pool: PostgresPool<T> | undefined;
  /** Handlers that have not settled: the first, and those called by it. */
  #running = 0;
  #state: "open" | "closing" | "closed" = "open";

  /**
   * @param host What it shares with others.
   * @param waitUntil Keeps its request alive; without it the response has to wait for the end.
   */
  constructor(host: InvocationHost<T>, waitUntil: WaitUntil | undefined) {
    this.#host = host;
    this.#waitUntil = waitUntil;
  }

  /** Whether its handler has not settled. */
  get open(): boolean {
    return this.#state === "open";
  }

  /**
   * The pool, made at first use.
   *
   * @throws {ScopeError} If the handler has settled.
   */
  get pool(): PostgresPool<T> {
    if (!this.open) throw overError();
    if (this.#pool === undefined) {
      this.#pool = this.#host.makePool(this);
      // Right now, and not after the response: a client that hangs up would else end the request, and cut off what it does.
      this.#waitUntil?.(this.#end.promise);
    }
    return this.#pool;
  }

  /**
   * Runs a handler within this invocation, which ends when all such handlers have settled.
   *
   * @param handler What to run.
   * @returns What it returns.
   */
  async run<R>(handler: () => R): Promise<Awaited<R>> {
    this.#running++;
    try {
      return await this.#host.current.run(this, handler);
    } finally {
      if (--this.#running === 0) {
        const closed = this.#close();
        if (this.#waitUntil === undefined) await closed;
      }
    }
  }

  async #close(): Promise<void> {
    this.#state = "closing";
    try {
      await this.#pool?.close();
    } finally {
      this.#state = "closed";
      this.#end.resolve();
    }
  }

  get foreign(): boolean {
    const current = this.#host.current.get();
    return current !== undefined && current !== this;
  }

  refusal(): Error | undefined {
    const current = this.#host.current.get();
    if (current !== this) return current === undefined ? outsideError() : foreignError();
    if (this.#state === "closed") return overError();
    return undefined;
  }
}

const SCOPED = "export default { fetch: db.scoped(async (request, env, ctx) => …) }";

/** It is used where no wrapped handler runs. */
export function outsideError(): ScopeError {
  return new ScopeError(
    "Cannot use the pool outside of a request, as connections belong to the request that opens them: " +
      `wrap the handler that uses it, ${SCOPED}`,
  );
}

function foreignError(): ScopeError {
  return new ScopeError(
    "Cannot use a lease, a transaction or a statement in another request than its own, as connections belong to the " +
      "request that opens them: take a new one in each request, and keep none in a variable outside of the handler",
  );
}

function overError(): ScopeError {
  return new ScopeError(
    "Cannot use the pool as the handler has returned: await the work in the handler, or wrap what goes on behind the " +
      "response, ctx.waitUntil(db.scoped(work)())",
  );
}
