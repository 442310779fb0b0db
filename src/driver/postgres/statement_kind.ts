/**
 * What a statement may do, by its text. Where the text does not show it, the answer is the safe one.
 *
 * @module
 */

import type { PorsagerQuery } from "./porsager.ts";

/** Statements that neither begin nor end anything, nor change the session: by their first word. */
export const SINGLE: RegExp = /^\s*(?:select|insert|update|delete|merge|with|values|table)\b/i;

/** Ends sessions, its own perhaps: sent again it would end one more. */
const ENDS_SESSIONS = /pg_terminate_backend/i;

/**
 * Words with which a statement may end its transaction. A statement that was sent and has one of them may have
 * committed, whatever else it says.
 */
const ENDS_TRANSACTION =
  /\b(?:commit|end|prepare|rollback(?!\s+(?:(?:work|transaction)\s+)?to\b)|abort|call|do)\b/i;

/** Statements that write nothing, but for the functions that they call; comments before them are no matter. */
const READS =
  /^(?:\s|--.*\n|\/\*[^*]*(?:\*(?!\/)[^*]*)*\*\/)*(?:select|values|table|show|savepoint|release|rollback|set|fetch|declare|close|move|explain|lock|listen|notify)\b/i;
/** Takes an id for its transaction: locks of rows, tables made of rows. */
const WRITES_ALL_THE_SAME =
  /\b(?:for\s+(?:no\s+key\s+update|update|key\s+share|share)|into|analyze)\b/i;
const CALLS = /([a-z_][a-z0-9_$.]*)\s*\(/gi;
/** What stands before a parenthesis and writes nothing. */
const HARMLESS: ReadonlySet<string> = new Set(
  ("select from where and or not in any all some exists values on using as over filter by having when then else " +
    "with union except intersect case between like ilike is distinct array row limit offset cast coalesce nullif greatest " +
    "least count sum min max avg array_agg string_agg json_agg jsonb_agg json_build_object jsonb_build_object " +
    "json_object_agg jsonb_object_agg to_json to_jsonb row_to_json json_array_elements jsonb_array_elements bool_and bool_or " +
    "every length lower upper trim btrim ltrim rtrim substring substr position replace concat concat_ws format left right " +
    "abs ceil ceiling floor round trunc mod power sqrt random now date_trunc date_part extract age clock_timestamp to_char " +
    "to_date to_timestamp make_interval unnest generate_series row_number rank dense_rank lag lead first_value last_value " +
    "array_length cardinality array_to_string string_to_array split_part regexp_replace regexp_match regexp_matches md5 encode " +
    "decode current_setting varchar char numeric decimal timestamp timestamptz interval bit").split(
      " ",
    ),
);
const COPIES = /\bcopy\b/i;
/** Its own words may change the access mode that its transaction was begun with, or do what is done at COMMIT in any mode. */
const SETS_MODE =
  /\bset\s+(?:local\s+|session\s+)?(?:transaction|characteristics)|transaction_read_only|notify/i;

/** What a statement may do to the transaction that it is sent in; where its text does not show it, it may. */
export interface TransactionEffects {
  /** Whether it may end it. */
  readonly mayEnd: boolean;
  /** Whether it may change its access mode, or do what is done at COMMIT in any mode. */
  readonly setsMode: boolean;
  /** Whether it may be the first that writes, so that the transaction has an id afterwards. */
  readonly mayWrite: boolean;
}

/** By what a connection knows of a statement, one object for all executions of a prepared one: its text is read but once. */
const known = new WeakMap<object, TransactionEffects>();

/**
 * Tells what a query may do to the transaction that it is sent in.
 *
 * @param query Built.
 * @returns What it may do.
 */
export function effectsInTransaction(query: PorsagerQuery): TransactionEffects {
  const { statement } = query;
  const found = statement ? known.get(statement) : undefined;
  if (found !== undefined) return found;
  const effects = {
    mayEnd: mayEndTransaction(query),
    setsMode: SETS_MODE.test(textOf(query)),
    mayWrite: mayWrite(query),
  };
  if (statement) known.set(statement, effects);
  return effects;
}

/**
 * Gives a query's text.
 *
 * @param query Built or not.
 * @returns The statement, as far as it is known.
 */
export function textOf(query: PorsagerQuery): string {
  return query.string ?? query.strings.join(" ");
}

/**
 * Tells whether a query is one statement that has its effect as a whole or not at all: when the server ends the session
 * amid it, and says so, it had none. Not so `CALL` and `DO`, which may have committed in between, commands such as `CREATE
 * INDEX CONCURRENTLY`, and simple queries, which may be many.
 *
 * @param query Sent already.
 * @returns Whether it is; `false` where that cannot be seen.
 */
export function isAtomic(query: PorsagerQuery): boolean {
  const text = textOf(query);
  return !query.options.simple && SINGLE.test(text) && !ENDS_SESSIONS.test(text);
}

/**
 * Tells whether a query may have ended the transaction that it was sent in.
 *
 * @param query Sent already.
 * @returns Whether it may; `true` where that cannot be seen.
 */
export function mayEndTransaction(query: PorsagerQuery): boolean {
  const text = textOf(query);
  return !(SINGLE.test(text) && !query.options.simple) && ENDS_TRANSACTION.test(text);
}

/**
 * Tells whether a query may be the first of its transaction that writes, so that the transaction has an id afterwards.
 *
 * @param query Sent already.
 * @returns Whether it may; `true` where that cannot be seen.
 */
function mayWrite(query: PorsagerQuery): boolean {
  const text = textOf(query);
  if (!READS.test(text) || WRITES_ALL_THE_SAME.test(text)) return true;
  for (const [, name = ""] of text.matchAll(CALLS)) {
    if (!HARMLESS.has(name.toLowerCase())) return true;
  }
  return query.options.simple === true && text.includes(";");
}

/**
 * Tells whether bytes may follow a query before it is answered: not while the server may take them for data.
 *
 * @param query Sent already.
 * @returns Whether they may.
 */
export function mayBeFollowed(query: PorsagerQuery): boolean {
  return query.cursorRows === undefined && query.cursorFn === undefined && !query.streaming &&
    !query.onlyDescribe && !COPIES.test(textOf(query));
}
