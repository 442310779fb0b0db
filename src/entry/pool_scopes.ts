/**
 * The scopes of one pool, and transactions for whole scopes.
 *
 * @module
 */

import type { Pool } from "../core/pool.ts";
import type { Scope } from "../core/scope.ts";
import { commandText } from "../driver/postgres/commands.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import type { PostgresTypes } from "../driver/postgres/options.ts";
import { canRunAgain } from "../driver/postgres/transaction.ts";
import { ambientAt } from "./ambient.ts";
import { anySignal } from "./any_signal.ts";
import { PostgresScope } from "./postgres_scope.ts";
import { retrying } from "./retrying.ts";
import type { ScopeWork, ScopeWorkContext } from "./scope_work.ts";
import {
  coreOptions,
  type ScopedOptions,
  type ScopeOptions,
  transactionOptions,
} from "./scope_options.ts";
import { callAfterAll, commitAll, rollBackAll, unitOf, UnitOfWork } from "./unit_of_work.ts";

/** A scope of one pool that takes part in a transaction of several. */
export interface Participant {
  /** Name of the pool. */
  readonly pool: string;
  /** The scope's transaction. */
  readonly unit: UnitOfWork;
  /** Runs a function in the scope. */
  run<R>(fn: () => R): R;
  /** Ends the scope. */
  leave(): void;
}

/** A function that was run in a transaction of one or more pools, and came to its end. */
interface Tried<R> {
  /** What it returned. */
  readonly result: R;
  /** Whose transactions are over, and whose scopes have ended. */
  readonly participants: readonly Participant[];
}

/** The scopes of one view of a pool. */
export class PoolScopes<T extends PostgresTypes> {
  readonly #pool: Pool<PostgresConnection>;
  readonly #context: ScopeWorkContext;
  readonly #work: ScopeWork<T>;

  constructor(pool: Pool<PostgresConnection>, context: ScopeWorkContext, work: ScopeWork<T>) {
    this.#pool = pool;
    this.#context = context;
    this.#work = work;
  }

  /** A scope as users see it. */
  viewOf(scope: Scope<PostgresConnection>): PostgresScope<T> {
    return new PostgresScope<T>(scope, this.#context, this.#work);
  }

  /**
   * Runs `fn` in a scope, as most do it: without options.
   *
   * @param fn What to run.
   * @returns What `fn` returns.
   */
  runPlain<R>(fn: (scope: PostgresScope<T>) => R | PromiseLike<R>): Promise<R> {
    return this.#pool.scope((scope) => fn(this.viewOf(scope)));
  }

  /**
   * Runs `fn` in a scope.
   *
   * @param fn What to run.
   * @param options The scope's.
   * @param others Other pools that take part, if it is transactional.
   * @returns What `fn` returns.
   */
  async run<R>(
    fn: (scope: PostgresScope<T>) => R | PromiseLike<R>,
    options: ScopeOptions,
    others: readonly PoolScopes<PostgresTypes>[],
  ): Promise<R> {
    if (this.#joins(options)) {
      return await this.#pool.scope((scope) => fn(this.viewOf(scope)), coreOptions(options));
    }
    return await this.#runUnit((scope) => fn(this.viewOf(scope)), options, others);
  }

  /**
   * Calls a handler in a scope.
   *
   * @param handler What to call.
   * @param options The scope's.
   * @param others Other pools that take part, if it is transactional.
   * @returns What it returns.
   */
  async call<R>(
    handler: () => R,
    options: ScopedOptions<Awaited<R>>,
    others: readonly PoolScopes<PostgresTypes>[],
  ): Promise<Awaited<R>> {
    if (!this.#joins(options)) return await this.#runUnit(handler, options, others);
    return await this.#pool.scoped(handler, {
      ...coreOptions(options),
      untilRead: options.untilRead,
    })();
  }

  /** Whether there is nothing to be committed at the end, be it that who is around does it. */
  #joins(options: ScopeOptions): boolean {
    if (!options.transactional) return true;
    if (options.fresh) return false;
    const current = this.#pool.current();
    return current !== undefined && !current.ended && unitOf(current) !== undefined;
  }

  async #runUnit<R>(
    fn: (scope: Scope<PostgresConnection>) => R,
    options: ScopedOptions<Awaited<R>>,
    others: readonly PoolScopes<PostgresTypes>[],
  ): Promise<Awaited<R>> {
    const { retries = 0 } = options;
    const { result, participants } = await retrying(() => this.#tryUnit(fn, options, others), {
      clock: this.#context.clock,
      signal: this.#context.limits?.signal,
      retries,
      mayRetry: canRunAgain,
    });
    // Whatever these fail of: what is in force is not to be run again.
    await callAfterAll(participants);
    return result;
  }

  async #tryUnit<R>(
    fn: (scope: Scope<PostgresConnection>) => R,
    options: ScopedOptions<Awaited<R>>,
    others: readonly PoolScopes<PostgresTypes>[],
  ): Promise<Tried<Awaited<R>>> {
    const scope = this.#open(options);
    const participants = [
      this.participant(scope, options),
      ...others.map((other) => other.participant(other.#open(options), options)),
    ];
    const runAll = participants.reduceRight(
      (inner, { run }) => () => run(inner),
      // Awaited within: a query is sent when that is done.
      async () => await fn(scope),
    );
    try {
      const result = await this.#settle(runAll, participants);
      if (options.rollbackIf?.(result)) await rollBackAll(participants, new Error("rolled back"));
      else await commitAll(participants);
      leaveAll(participants);
      return { result, participants };
    } catch (error) {
      leaveAll(participants);
      // Less worth knowing than why they were called.
      await callAfterAll(participants).catch(() => {});
      throw error;
    }
  }

  async #settle<R>(
    run: () => Promise<R>,
    participants: readonly Participant[],
  ): Promise<R> {
    try {
      return await run();
    } catch (error) {
      throw await rollBackAll(participants, error);
    }
  }

  #open({ name }: ScopeOptions): Scope<PostgresConnection> {
    const scope = this.#pool.openScope({ name });
    scope.endsItself = true;
    return scope;
  }

  /**
   * Takes part in a transaction of several pools.
   *
   * @param scope A scope of this pool.
   * @param options How it is begun.
   * @returns The participant.
   */
  participant(scope: Scope<PostgresConnection>, options: ScopeOptions): Participant {
    const work = this.#work;
    const begun = transactionOptions(options);
    const begin = commandText({ verb: "begin", ...begun });
    const unit = new UnitOfWork({
      scope,
      run: async (open, unwanted) => {
        const fn = (): Promise<void> => {
          const ambient = ambientAt(scope.here);
          return ambient === undefined ? Promise.resolve() : open(ambient);
        };
        const root = scope.nodeOf(undefined);
        const signal = anySignal(this.#context.limits?.signal, unwanted);
        const call = { begin, fn, options: { ...begun, signal } };
        // What is called after it has to wait for the end of the scope, which has the connection until then.
        await work.runOutermost(scope, call, root, () => {});
      },
    });
    return {
      pool: this.#pool.name,
      unit,
      run: (fn) => scope.runIn(undefined, fn),
      leave: scope.hold(),
    };
  }
}

function leaveAll(participants: readonly Participant[]): void {
  for (const { leave } of participants) leave();
}
