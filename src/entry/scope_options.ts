/**
 * Options of the scopes of a pool of PostgreSQL connections.
 *
 * @module
 */

import type { ScopeOptions as CoreScopeOptions } from "../core/scope_options.ts";
import { checkBoolean, checkFunction, checkInteger, checkNames, show } from "../core/validate.ts";
import type { TransactionOptions } from "../driver/postgres/transaction.ts";
import { checkTransactionOptions } from "./options.ts";
import type { PostgresPool } from "./postgres_pool.ts";

/** Options of a {@linkcode PostgresPool}'s `scope`. */
export interface ScopeOptions {
  /**
   * Its name, for errors, the observer and `inspect()`; not empty.
   *
   * @default {"scope-1", "scope-2", …}
   */
  readonly name?: string;
  /**
   * Whether it is a scope of its own, with another connection, also where the caller is in one already.
   *
   * @default {false}
   */
  readonly fresh?: boolean;
  /**
   * Whether all that is done in it is one transaction: begun when it is first needed, committed when the function returns,
   * rolled back when it throws; or the options it is begun with. In a scope that is transactional already it is part of that.
   *
   * @default {false}
   */
  readonly transactional?: boolean | Pick<TransactionOptions, "isolation" | "readOnly">;
  /**
   * How often the whole function is run again when its transaction failed of a serialization failure (40001), of a deadlock
   * (40P01), or with its connection before COMMIT was sent. **It must have no other effects than those of its statements.**
   * Integer, at least 0; only where `transactional`.
   *
   * @default {0}
   */
  readonly retries?: number;
  /**
   * Other pools that take part where it is `transactional`: each has a scope and a transaction. No COMMIT is sent before all
   * could be committed; they are committed by the names of their pools. **That is not a two-phase commit**: where the second
   * COMMIT fails, the first is in force, and the call rejects with the code `PARTLY_COMMITTED`.
   *
   * @default {none}
   */
  readonly others?: readonly PostgresPool[];
}

/** Options of a {@linkcode PostgresPool}'s `scoped`; `R` is what the handler returns. */
export interface ScopedOptions<R = unknown> extends ScopeOptions {
  /**
   * Whether the scope lasts until the stream that the handler returns, or the body of the `Response`, was read to its end or
   * cancelled. Its chunks are passed on one by one, so that a body loses the length it may have had. Not needed for
   * statements that the handler has begun: a cursor or a stream keeps the connection until it is over. Not together with
   * `transactional`.
   *
   * @default {false}
   */
  readonly untilRead?: boolean;
  /**
   * Says of a result that the transaction is to be rolled back all the same, such as of a response with an error's status.
   * Only where `transactional`.
   *
   * @param result What the handler returned.
   * @returns Whether to roll back.
   */
  readonly rollbackIf?: (result: R) => boolean;
}

const SCOPE_NAMES: ReadonlySet<string> = new Set<keyof ScopeOptions>([
  "name",
  "fresh",
  "transactional",
  "retries",
  "others",
]);

const SCOPED_NAMES: ReadonlySet<string> = new Set<keyof ScopedOptions>([
  ...(SCOPE_NAMES as ReadonlySet<keyof ScopeOptions>),
  "untilRead",
  "rollbackIf",
]);

/**
 * Checks the options of `scope`.
 *
 * @param options What was received.
 * @throws {TypeError} If an option has the wrong type, does not exist, or does not go with another.
 * @throws {RangeError} If an option is out of range.
 */
export function checkScope(options: ScopeOptions): void {
  check("open a scope", options, SCOPE_NAMES);
}

/**
 * Checks the options of `scoped`.
 *
 * @param options What was received.
 * @throws {TypeError} If an option has the wrong type, does not exist, or does not go with another.
 * @throws {RangeError} If an option is out of range.
 */
export function checkScoped<R>(options: ScopedOptions<R>): void {
  const action = "wrap a handler";
  check(action, options, SCOPED_NAMES);
  const { untilRead, rollbackIf, transactional } = options;
  checkBoolean(action, "untilRead", untilRead);
  checkFunction(action, "rollbackIf", rollbackIf);
  if (untilRead && transactional) {
    throw new TypeError(
      `Cannot ${action} as untilRead does not go with transactional: the transaction is over before the response is sent`,
    );
  }
  if (rollbackIf !== undefined && !transactional) throw onlyTransactional(action, "rollbackIf");
}

function check(action: string, options: ScopeOptions, names: ReadonlySet<string>): void {
  checkNames(action, options, names);
  const { name, transactional, retries, others } = options;
  if (name !== undefined && (typeof name !== "string" || name === "")) {
    throw new TypeError(
      `Cannot ${action} as name must be a string that is not empty: received ${show(name)}`,
    );
  }
  checkBoolean(action, "fresh", options.fresh);
  if (typeof transactional === "object" && transactional !== null) {
    checkNames(action, transactional, new Set(["isolation", "readOnly"]));
    checkTransactionOptions(transactional);
  } else checkBoolean(action, "transactional", transactional);
  if (retries !== undefined) checkInteger(action, "retries", retries, 0, false);
  if (others !== undefined && !Array.isArray(others)) {
    throw new TypeError(`Cannot ${action} as others must be an array: received ${show(others)}`);
  }
  for (const option of ["retries", "others"] as const) {
    if (options[option] !== undefined && !transactional) throw onlyTransactional(action, option);
  }
}

function onlyTransactional(action: string, option: string): TypeError {
  return new TypeError(`Cannot ${action} as ${option} needs transactional: received it without`);
}

/**
 * Those options that the core has, too.
 *
 * @param options All.
 * @returns The core's.
 */
export function coreOptions({ name, fresh }: ScopeOptions): CoreScopeOptions {
  return { name, fresh };
}

/**
 * What the transaction of a scope is begun with.
 *
 * @param options The scope's.
 * @returns The transaction's.
 */
export function transactionOptions({ transactional }: ScopeOptions): TransactionOptions {
  return typeof transactional === "object" ? transactional : {};
}
