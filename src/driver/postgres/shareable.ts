/**
 * Which statements may be sent on a connection that others have, too.
 *
 * @module
 */

import { SteadyError } from "../../core/errors.ts";
import type { PorsagerQuery } from "./porsager.ts";
import { textOf } from "./statement_kind.ts";

/** One statement that is a transaction of its own and leaves the session as it was, but for functions that it calls. */
const SHAREABLE =
  /^(?:\s|\(|--.*\n|\/\*[^*]*(?:\*(?!\/)[^*]*)*\*\/)*(?:select|insert|update|delete|merge|with|values|table|show|explain)\b/i;
/** Functions that change the session for all who have it. */
const CHANGES_SESSION = /\b(?:pg_(?:try_)?advisory_(?:un)?lock\w*|set_config)\s*\(/i;

/**
 * Tells why a query must not be sent on a shared connection.
 *
 * @param query Not sent yet.
 * @returns The error; `undefined` if nothing is to be seen that speaks against it.
 */
export function refusalToShare(query: PorsagerQuery): SteadyError | undefined {
  const { options, cursorRows, cursorFn, streaming } = query;
  if (options.simple) {
    return refusal("a simple query", "it may be several statements, or any");
  }
  if (cursorRows !== undefined || cursorFn !== undefined) {
    return refusal("a cursor", "it would keep the others waiting");
  }
  const text = textOf(query);
  if (streaming || !SHAREABLE.test(text)) {
    return refusal(
      "this statement",
      "only one that begins with select, insert, update, delete, merge, with, values, table, show or explain can be shared",
    );
  }
  if (CHANGES_SESSION.test(text)) {
    return refusal("this statement", "it changes the session of all who share it");
  }
  return undefined;
}

function refusal(what: string, why: string): SteadyError {
  return new SteadyError(
    "NOT_SHAREABLE",
    `Cannot send ${what} on a shared connection as ${why}: use acquire()`,
    { outcome: "not-applied", retryable: false },
  );
}
