/**
 * What is said of a unit of work whose connection was lost.
 *
 * @module
 */

import { ConnectionLostError, messageOf, type Outcome, SteadyError } from "./errors.ts";

const OUTCOMES: ReadonlySet<unknown> = new Set<Outcome>([
  "not-applied",
  "refused",
  "unknown",
  "rolled-back",
]);

/**
 * Reads the outcome that an error carries.
 *
 * @param error Anything.
 * @returns Its outcome, if it has one.
 */
export function outcomeOf(error: unknown): Outcome | undefined {
  if (typeof error !== "object" || error === null || !("outcome" in error)) return undefined;
  return OUTCOMES.has(error.outcome) ? error.outcome as Outcome : undefined;
}

/**
 * Makes the error for a unit of work outside of a transaction.
 *
 * @param error What the unit of work failed with.
 * @param effects How many of its statements may have had an effect; `undefined` if nobody knows.
 * @returns The error itself if it says what is known, else one that does.
 */
export function lostError(error: unknown, effects: number | undefined): unknown {
  const told = outcomeOf(error);
  // It speaks for one statement; those before it are done, or may be.
  const misleading = told === "not-applied" && effects !== undefined && effects > 0;
  if (told !== undefined && !misleading) return error;
  const outcome = effects === 0 ? "not-applied" : "unknown";
  const what = outcome === "unknown"
    ? "while the unit of work was in hand: it may have been executed, in part or in whole, or not"
    : "before anything of the unit of work was executed";
  return new ConnectionLostError(`The connection was lost ${what}: ${messageOf(error)}`, {
    outcome,
    cause: error,
  });
}

/**
 * Makes the error for a unit of work in a transaction.
 *
 * @param error What it failed with.
 * @returns The error itself if it says what became of the transaction, else one that does.
 */
export function lostInTransaction(error: unknown): unknown {
  const told = outcomeOf(error);
  // Anything else speaks for one statement, not for the transaction that it was in.
  if (told === "unknown" || told === "rolled-back") return error;
  return rolledBackError(error);
}

/**
 * Makes the error for a transaction whose connection was lost before COMMIT was sent.
 *
 * @param cause What broke the connection.
 * @returns The error.
 */
export function rolledBackError(cause: unknown): ConnectionLostError {
  const why = cause === undefined ? "" : `: ${messageOf(cause)}`;
  return new ConnectionLostError(
    `The connection was lost during the transaction, which was not committed${why}`,
    { outcome: "rolled-back", cause },
  );
}

/**
 * Makes the error for a unit of work that could not be done again as nothing could be opened.
 *
 * @param lost Why it failed the first time, with what is known of it.
 * @param reopening Why nothing could be opened.
 * @returns An error with both causes.
 */
export function notReopenedError(lost: unknown, reopening: unknown): ConnectionLostError {
  const cause = new AggregateError([lost, reopening], messageOf(lost));
  return new ConnectionLostError(
    `The connection was lost, and no other could be opened: ${messageOf(reopening)}`,
    { outcome: outcomeOf(lost) ?? "unknown", cause },
  );
}

/**
 * Makes the error for what a transaction does not allow.
 *
 * @param code A word for programs.
 * @param message A sentence for people.
 * @param outcome What is known.
 * @param cause Why.
 * @returns The error.
 */
export function transactionError(
  code:
    | "TRANSACTION_OPEN"
    | "NO_TRANSACTION"
    | "TRANSACTION_FAILED"
    | "TRANSACTION_ROLLED_BACK"
    | "TRANSACTION_ENDED",
  message: string,
  outcome: Outcome,
  cause?: unknown,
): SteadyError {
  return new SteadyError(code, message, { outcome, retryable: false, cause });
}
