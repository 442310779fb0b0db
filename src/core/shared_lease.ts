/**
 * Use of a connection that others use, too.
 *
 * @module
 */

import type { Lease } from "./lease.ts";

/**
 * Use of a connection together with others, until {@linkcode SharedLease.release}: for single statements, which are sent
 * behind those of others. Whoever begins a transaction on it, or changes the session, does so to all of them.
 *
 * It is bound to one epoch: when the connection is lost, all who have it have lost it. Nobody can give the connection up,
 * as it is not his alone.
 *
 * @example Readers on one connection
 * ```ts
 * import { Pool } from "@steady/pool";
 * import { FakeDriver } from "@steady/pool/testing";
 *
 * await using pool = new Pool(new FakeDriver({ sharing: "multiplex" }), { maxShared: 1 });
 * const readers = await Promise.all([pool.acquireShared(), pool.acquireShared()]);
 * await Promise.all(readers.map((reader) => reader.connection.run("select 1")));
 * for (const reader of readers) reader.release();
 * ```
 */
export interface SharedLease<C> extends Disposable, AsyncDisposable {
  /**
   * The physical connection.
   *
   * @throws {LeaseReleasedError} After release.
   */
  readonly connection: C;
  /**
   * Number of the physical connection, unique in its pool.
   *
   * @throws {LeaseReleasedError} After release.
   */
  readonly epoch: number;
  /** Whether others may have the connection, too; `false` where nothing is shared, as `stats().sharing` tells. */
  readonly shared: boolean;
  /** Whether it was given back. */
  readonly released: boolean;
  /** Whether the connection was lost while it was lent. */
  readonly lost: boolean;
  /** Gives the share back; the last one's gives the connection back. Idempotent. */
  release(): void;
}

/** The pool's shared leases. */
export class PoolSharedLease<C> implements SharedLease<C> {
  readonly #lease: Lease<C>;
  readonly shared: boolean;

  /**
   * @param lease A lease whose release gives the share back.
   * @param shared Whether others may have the connection, too.
   */
  constructor(lease: Lease<C>, shared: boolean) {
    this.#lease = lease;
    this.shared = shared;
  }

  get connection(): C {
    return this.#lease.connection;
  }

  get epoch(): number {
    return this.#lease.epoch;
  }

  get released(): boolean {
    return this.#lease.released;
  }

  get lost(): boolean {
    return this.#lease.lost;
  }

  release(): void {
    this.#lease.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release();
    return Promise.resolve();
  }
}
