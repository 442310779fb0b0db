/**
 * The `sql` that users write statements with: porsager's own queries, fragments and helpers, sent along a route of ours.
 *
 * @module
 */

import type { PathOrFileDescriptor } from "node:fs";
import type { PostgresTypes } from "./options.ts";
import type { PorsagerQuery, PorsagerQueryClass, Template } from "./porsager.ts";
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

/** An `sql`, from the inside. */
interface SqlFunction {
  (first: unknown, ...rest: unknown[]): unknown;
  [PARTS]: SqlParts;
}

/** What an `sql` is made of. */
interface SqlParts {
  /** Makes queries, fragments, helpers and parameters. */
  readonly template: Template;
  /** Sends a query on its way. */
  readonly handler: (query: PorsagerQuery) => void;
  /** Whose `sql` it is. */
  readonly owner: unknown;
}

/** Where an `sql` keeps its parts for the methods that are made later. */
const PARTS = Symbol("parts");

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
 * Makes an `sql`. Most live as long as a lease or a transaction, and are asked for no more than a statement: the methods are
 * made when they are first asked for.
 *
 * @param template Makes fragments, helpers and parameters; supplies the class of the queries.
 * @param route Where the queries go.
 * @param prototype What it has beside statements, derived from the template's; that itself, if not given.
 * @param owner What the functions given to {@linkcode lazily} are called with.
 * @returns A tag function with porsager's helpers.
 */
export function createSql<T extends PostgresTypes>(
  template: Template,
  route: Route,
  prototype?: object,
  owner?: unknown,
): BaseSql<T> {
  const tag = tagOf(prototype ?? template.prototype, METHODS);
  return assemble(template, route, tag, owner) as unknown as BaseSql<T>;
}

function assemble(template: Template, route: Route, tag: Tag, owner?: unknown): SqlFunction {
  const { capture, options: { debug } } = template;
  const send = (query: PorsagerQuery): void => {
    // Cancelled before it was awaited: settled already.
    if (query.cancelled) return;
    if (capture !== undefined) keepContext(query, capture, route);
    route.send(query);
  };
  const handler: typeof send & { debug?: unknown } = send;
  if (debug) handler.debug = debug;
  const parts: SqlParts = { template, handler, owner };
  // Bound to nothing, and no closure: porsager keeps an error for each place where a template is written, and with it the
  // functions and receivers on its stack. A lease among them could never be collected when it is forgotten.
  const sql = tag.bind(undefined, parts) as SqlFunction;
  sql[PARTS] = parts;
  return sql;
}

/**
 * Adds methods that are made when they are first asked for, one for each `sql`.
 *
 * @param prototype What an `sql` has beside statements; see {@linkcode createSql}.
 * @param members Makes each of them for the `sql`'s owner.
 * @returns `prototype`.
 */
export function lazily<O>(
  prototype: object,
  members: Readonly<Record<string, (owner: O) => unknown>>,
): object {
  for (const [name, make] of Object.entries(members)) {
    defineLazily(prototype, name, (sql) => make(sql[PARTS].owner as O));
  }
  return prototype;
}

function defineLazily(
  prototype: object,
  name: string,
  make: (sql: SqlFunction) => unknown,
): void {
  Object.defineProperty(prototype, name, {
    configurable: true,
    enumerable: true,
    get(this: SqlFunction): unknown {
      const value = make(this);
      setOwn(this, name, value);
      return value;
    },
    // As if it were the plain property that it is in porsager's.
    set(this: SqlFunction, value: unknown): void {
      setOwn(this, name, value);
    },
  });
}

function setOwn(sql: SqlFunction, name: string, value: unknown): void {
  Object.defineProperty(sql, name, {
    configurable: true,
    enumerable: true,
    writable: true,
    value,
  });
}

/** Makes a query of a template, or a helper of anything else. */
type Tag = (parts: SqlParts, first: unknown, ...rest: unknown[]) => unknown;

/** Methods by their names, each as what makes it. */
type Methods = Readonly<Record<string, (sql: SqlFunction) => unknown>>;

/** What every `sql` has of its own. */
const METHODS: Methods = { unsafe: unsafeOf, file: fileOf, notify: notifyOf };
/** What is left of it for single statements. */
const SHARED_METHODS: Methods = {
  unsafe: (sql) => inExtendedProtocol(unsafeOf(sql)),
  file: (sql) => inExtendedProtocol(fileOf(sql)),
};

/** What was made for a prototype before. */
const tags = new Map([METHODS, SHARED_METHODS].map((methods) => [
  methods,
  new WeakMap<object, Tag>(),
]));

/** What is bound has the prototype of what it is bound to: it need not be changed for every `sql`, which is slow. */
function tagOf(prototype: object, methods: Methods): Tag {
  const known = tags.get(methods);
  const before = known?.get(prototype);
  if (before !== undefined) return before;
  const tag: Tag = ({ template, handler }, first, ...rest) => {
    if (!isTemplate(first)) {
      const source: unknown = template.sql;
      return (source as (...all: unknown[]) => unknown)(first, ...rest);
    }
    const { LightQuery, Query, origins } = template;
    // In debug mode porsager looks anew where each of them is written.
    const origin = template.options.debug ? undefined : origins.of(first);
    return origin === undefined
      ? origins.remember(new Query(first, rest, handler, cancel))
      : new LightQuery(first, rest, handler, cancel, {}, origin);
  };
  const own: object = Object.create(prototype);
  for (const [name, make] of Object.entries(methods)) defineLazily(own, name, make);
  Object.setPrototypeOf(tag, own);
  known?.set(prototype, tag);
  return tag;
}

/** The class for what is given as text, of which nobody keeps where it is written but in debug mode. */
function textQuery({ options, Query, LightQuery }: Template): PorsagerQueryClass {
  return options.debug ? Query : LightQuery;
}

type FromText<F> = (from: F, ...more: [(unknown[] | TextOptions)?, TextOptions?]) => unknown;

function unsafeOf({ [PARTS]: { template, handler } }: SqlFunction): FromText<string> {
  return (text, ...more) => {
    const [args, options] = textArguments(more);
    const Query = textQuery(template);
    return new Query([text], args, handler, cancel, {
      prepare: false,
      ...options,
      simple: options.simple ?? args.length === 0,
    });
  };
}

function fileOf({ [PARTS]: { template, handler } }: SqlFunction): FromText<PathOrFileDescriptor> {
  return (path, ...more) => {
    const [args, options] = textArguments(more);
    const readThenSend = (query: PorsagerQuery): void => {
      readTextFile(path).then((text) => {
        query.strings = [text];
        handler(query);
      }, (error: unknown) => query.reject(error));
    };
    const Query = textQuery(template);
    return new Query([], args, readThenSend, cancel, {
      ...options,
      simple: options.simple ?? args.length === 0,
    });
  };
}

function inExtendedProtocol<F>(make: FromText<F>): FromText<F> {
  return (from, ...more) => {
    const [args, options] = textArguments(more);
    return make(from, args, { simple: false, ...options });
  };
}

function notifyOf(sql: SqlFunction): (channel: string, payload: string) => Promise<unknown> {
  // As in porsager, sent whether it is awaited or not.
  return async (channel, payload) =>
    await (sql as unknown as BaseSql<PostgresTypes>)`select pg_catalog.pg_notify(${channel}, ${
      "" + payload
    })`;
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
  const tag = tagOf(template.prototype, SHARED_METHODS);
  return assemble(template, route, tag) as unknown as SharedSql<T>;
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
