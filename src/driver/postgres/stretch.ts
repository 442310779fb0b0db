/**
 * The stretch of a transaction in which one `sql` may be used: the transaction itself, or one savepoint.
 *
 * @module
 */

import { LeaseReleasedError } from "../../core/errors.ts";
import { isPostgresError } from "./porsager.ts";
import type { PostgresConnection } from "./connection.ts";
import type { PostgresTypes } from "./options.ts";
import { Session } from "./session.ts";
import type { Gate, Route } from "./sql.ts";
import type { StatementListener } from "./statement.ts";
import type { StatementLimits } from "./statement_limits.ts";
import type { RunSavepoint } from "./transaction.ts";

/** Where a stretch stands among others, if all that runs below its callback joins it. */
export interface TransactionPlace {
  /**
   * Makes the route of an `sql` of the stretch.
   *
   * @param stretch Which.
   * @param limits Signal and deadline of each statement.
   * @returns The route: what is below waits while a savepoint is, and statements of the stretch for it.
   */
  route(stretch: Stretch, limits: StatementLimits | undefined): Route;
  /**
   * Runs a savepoint, alone among all that is in the stretch.
   *
   * @param savepoint Runs it, in a place of its own.
   * @returns What it returns.
   */
  alone<R>(savepoint: (place: TransactionPlace) => Promise<R>): Promise<R>;
  /**
   * Has a function called if what the stretch stands in ends before it does, before anybody else has the connection.
   *
   * @param fn Called at most once.
   */
  onOutlived(fn: () => void): void;
  /**
   * Runs the callback of the stretch such that all below joins it.
   *
   * @param stretch Which.
   * @param sql That of the stretch.
   * @param savepoint Runs a savepoint in it.
   * @param fn The callback.
   * @returns What it returns.
   */
  call<R>(
    stretch: Stretch,
    sql: object,
    savepoint: RunSavepoint<PostgresTypes>,
    fn: () => R,
  ): R;
}

/** What a stretch is part of. */
export interface StretchParts {
  /** Where its statements go. */
  readonly connection: PostgresConnection;
  /** What it is, for messages. */
  readonly kind: "transaction" | "savepoint";
  /** Asked before each statement, where connections belong to one request. */
  readonly gate: Gate | undefined;
  /** Whether its connection was given back. */
  readonly isOver?: (() => boolean) | undefined;
  /** The stretch around it. */
  readonly outer?: Stretch;
  /** Where it stands, if all below joins it. */
  readonly place: TransactionPlace | undefined;
}

/** A transaction, or one savepoint: from its begin to its end. */
export class Stretch {
  readonly #parts: StretchParts;
  #ended = false;
  /** Whether a statement failed; its error may be anything, `undefined` included. */
  broken = false;
  error: unknown;
  /** Listens to the statements of this stretch. */
  readonly listener: StatementListener = {
    failed: (error) => {
      if (this.broken) return;
      this.broken = true;
      this.error = error;
    },
  };

  constructor(parts: StretchParts) {
    this.#parts = parts;
  }

  /** Where it stands, if all below joins it. */
  get place(): TransactionPlace | undefined {
    return this.#parts.place;
  }

  /** Where its statements go. */
  get connection(): PostgresConnection {
    return this.#parts.connection;
  }

  /** Whether it has ended, or one around it, or its connection was given back: it may be somebody else's. */
  get ended(): boolean {
    if (this.#ended) return true;
    const { outer, isOver } = this.#parts;
    return outer === undefined ? isOver?.() ?? false : outer.ended;
  }

  /**
   * Makes the route of an `sql`.
   *
   * @param limits Signal and deadline of each statement.
   * @returns The route.
   */
  route(limits?: StatementLimits): Route {
    const { connection, place } = this.#parts;
    if (place !== undefined) return place.route(this, limits);
    return new Session(() => this.refusal() ?? connection, limits, this.listener);
  }

  /** It is over: what is sent later is refused. */
  end(): void {
    this.#ended = true;
  }

  /** @throws {SteadyError} After the end, and where it must not be used. */
  check(): void {
    const refusal = this.refusal();
    if (refusal !== undefined) throw refusal;
  }

  /**
   * Tells why nothing may be sent in it.
   *
   * @returns The error, if nothing may.
   */
  refusal(): Error | undefined {
    return this.ended
      ? new LeaseReleasedError(`Cannot use the ${this.#parts.kind} as it has ended`)
      : this.#parts.gate?.refusal();
  }

  /**
   * Finds what is worth knowing: "current transaction is aborted" (25P02) only says that something failed before.
   *
   * @param error What the callback failed of.
   * @returns What failed before, if that is what it says.
   */
  causeOf(error: unknown): unknown {
    return this.broken && isPostgresError(error) && error.code === "25P02" ? this.error : error;
  }
}
