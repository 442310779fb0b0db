/**
 * One transaction for a whole scope: begun when it is first needed, ended when the scope's function is.
 *
 * @module
 */

import { CommitUnknownError, SteadyError } from "../core/errors.ts";
import type { Scope } from "../core/scope.ts";
import type { ScopeTurn } from "../core/scope_turn.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import type { Ambient } from "./ambient.ts";

/** What a unit needs of its pool. */
export interface UnitParts {
  /** The scope. */
  readonly scope: Scope<PostgresConnection>;
  /**
   * Runs the scope's transaction.
   *
   * @param open Called in its callback; the transaction ends when what it returns is settled.
   * @param unwanted Aborts when it need not begin any more.
   * @returns Resolved when it is committed; rejected when it is not. What is to be called after it was not called.
   */
  readonly run: (
    open: (ambient: Ambient) => Promise<void>,
    unwanted: AbortSignal,
  ) => Promise<void>;
}

const units = new WeakMap<Scope<PostgresConnection>, UnitOfWork>();

/**
 * Finds the transaction of a whole scope.
 *
 * @param scope The scope.
 * @returns Its unit; `undefined` for a scope without.
 */
export function unitOf(scope: Scope<PostgresConnection>): UnitOfWork | undefined {
  return units.get(scope);
}

/** The transaction of a whole scope. */
export class UnitOfWork {
  readonly #parts: UnitParts;
  #begun: Promise<ScopeTurn<PostgresConnection>> | undefined;
  #ambient: Ambient | undefined;
  #outcome: Promise<void> | undefined;
  /** What it failed of before its end. */
  #failure: { readonly error: unknown } | undefined;
  readonly #verdict = Promise.withResolvers<void>();
  readonly #unwanted = new AbortController();

  constructor(parts: UnitParts) {
    this.#parts = parts;
    this.#verdict.promise.catch(ignore);
    units.set(parts.scope, this);
  }

  /** The transaction, once it has begun. */
  get ambient(): Ambient | undefined {
    return this.#ambient;
  }

  /**
   * Begins the transaction, unless it has begun.
   *
   * @returns Where in the scope it is.
   */
  begin(): Promise<ScopeTurn<PostgresConnection>> {
    return this.#begun ??= new Promise((resolve, reject) => {
      const outcome = this.#outcome = this.#parts.run((ambient) => {
        this.#ambient = ambient;
        resolve(ambient.turn);
        return this.#verdict.promise;
      }, this.#unwanted.signal);
      outcome.catch((error) => {
        // Nothing of a failure to begin is kept: the next use tries again.
        if (this.#ambient === undefined) this.#begun = this.#outcome = undefined;
        else this.#failure = { error };
        reject(error);
      });
    });
  }

  /**
   * Asks whether it could be committed.
   *
   * @returns Resolved if it could; rejects with what it has failed of.
   */
  async vote(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.error;
    const stretch = this.#ambient?.stretch;
    if (stretch === undefined) return;
    if (stretch.broken) throw stretch.error;
    // A signal, or a loss, has ended it: it is about to say so.
    if (stretch.ended) await this.#outcome;
    stretch.check();
  }

  /**
   * Commits what was begun.
   *
   * @returns Whether anything was.
   */
  async commit(): Promise<boolean> {
    this.#verdict.resolve();
    const outcome = this.#outcome;
    await outcome;
    return outcome !== undefined;
  }

  /**
   * Calls what is to be called after it, by what became of it; to be called when its scope has ended.
   *
   * @returns Resolved when all were called; rejects with the first error of those that follow a commit.
   */
  async callAfter(): Promise<void> {
    const hooks = this.#ambient?.hooks;
    if (hooks === undefined) return;
    try {
      await this.#outcome;
    } catch (error) {
      // Of a transaction that may be in force nobody can say that it was rolled back.
      if (!(error instanceof CommitUnknownError)) await hooks.rolledBack(error);
      return;
    }
    await hooks.committed();
  }

  /**
   * Rolls back what was begun.
   *
   * @param reason Why.
   * @returns What it failed of: the reason, unless it had failed before.
   */
  async rollBack(reason: unknown): Promise<unknown> {
    this.#verdict.reject(reason);
    // A server that does not answer to BEGIN is not waited for to roll back nothing.
    if (this.#ambient === undefined) this.#unwanted.abort(reason);
    try {
      await this.#outcome;
      return reason;
    } catch (error) {
      return error;
    }
  }
}

/**
 * Commits several units, in a stable order: no COMMIT is sent before all could be committed; when one is refused, those
 * that follow are rolled back.
 *
 * @param parts The units, with the names of their pools.
 * @returns Resolved when all are in force.
 * @throws What the first failed of, when nothing is in force.
 * @throws {SteadyError} With the code `PARTLY_COMMITTED`, when some are in force, and others are not.
 */
export async function commitAll(
  parts: readonly { readonly pool: string; readonly unit: UnitOfWork }[],
): Promise<void> {
  const ordered = inOrder(parts);
  for (const { unit } of ordered) {
    try {
      await unit.vote();
    } catch (error) {
      await rollBackAll(ordered, error);
      throw error;
    }
  }
  const committed: string[] = [];
  for (const { pool, unit } of ordered) {
    try {
      if (await unit.commit()) committed.push(`"${pool}"`);
    } catch (error) {
      await rollBackAll(ordered, error);
      if (committed.length === 0) throw error;
      throw new SteadyError(
        "PARTLY_COMMITTED",
        `Cannot commit the transaction of pool "${pool}" after those of ${committed.join(", ")}`,
        { outcome: "unknown", retryable: false, cause: error },
      );
    }
  }
}

/**
 * Calls what is to be called after several units, by what became of each, in the order in which they were committed.
 *
 * @param parts The units, with the names of their pools.
 * @returns Resolved when all were called; rejects with the first error of theirs.
 */
export async function callAfterAll(
  parts: readonly { readonly pool: string; readonly unit: UnitOfWork }[],
): Promise<void> {
  const failures: unknown[] = [];
  for (const { unit } of inOrder(parts)) {
    await unit.callAfter().catch((error) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

/** By the names of their pools. */
function inOrder<P extends { readonly pool: string }>(parts: readonly P[]): P[] {
  return parts.toSorted((a, b) => (a.pool < b.pool ? -1 : a.pool > b.pool ? 1 : 0));
}

/**
 * Rolls several units back.
 *
 * @param parts The units; what is committed stays so.
 * @param reason Why.
 * @returns What the first of them had failed of before, of which the reason may be but a consequence; else the reason.
 */
export async function rollBackAll(
  parts: readonly { readonly unit: UnitOfWork }[],
  reason: unknown,
): Promise<unknown> {
  const errors = await Promise.all(parts.map(({ unit }) => unit.rollBack(reason)));
  const before = errors.findIndex((error) => error !== reason);
  return before < 0 ? reason : errors[before];
}

function ignore(): void {}
