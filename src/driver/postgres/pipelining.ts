/**
 * Which statements may share a connection with others, and which may be followed by others.
 *
 * @module
 */

import type { PorsagerQuery } from "./porsager.ts";
import type { Statement } from "./statement.ts";
import { SINGLE } from "./statement_kind.ts";

/** Statements that only read, by their first word. */
const READ = /^\s*(?:select|values|table)\b/i;
/** What may wait in a statement that otherwise only reads: for a row, for an advisory lock, for time to pass. */
const MAY_WAIT = /\bfor\s+(?:no\s+key\s+update|update|key\s+share|share)\b|pg_advisory|pg_sleep/i;

/**
 * Tells whether a query can be sent behind others on the same connection: a single statement in the extended protocol,
 * which is a transaction of its own, whose answer ends with one ReadyForQuery.
 *
 * @param query Not built yet.
 * @returns Whether it can; `false` where that cannot be seen.
 */
export function isSingle(query: PorsagerQuery): boolean {
  const { options, strings } = query;
  return !options.simple && query.cursorRows === undefined && query.cursorFn === undefined &&
    query.forEachFn === undefined && !query.streaming && !query.onlyDescribe &&
    beginsSingle(strings);
}

/** What was found out of templates. */
const singles = new WeakMap<readonly string[], boolean>();

function beginsSingle(strings: readonly string[]): boolean {
  let single = singles.get(strings);
  if (single === undefined) {
    single = SINGLE.test(strings[0] ?? "");
    // What is no template's, but made by hand, may have another text the next time.
    if (Object.isFrozen(strings)) singles.set(strings, single);
  }
  return single;
}

/** What was found out of statements that are prepared; each connection has one object for one text. */
const reads = new WeakMap<object, boolean>();

/**
 * Tells whether others may be sent behind a statement. Not behind one that may wait for a lock: whoever holds that may
 * himself be waiting for one of those others, and no server sees such a deadlock.
 *
 * @param statement Sent already.
 * @returns Whether they may.
 */
export function allowsFollowers(statement: Statement): boolean {
  const { query } = statement;
  // One whose parameters are described first has more to send when the description comes.
  if (!statement.pipelined || statement.failed || query.describeFirst) return false;
  const { statement: text, string = "" } = query;
  if (text === null) return false;
  let read = reads.get(text);
  if (read === undefined) {
    read = READ.test(string) && !MAY_WAIT.test(string);
    reads.set(text, read);
  }
  return read;
}
