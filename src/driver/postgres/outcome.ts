/**
 * What is known of the statements in hand when their connection is lost (DESIGN 5.2).
 *
 * @module
 */

import type { Outcome } from "../../core/errors.ts";
import type { Statement } from "./statement.ts";
import { isAtomic, mayEndTransaction } from "./statement_kind.ts";
import type { StatementsInFlight } from "./statements_in_flight.ts";
import type { WaitingStatements } from "./waiting_statements.ts";
import type { WireTap } from "./wire_tap.ts";

/** The server ended the session by order of an administrator, or of its own shutdown, and rolled back what it executed. */
const ADMIN_SHUTDOWN = "57P01";

/** What a loss means for the statements in hand. */
export interface Judgement {
  /** Those that the server has answered; nobody was told yet. */
  readonly answered: readonly Statement[];
  /** All others, in the order in which they were, or would have been, sent. */
  readonly others: readonly { readonly statement: Statement; readonly outcome: Outcome }[];
  /** The first of those, if it was sent: what the server was executing. */
  readonly executing: Statement | undefined;
}

/**
 * Judges each statement in hand by itself.
 *
 * @param flight Those that were sent.
 * @param waiting Those that were not.
 * @param tap What the wire said until the end.
 * @returns The judgement.
 */
export function judge(
  flight: StatementsInFlight,
  waiting: WaitingStatements,
  tap: WireTap,
): Judgement {
  const answered: Statement[] = [];
  const others: { statement: Statement; outcome: Outcome }[] = [];
  let executing: Statement | undefined;
  for (let next = flight.oldest; next !== undefined; next = next.next) {
    // The end of the connection came before we could say so, or while a cancel was on its way to it.
    if (flight.isAnswered(next)) answered.push(next);
    else {
      executing ??= next;
      others.push({ statement: next, outcome: outcomeOf(next, next === executing, tap) });
    }
  }
  for (let next = waiting.first; next !== undefined; next = next.next) {
    others.push({ statement: next, outcome: outcomeOf(next, false, tap) });
  }
  return { answered, others, executing };
}

/**
 * Tells what is known of one statement.
 *
 * @param statement Not answered.
 * @param executing Whether it is the first of those that the server was to execute.
 * @param tap What the wire said until the end.
 * @returns Its outcome.
 */
export function outcomeOf(statement: Statement, executing: boolean, tap: WireTap): Outcome {
  const { transaction, fatal, farewell, completedAny } = tap;
  const inTransaction = transaction === "in transaction" || transaction === "failed";
  if (statement.evidence === "unsent") return inTransaction ? "rolled-back" : "not-applied";
  if (inTransaction) return mayEndTransaction(statement.query) ? "unknown" : "rolled-back";
  // A notice with the same code says nothing of the kind: what waits for a standby is committed.
  if (fatal?.code !== ADMIN_SHUTDOWN || farewell !== undefined) return "unknown";
  if (!executing) return "not-applied";
  return !completedAny && isAtomic(statement.query) ? "not-applied" : "unknown";
}
