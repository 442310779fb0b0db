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
 * connection of the pool. Between two of them no transaction is open on it; one that was lost is replaced, without its
 * session. It belongs to this object and to nobody else, whatever its name.
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
