/**
 * One options object for pool and driver, in our names and in porsager's.
 *
 * @module
 */

import { POOL_OPTION_NAMES, type PoolOptions } from "../core/options.ts";
import {
  checkDuration,
  checkInteger,
  checkNames,
  checkSignal,
  checkWord,
  show,
} from "../core/validate.ts";
import {
  notPooled,
  POSTGRES_OPTION_NAMES,
  type PostgresOptions,
  type PostgresTypes,
} from "../driver/postgres/options.ts";
import type { BaseSql } from "../driver/postgres/sql.ts";
import type { Replay, StatementOptions } from "../driver/postgres/statement_limits.ts";
import type { CommitResolution, TransactionOptions } from "../driver/postgres/transaction.ts";
import { PORSAGER_SECONDS, secondsOf } from "./porsager_seconds.ts";

/** Set-up of a session: statements, executed in order; or a function that leaves no transaction open. */
export type PostgresSession<T extends PostgresTypes = Record<never, never>> =
  | string
  | readonly string[]
  | ((sql: BaseSql<T>) => unknown);

/** Options of `createPool`: the pool's, the driver's, and porsager's names for the pool's. */
export interface CreatePoolOptions<T extends PostgresTypes = Record<never, never>>
  extends Omit<PoolOptions, "session">, PostgresOptions<T> {
  /**
   * Done on every new connection before anybody is lent it: one or more statements, or a function that is given the
   * connection's `sql`. If it fails, who waits is rejected with a `ConnectError` of phase `"session"` and that error as its
   * cause.
   */
  readonly session?: PostgresSession<T>;
  /** Deadline of opening one connection in seconds; porsager's name for `connectTimeoutMs`. @default {10} */
  readonly connect_timeout?: number;
  /**
   * How long a connection may be idle, in seconds; porsager's name for `idleTimeoutMs`. `null` and 0: for ever.
   *
   * @default {300}
   */
  readonly idle_timeout?: number | null;
  /**
   * Age at which a connection is replaced, in seconds; porsager's name for `maxLifetimeMs`. `null` and 0: never.
   *
   * @default {1_800}
   */
  readonly max_lifetime?: number | null;
  /**
   * Whether a single statement whose connection was lost is sent again, on another connection; `with` can differ.
   *
   * @default {"safe"}
   */
  readonly replay?: Replay;
  /**
   * What is done about a COMMIT whose answer was lost; a transaction can differ. Behind a transaction pooler, and before
   * PostgreSQL 13, nobody can ask.
   *
   * @default {"auto"}
   */
  readonly commitResolution?: CommitResolution;
}

/** Options of porsager's that this version does not have: to ignore them in silence would be worse than to refuse. */
const NOT_YET: ReadonlySet<string> = new Set([
  "max_pipeline",
  "backoff",
  "publications",
  "onnotify",
  "socket",
  "no_subscribe",
  "timeout",
]);

/** What `createPool` was called with, taken apart. */
export interface SplitOptions<T extends PostgresTypes> {
  readonly url: string | undefined;
  readonly pool: PoolOptions;
  readonly postgres: PostgresOptions<T>;
  readonly front: FrontOptions;
}

/** Options of neither the core's pool nor the driver, checked and complete. */
export interface FrontOptions {
  readonly replay: Replay;
  readonly commitResolution: CommitResolution;
}

/** Names of {@linkcode FrontOptions}. */
export const FRONT_OPTION_NAMES: ReadonlySet<string> = new Set<keyof FrontOptions>([
  "replay",
  "commitResolution",
]);

/**
 * Takes the arguments of `createPool` apart.
 *
 * @param urlOrOptions A URL, or the options.
 * @param more The options, after a URL.
 * @returns The pool's part and the driver's.
 * @throws {TypeError} If an option does not exist, or is given in two spellings.
 */
export function splitOptions<T extends PostgresTypes>(
  urlOrOptions: string | CreatePoolOptions<T> | undefined,
  more: CreatePoolOptions<T> | undefined,
): SplitOptions<T> {
  const withUrl = typeof urlOrOptions === "string";
  if (urlOrOptions instanceof URL) {
    // It would be taken for options, of which it has none; nor may it be shown.
    throw new TypeError(
      "Cannot create pool as url must be a string: received a URL, pass its href",
    );
  }
  if (!withUrl && (typeof urlOrOptions !== "object" || urlOrOptions === null)) {
    if (urlOrOptions !== undefined) {
      throw new TypeError(
        `Cannot create pool as url must be a string: received ${show(urlOrOptions)}`,
      );
    }
  }
  const given = (withUrl ? more : urlOrOptions ?? more) ?? {};
  if (typeof given !== "object" || Array.isArray(given)) {
    throw new TypeError(`Cannot create pool as options must be an object: received ${show(given)}`);
  }
  const pool: Record<string, unknown> = {};
  const postgres: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (POOL_OPTION_NAMES.has(name)) pool[name] = value;
    else if (POSTGRES_OPTION_NAMES.has(name)) postgres[name] = value;
    else if (!PORSAGER_SECONDS.includes(name) && !FRONT_OPTION_NAMES.has(name)) {
      throw new TypeError(
        NOT_YET.has(name)
          ? `Cannot create pool as the option "${name}" is not available in this version`
          : `Cannot create pool as there is no option "${name}"`,
      );
    }
  }
  const { url, seconds = {}, max } = withUrl ? poolOptionsOfUrl(urlOrOptions) : {};
  Object.assign(pool, secondsOf(given as Record<string, unknown>, seconds, pool));
  if (max !== undefined) pool.max ??= max;
  if (postgres.pooler === "transaction" && pool.multiplex === "auto") {
    throw notPooled("statements are to share connections");
  }
  return {
    url,
    pool: pool as PoolOptions,
    postgres: postgres as PostgresOptions<T>,
    front: {
      replay: checkReplay("create pool", given.replay ?? "safe"),
      commitResolution: checkCommitResolution("create pool", given.commitResolution ?? "auto"),
    },
  };
}

/** A URL without the pool's options, and those. */
interface OptionsOfUrl {
  readonly url: string;
  readonly seconds?: Record<string, number>;
  readonly max?: number;
}

/** The pool's options that porsager reads from a URL; the rest of it is the driver's. */
function poolOptionsOfUrl(url: string): OptionsOfUrl {
  const at = url.indexOf("?");
  if (at < 0) return { url };
  const query = new URLSearchParams(url.slice(at + 1));
  const seconds: Record<string, number> = {};
  for (const name of PORSAGER_SECONDS) {
    const text = query.get(name);
    query.delete(name);
    if (text !== null) seconds[name] = Number(text);
  }
  const max = query.get("max");
  query.delete("max");
  const rest = query.size > 0 ? `?${query}` : "";
  return {
    url: url.slice(0, at) + rest,
    seconds,
    max: max === null ? undefined : Number(max),
  };
}

const STATEMENT_OPTION_NAMES: ReadonlySet<string> = new Set<keyof StatementOptions>([
  "signal",
  "timeoutMs",
  "idempotent",
  "replay",
]);

const REPLAYS: ReadonlySet<unknown> = new Set<Replay>(["safe", "always", "never"]);

/** Checks a value of `replay`. */
function checkReplay(action: string, replay: unknown): Replay {
  if (REPLAYS.has(replay)) return replay as Replay;
  throw new TypeError(
    `Cannot ${action} as replay must be "safe", "always" or "never": received ${show(replay)}`,
  );
}

/**
 * Checks the options of `with`.
 *
 * @param options What was received.
 * @throws {TypeError} If an option has the wrong type or does not exist.
 * @throws {RangeError} If an option is out of range.
 */
export function checkStatementOptions(options: StatementOptions): void {
  const action = "set statement options";
  checkNames(action, options, STATEMENT_OPTION_NAMES);
  checkSignal(action, options.signal);
  if (options.timeoutMs !== undefined) {
    checkDuration(action, "timeoutMs", options.timeoutMs, { zero: false, infinity: true });
  }
  if (options.idempotent !== undefined) checkBoolean(action, "idempotent", options.idempotent);
  if (options.replay !== undefined) checkReplay(action, options.replay);
}

function checkBoolean(action: string, name: string, value: unknown): void {
  if (typeof value !== "boolean") {
    throw new TypeError(`Cannot ${action} as ${name} must be a boolean: received ${show(value)}`);
  }
}

const TRANSACTION_OPTION_NAMES: ReadonlySet<string> = new Set<keyof TransactionOptions>([
  "isolation",
  "readOnly",
  "deferrable",
  "signal",
  "retries",
  "commitResolution",
  "nested",
]);

const COMMIT_RESOLUTIONS: ReadonlySet<unknown> = new Set<CommitResolution>([
  "auto",
  "manual",
  "off",
]);

/** Checks a value of `commitResolution`. */
function checkCommitResolution(action: string, value: unknown): CommitResolution {
  if (COMMIT_RESOLUTIONS.has(value)) return value as CommitResolution;
  throw new TypeError(
    `Cannot ${action} as commitResolution must be "auto", "manual" or "off": received ${
      show(value)
    }`,
  );
}

/**
 * Checks the options of a transaction; its isolation level is checked where it is put into words.
 *
 * @param options What was received.
 * @throws {TypeError} If an option has the wrong type or does not exist.
 */
export function checkTransactionOptions(options: TransactionOptions): void {
  const action = "begin a transaction";
  checkNames(action, options, TRANSACTION_OPTION_NAMES);
  checkSignal(action, options.signal);
  if (options.retries !== undefined) checkInteger(action, "retries", options.retries, 0, false);
  if (options.commitResolution !== undefined) {
    checkCommitResolution(action, options.commitResolution);
  }
  const { nested } = options;
  if (nested !== undefined) {
    checkWord(action, "nested", nested, ["savepoint", "join", "forbid"]);
  }
  for (const name of ["readOnly", "deferrable"] as const) {
    const value = options[name];
    if (value !== undefined) checkBoolean(action, name, value);
  }
}
