/**
 * A connection that stays with its owner, as users of PostgreSQL see it.
 *
 * @module
 */

import type { PersistentContext } from "../core/persistent_context.ts";
import type { Scope } from "../core/scope.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import type { PostgresTypes } from "../driver/postgres/options.ts";
import type { PostgresScope } from "./postgres_scope.ts";

/**
 * An owner of a connection, such as a worker or an actor: its scopes, one at a time in the order asked for, all have the same
 * connection of the pool, which counts against `max` until the end. Between two of them no transaction is open on it.
 *
 * Between two of them, and never under one, it is also what an idle connection is to the pool: closed when it has reached
 * `maxLifetimeMs` or `maxUses` (each scope that needs it is a use), by `evict`, when its generation has ended, when it is too
 * much after `resize`, and by `close`; asked for a sign of life after `checkAfterIdleMs`, or when another was lost. Only
 * `idleTimeoutMs` and `keepaliveMs` do not concern it. The next scope has another then, without what was set in the session:
 * what each has to have belongs into `session`. While the pool is suspended it goes on with what it has.
 *
 * It belongs to this object and to nobody else, whatever its name.
 */
export class PersistentPostgresContext<T extends PostgresTypes = Record<never, never>>
  implements Disposable, AsyncDisposable {
  readonly #context: PersistentContext<PostgresConnection>;
  readonly #viewOf: (scope: Scope<PostgresConnection>) => PostgresScope<T>;

  /** For the pool; users get contexts from `persistent`. */
  constructor(
    context: PersistentContext<PostgresConnection>,
    viewOf: (scope: Scope<PostgresConnection>) => PostgresScope<T>,
  ) {
    this.#context = context;
    this.#viewOf = viewOf;
  }

  /** Its name, and that of its scopes. */
  get name(): string {
    return this.#context.name;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#context.ended;
  }

  /**
   * Runs `fn` in a scope with this owner's connection, when its scopes before are over. Within one of them `fn` is part of
   * that.
   *
   * @param fn What to run; is given the scope, which the pool's own `sql`, `use` and `transaction` find, too.
   * @returns What `fn` returns.
   * @throws {ScopeError} If the context has ended.
   */
  async scope<R>(fn: (scope: PostgresScope<T>) => R | PromiseLike<R>): Promise<R> {
    return await this.#context.scope((scope) => fn(this.#viewOf(scope)));
  }

  /** Ends it, and the scope of it that runs: its connection goes back to the pool. Idempotent. */
  end(): void {
    this.#context.end();
  }

  /** {@inheritDoc PersistentPostgresContext.end} */
  [Symbol.dispose](): void {
    this.end();
  }

  /** {@inheritDoc PersistentPostgresContext.end} */
  [Symbol.asyncDispose](): Promise<void> {
    this.end();
    return Promise.resolve();
  }
}
