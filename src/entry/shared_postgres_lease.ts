/**
 * Use of a PostgreSQL connection together with others.
 *
 * @module
 */

import { LeaseReleasedError } from "../core/errors.ts";
import type { SharedLease } from "../core/shared_lease.ts";
import type { PostgresConnection } from "../driver/postgres/connection.ts";
import type { PostgresTypes } from "../driver/postgres/options.ts";
import { SharedSession } from "../driver/postgres/shared_session.ts";
import { createSharedSql, type SharedSql } from "../driver/postgres/sql.ts";
import type { StatementLimits, StatementOptions } from "../driver/postgres/statement_limits.ts";
import type { LeaseContext } from "./postgres_lease.ts";

/** A share, and the statements on it. */
class Share {
  readonly lease: SharedLease<PostgresConnection>;
  #released = false;
  #statements = 0;

  constructor(lease: SharedLease<PostgresConnection>) {
    this.lease = lease;
  }

  get released(): boolean {
    return this.#released;
  }

  begun(): void {
    this.#statements++;
  }

  over(): void {
    this.#statements--;
    this.#end();
  }

  release(): void {
    this.#released = true;
    this.#end();
  }

  /** What is still in flight is answered first: the connection would have to be closed else, and others have it. */
  #end(): void {
    if (this.#released && this.#statements === 0) this.lease.release();
  }
}

/**
 * Use of one PostgreSQL connection together with others, until {@linkcode SharedPostgresLease.release}, for single
 * statements: each is sent behind those of the others, without a wait for their answers. No transactions, no session, no
 * cursors: they would be everybody's.
 *
 * It is bound to one physical connection: when that is lost, every later statement is rejected, none reaches another.
 */
export class SharedPostgresLease<T extends PostgresTypes = Record<never, never>>
  implements Disposable, AsyncDisposable {
  readonly #share: Share;
  readonly #context: LeaseContext;
  readonly #limits: StatementLimits | undefined;
  #sql: SharedSql<T> | undefined;

  private constructor(share: Share, context: LeaseContext, limits: StatementLimits | undefined) {
    this.#share = share;
    this.#context = context;
    this.#limits = limits;
  }

  /**
   * For the pool; users get shared leases from `acquireShared`.
   *
   * @param lease The core's.
   * @param context What it has in common with others.
   * @param limits Signal and deadline of each statement.
   * @returns The lease.
   */
  static create<T extends PostgresTypes>(
    lease: SharedLease<PostgresConnection>,
    context: LeaseContext,
    limits: StatementLimits | undefined,
  ): SharedPostgresLease<T> {
    return new SharedPostgresLease<T>(new Share(lease), context, limits);
  }

  /** Sends single statements on this connection: porsager's `sql` without what would change the session. */
  get sql(): SharedSql<T> {
    return this.#sql ??= this.#createSql();
  }

  #createSql(): SharedSql<T> {
    const share = this.#share;
    const { template, gate } = this.#context;
    const route = new SharedSession(
      () => {
        const refusal = gate?.refusal();
        if (refusal !== undefined) return refusal;
        if (share.released) return new LeaseReleasedError();
        share.begun();
        return share.lease.connection;
      },
      this.#limits,
      { over: () => share.over() },
    );
    return createSharedSql<T>(template, route);
  }

  /**
   * A view of the same lease whose statements carry options. One with a signal or a deadline is sent alone, so that it can
   * be cancelled without striking others.
   *
   * @param options Signal and deadline of each statement.
   * @returns The view; releasing it releases the lease.
   */
  with(options: StatementOptions): SharedPostgresLease<T> {
    const limits = this.#context.limit(options, this.#limits);
    return new SharedPostgresLease<T>(this.#share, this.#context, limits);
  }

  /** Number of the physical connection, unique in its pool. */
  get epoch(): number {
    return this.#share.lease.epoch;
  }

  /** Whether others may have the connection, too; `false` where nothing is shared (`maxShared`, `pooler`). */
  get shared(): boolean {
    return this.#share.lease.shared;
  }

  /** Whether it was given back. */
  get released(): boolean {
    return this.#share.released;
  }

  /** Whether the connection was lost while it was lent. */
  get lost(): boolean {
    return this.#share.lease.lost;
  }

  /** Gives the share back; statements in flight are answered all the same. Idempotent. */
  release(): void {
    if (!this.#context.gate?.foreign) this.#share.release();
  }

  /** {@inheritDoc SharedPostgresLease.release} */
  [Symbol.dispose](): void {
    this.release();
  }

  /** {@inheritDoc SharedPostgresLease.release} */
  [Symbol.asyncDispose](): Promise<void> {
    this.release();
    return Promise.resolve();
  }
}
