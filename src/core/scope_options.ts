/**
 * Options of scopes.
 *
 * @module
 */

import { checkBoolean, checkNames, show } from "./validate.ts";

/** Options of an explicit scope. */
export interface OpenScopeOptions {
  /**
   * Its name, for errors, the observer and `inspect()`; not empty.
   *
   * @default {"scope-1", "scope-2", …}
   */
  readonly name?: string;
}

/** Options of `scope`. */
export interface ScopeOptions extends OpenScopeOptions {
  /**
   * Whether it is a scope of its own, with another connection, also where the caller is in one already.
   *
   * @default {false}
   */
  readonly fresh?: boolean;
}

/** Options of `scoped`. */
export interface ScopedOptions extends ScopeOptions {
  /**
   * Whether the scope lasts until the stream that the handler returns, or the body of the `Response`, was read to its end or
   * cancelled. Its chunks are passed on one by one, so that a body loses the length it may have had. Not needed for
   * statements that the handler has begun: a cursor or a stream keeps the connection until it is over.
   *
   * @default {false}
   */
  readonly untilRead?: boolean;
}

const OPEN_NAMES: ReadonlySet<string> = new Set<keyof OpenScopeOptions>(["name"]);
const SCOPE_NAMES: ReadonlySet<string> = new Set<keyof ScopeOptions>(["name", "fresh"]);
const SCOPED_NAMES: ReadonlySet<string> = new Set<keyof ScopedOptions>([
  "name",
  "fresh",
  "untilRead",
]);

/**
 * Checks the options of an explicit scope.
 *
 * @param action What is being done, for the message.
 * @param options What was received.
 * @throws {TypeError} If an option has the wrong type or does not exist.
 */
export function checkOpenScopeOptions(action: string, options: OpenScopeOptions | undefined): void {
  check(action, options, OPEN_NAMES);
}

/**
 * Checks the options of `scope`.
 *
 * @param action What is being done, for the message.
 * @param options What was received.
 * @throws {TypeError} If an option has the wrong type or does not exist.
 */
export function checkScopeOptions(action: string, options: ScopeOptions | undefined): void {
  check(action, options, SCOPE_NAMES);
}

/**
 * Checks the options of `scoped`.
 *
 * @param action What is being done, for the message.
 * @param options What was received.
 * @throws {TypeError} If an option has the wrong type or does not exist.
 */
export function checkScopedOptions(action: string, options: ScopedOptions | undefined): void {
  check(action, options, SCOPED_NAMES);
}

function check(
  action: string,
  options: ScopedOptions | undefined,
  names: ReadonlySet<string>,
): void {
  if (options === undefined) return;
  checkNames(action, options, names);
  const { name } = options;
  if (name !== undefined && (typeof name !== "string" || name === "")) {
    throw new TypeError(
      `Cannot ${action} as name must be a string that is not empty: received ${show(name)}`,
    );
  }
  checkBoolean(action, "fresh", options.fresh);
  checkBoolean(action, "untilRead", options.untilRead);
}
