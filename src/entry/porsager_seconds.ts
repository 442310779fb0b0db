/**
 * The pool's options that porsager has under other names, in seconds.
 *
 * @module
 */

import type { PoolOptions } from "../core/options.ts";
import { show } from "../core/validate.ts";

/** What stands for one of the pool's options. */
interface Other {
  readonly ours: "connectTimeoutMs" | "idleTimeoutMs" | "maxLifetimeMs";
  /** Whether `null` and 0 mean never, as they do there. */
  readonly never: boolean;
}

const OTHERS: Readonly<Record<string, Other>> = {
  connect_timeout: { ours: "connectTimeoutMs", never: false },
  idle_timeout: { ours: "idleTimeoutMs", never: true },
  max_lifetime: { ours: "maxLifetimeMs", never: true },
};

/** Porsager's names. */
export const PORSAGER_SECONDS: readonly string[] = Object.keys(OTHERS);

/**
 * Translates porsager's options in seconds.
 *
 * @param given What was given beside the URL, by porsager's names.
 * @param inUrl What the URL says, by porsager's names; whatever is given beside it wins.
 * @param pool The pool's options that were given by our names.
 * @returns The pool's options that were not given by our names.
 * @throws {TypeError} If one has the wrong type, or is given in two spellings.
 * @throws {RangeError} If one is out of range.
 */
export function secondsOf(
  given: Readonly<Record<string, unknown>>,
  inUrl: Readonly<Record<string, unknown>>,
  pool: Readonly<Record<string, unknown>>,
): PoolOptions {
  const translated: Record<string, number> = {};
  for (const [theirs, { ours, never }] of Object.entries(OTHERS)) {
    const isOurs = pool[ours] !== undefined;
    if (given[theirs] !== undefined && isOurs) {
      throw new TypeError(
        `Cannot create pool as "${ours}" and "${theirs}" are two names of one option`,
      );
    }
    const seconds = given[theirs] === undefined ? inUrl[theirs] : given[theirs];
    if (seconds === undefined || isOurs) continue;
    translated[ours] = milliseconds(theirs, seconds, never);
  }
  return translated;
}

function milliseconds(name: string, seconds: unknown, never: boolean): number {
  if (never && (seconds === null || seconds === 0)) return Infinity;
  const rule = `${name} must be a number of seconds > 0${never ? ", or 0 or null for never" : ""}`;
  if (typeof seconds !== "number") {
    throw new TypeError(`Cannot create pool as ${rule}: received ${show(seconds)}`);
  }
  if (seconds > 0 && seconds < Infinity) return 1000 * seconds;
  throw new RangeError(`Cannot create pool as ${rule}: received ${seconds}`);
}
