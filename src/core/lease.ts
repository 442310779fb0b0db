/**
 * Exclusive use of one connection.
 *
 * @module
 */

import { LeaseReleasedError } from "./errors.ts";
import type { Slot } from "./slot.ts";

/** Takes connections back. */
export interface LeaseHome<C> {
  /**
   * A lease ended.
   *
   * @param slot What was lent.
   */
  takeBack(slot: Slot<C>): void;
  /**
   * A lease ended and its connection must not be lent again.
   *
   * @param slot What was lent.
   */
  discard(slot: Slot<C>): void;
}

/**
 * Exclusive use of one connection, until {@linkcode Lease.release}. Releasing is synchronous and idempotent; cleaning
 * goes on behind it.
 *
 * A lease is bound to one epoch: when its connection is lost it stays dead and never reaches a newer one.
 *
 * @example Give it back in any case
 * ```ts
 * import { Pool } from "@steady/pool";
 * import { FakeDriver } from "@steady/pool/testing";
 *
 * await using pool = new Pool(new FakeDriver(), { max: 2 });
 * using lease = await pool.acquire();
 * await lease.connection.run("select 1");
 * ```
 */
export interface Lease<C> extends Disposable, AsyncDisposable {
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
  /** Whether it was given back. */
  readonly released: boolean;
  /** Whether the connection was lost while it was lent. */
  readonly lost: boolean;
  /** Gives the connection back; the pool cleans it before it lends it again. Idempotent. */
  release(): void;
  /** Gives the connection up: it is closed at once and never lent again. Idempotent. */
  destroy(): void;
}

/** The pool's leases. */
export class PoolLease<C> implements Lease<C> {
  readonly #home: LeaseHome<C>;
  #slot: Slot<C> | undefined;

  constructor(home: LeaseHome<C>, slot: Slot<C>) {
    this.#home = home;
    this.#slot = slot;
  }

  static {
    // Whoever resolves a promise with an object asks that object for `then`: found at once, it is sooner found missing.
    Object.defineProperty(PoolLease.prototype, "then", {
      value: undefined,
      configurable: true,
      writable: true,
    });
  }

  /**
   * Finds what is lent.
   *
   * @param lease Of a pool.
   * @returns Its slot; `undefined` after release.
   */
  static slotOf<C>(lease: Lease<C>): Slot<C> | undefined {
    return lease instanceof PoolLease ? lease.#slot : undefined;
  }

  get connection(): C {
    const connection = this.#slot?.connection;
    if (connection === undefined) throw new LeaseReleasedError();
    return connection;
  }

  get epoch(): number {
    const slot = this.#slot;
    if (slot === undefined) throw new LeaseReleasedError();
    return slot.steady?.epoch ?? 0;
  }

  get released(): boolean {
    return this.#slot === undefined;
  }

  get lost(): boolean {
    return this.#slot?.state === "gone";
  }

  release(): void {
    const slot = this.#slot;
    if (slot === undefined) return;
    this.#slot = undefined;
    this.#home.takeBack(slot);
  }

  destroy(): void {
    const slot = this.#slot;
    if (slot === undefined) return;
    this.#slot = undefined;
    this.#home.discard(slot);
  }

  [Symbol.dispose](): void {
    this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release();
    return Promise.resolve();
  }
}
