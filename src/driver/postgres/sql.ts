/**
 * The `sql` that users write statements with: porsager's own queries, fragments and helpers, sent along a route of ours.
 *
 * @module
 */

import type { PathOrFileDescriptor } from "node:fs";
import type { PostgresTypes } from "./options.ts";
import type { PorsagerQuery, Template } from "./porsager.ts";
import { cancelledError, STATEMENT } from "./statement.ts";

/** Types of the values of custom types, as porsager derives them. */
export type SqlTypes<T extends PostgresTypes> = {
  [Name in keyof T]: T[Name] extends {
    serialize: (value: infer Value) => unknown;
    parse: (raw: never) => infer Value;
  } ? Value
    : never;
};

/** Where queries go when they are awaited. */
export interface Route {
  /**
   * Sends a query on its way; must settle its promise in any case.
   *
   * @param query A query that was not sent before.
   */
  send(query: PorsagerQuery): void;
  /**
   * Calls a callback of a query, a cursor's or that of `forEach`, in its caller's context.
   *
   * @param query Sent before.
   * @param fn The callback.
   * @returns What it returns.
   */
  call?<R>(query: PorsagerQuery, fn: () => R): R;
}

/** Says whether something that belongs to one request may be used here and now. */
export interface Gate {
  /** Whether it belongs to another request than the one that runs. */
  readonly foreign: boolean;
  /**
   * Asks before something is sent.
   *
   * @returns Why it must not be; `undefined` if it may.
   */
  refusal(): Error | undefined;
}

/** An `sql` while it is put together. */
interface SqlFunction {
  (first: unknown, ...rest: unknown[]): unknown;
  unsafe?: unknown;
  file?: unknown;
  notify?: unknown;
}

/** porsager's options for a statement given as text. */
interface TextOptions {
  simple?: boolean;
  prepare?: boolean;
}

/** The `sql` of a pool: porsager's `Sql`. */
export type PoolSql<T extends PostgresTypes = Record<never, never>> = import("postgres").Sql<
  SqlTypes<T>
>;

/** The `sql` of a lease: porsager's `ReservedSql`. */
export type LeaseSql<T extends PostgresTypes = Record<never, never>> =
  import("postgres").ReservedSql<
    SqlTypes<T>
  >;

/** The `sql` of a shared lease: porsager's, for single statements only. */
export type SharedSql<T extends PostgresTypes = Record<never, never>> = BaseSql<T> & {
  /** There is none: to listen and to notify is for leases and pools. */
  readonly notify: never;
};

/** The part of porsager's `sql` that every kind of it has: pool, lease, transaction. */
export type BaseSql<T extends PostgresTypes> = import("postgres").ISql<SqlTypes<T>>;

/**
 * Makes an `sql`.
 *
 * @param template Makes fragments, helpers and parameters; supplies the class of the queries.
 * @param route Where the queries go.
 * @param prototype What it has beside statements; derived from the template's.
 * @returns A tag function with porsager's helpers.
 */
export function createSql<T extends PostgresTypes>(
  template: Template,
  route: Route,
  prototype: object = template.prototype,
): BaseSql<T> {
  const { sql: source, Query, capture, options: { debug } } = template;
  const send = (query: PorsagerQuery): void => {
    // Cancelled before it was awaited: settled already.
    if (query.cancelled) return;
    if (capture !== undefined) keepContext(query, capture, route);
    route.send(query);
  };
  const handler: typeof send & { debug?: unknown } = send;
  if (debug) handler.debug = debug;

  // Bound to nothing, and no closure: porsager keeps an error for each place where a template is written, and with it the
  // functions and receivers on its stack. A lease among them could never be collected when it is forgotten.
  const sql: SqlFunction = tag.bind(undefined, { Query, source, handler });

  const unsafe = (text: string, ...more: [(unknown[] | TextOptions)?, TextOptions?]): unknown => {
    const [args, options] = textArguments(more);
    return new Query([text], args, handler, cancel, {
      prepare: false,
      ...options,
      simple: options.simple ?? args.length === 0,
    });
  };

  const file = (
    path: PathOrFileDescriptor,
    ...more: [(unknown[] | TextOptions)?, TextOptions?]
  ): unknown => {
    const [args, options] = textArguments(more);
    const readThenSend = (query: PorsagerQuery): void => {
      readTextFile(path).then((text) => {
        query.strings = [text];
        send(query);
      }, query.reject);
    };
    return new Query([], args, readThenSend, cancel, {
      ...options,
      simple: options.simple ?? args.length === 0,
    });
  };

  // As in porsager, sent whether it is awaited or not.
  const notify = async (channel: string, payload: string): Promise<unknown> =>
    await sql`select pg_catalog.pg_notify(${channel}, ${"" + payload})`;

  Object.setPrototypeOf(sql, prototype);
  sql.unsafe = unsafe;
  sql.file = file;
  sql.notify = notify;
  return sql as unknown as BaseSql<T>;
}

/**
 * Makes the `sql` of a shared lease: what is given as text is one statement in the extended protocol.
 *
 * @param template Makes fragments, helpers and parameters; supplies the class of the queries.
 * @param route Where the queries go.
 * @returns A tag function with porsager's helpers.
 */
export function createSharedSql<T extends PostgresTypes>(
  template: Template,
  route: Route,
): SharedSql<T> {
  const sql = createSql<T>(template, route) as unknown as SqlFunction;
  type Make = (from: unknown, args: unknown[], options: TextOptions) => unknown;
  for (const name of ["unsafe", "file"] as const) {
    const make = sql[name] as Make;
    sql[name] = (from: unknown, ...more: [(unknown[] | TextOptions)?, TextOptions?]): unknown => {
      const [args, options] = textArguments(more);
      return make(from, args, { simple: false, ...options });
    };
  }
  delete sql.notify;
  return sql as unknown as SharedSql<T>;
}

/** What makes a query of a template, or a helper of anything else. */
interface TagContext {
  readonly Query: Template["Query"];
  readonly source: unknown;
  readonly handler: (query: PorsagerQuery) => void;
}

function tag(context: TagContext, first: unknown, ...rest: unknown[]): unknown {
  const { Query, source, handler } = context;
  return isTemplate(first)
    ? new Query(first, rest, handler, cancel)
    : (source as (...all: unknown[]) => unknown)(first, ...rest);
}

/** Callbacks of a query are called by the socket, which is in nobody's context: they get their caller's. */
function keepContext(
  query: PorsagerQuery,
  capture: () => <R>(fn: () => R) => R,
  route: Route,
): void {
  const { forEachFn, cursorFn } = query;
  if (forEachFn === undefined && cursorFn === undefined) return;
  const inContext = capture();
  const call = <R>(fn: () => R): R =>
    inContext(() => route.call === undefined ? fn() : route.call(query, fn));
  if (forEachFn !== undefined) query.forEachFn = (...args) => call(() => forEachFn(...args));
  if (cursorFn !== undefined) query.cursorFn = (rows) => call(() => cursorFn(rows));
}

function isTemplate(first: unknown): first is TemplateStringsArray {
  return Array.isArray(first) && "raw" in first && Array.isArray(first.raw);
}

/** porsager lets the arguments be left out before the options. */
function textArguments(
  more: [(unknown[] | TextOptions)?, TextOptions?],
): [unknown[], TextOptions] {
  const [first, second] = more;
  if (Array.isArray(first)) return [first, second ?? {}];
  return [[], first ?? second ?? {}];
}

/** `query.cancel()`: never the driver's own, which can strike another statement. */
function cancel(query: PorsagerQuery): void {
  const statement = query[STATEMENT];
  if (statement !== undefined) return statement.cancel();
  query.cancelled = true;
  query.reject(cancelledError("not-applied"));
}

/** Loaded when used: not every runtime has files. */
async function readTextFile(path: PathOrFileDescriptor): Promise<string> {
  const { readFile } = await import("node:fs");
  return await new Promise((resolve, reject) => {
    readFile(path, "utf8", (error, text) => error ? reject(error) : resolve(text));
  });
}
