/**
 * The error of who waited for a scope's connection in vain: often for what he has himself.
 *
 * @module
 */

import { AcquireTimeoutError } from "./errors.ts";
import type { Holder } from "./holders.ts";
import type { ScopeTurnKind } from "./scope_turn.ts";
import { callSite, markHere, withFramesOf } from "./site.ts";
import type { PoolCounts } from "./stats.ts";

/** Something of a scope that has its connection. */
export interface ScopeHolder extends Holder {
  /** What. */
  readonly kind: ScopeTurnKind;
}

const WORDS: Readonly<Record<ScopeTurnKind, string>> = {
  lease: "lease",
  callback: "callback of use()",
  transaction: "transaction",
};

/**
 * Makes the error.
 *
 * @param scope Name of the scope.
 * @param timeoutMs For how long it was waited, in milliseconds.
 * @param stats The pool's counts.
 * @param holders What has the connection.
 * @param label What the waiter calls itself.
 * @returns The error.
 */
export function scopeTimeoutError(
  scope: string,
  timeoutMs: number,
  stats: PoolCounts,
  holders: readonly ScopeHolder[],
  label: string | undefined,
): AcquireTimeoutError {
  const who = label === undefined ? "" : ` for "${label}"`;
  const hint = holders.some(({ kind }) => kind === "lease")
    ? ". A lease has to be given back, or used, before more is asked of its scope"
    : "";
  const text = `Cannot have the connection of the scope "${scope}" within ${timeoutMs} ms${who}` +
    `, as ${describe(holders)}${hint}`;
  return new AcquireTimeoutError("queue", timeoutMs, stats, undefined, text, holders);
}

function describe(holders: readonly ScopeHolder[]): string {
  if (holders.length === 0) return "a statement of the scope, or a cursor, has it";
  const all = holders.map(({ kind, label, heldMs, stack }) => {
    const name = label === undefined ? "" : ` "${label}"`;
    const site = stack === undefined ? undefined : callSite(stack);
    const where = site === undefined ? "" : ` (acquired at ${site})`;
    return `the scope's own ${WORDS[kind]}${name} has had it for ${heldMs} ms${where}`;
  });
  return all.join(", and ");
}

/** Where somebody began to wait: put in words only if it was in vain. */
export class WaitingPlace {
  readonly #mark = markHere();

  /**
   * Has an error tell where its caller waited: made by a timer, it would show those of the timer.
   *
   * @param error What the caller gets.
   * @returns The error.
   */
  show(error: unknown): unknown {
    return error instanceof AcquireTimeoutError ? withFramesOf(error, this.#mark) : error;
  }
}
