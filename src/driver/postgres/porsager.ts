/**
 * What this driver relies on of porsager `postgres`, beyond its public types, in one place. The version is pinned
 * because of it.
 *
 * Read off version 3.4.9: a query is a promise that hands itself to its `handler` when first awaited; a connection
 * takes queries by `execute`; a connection with `reserved` set calls it, instead of the client's own pool, whenever all
 * it was given is over.
 *
 * @module
 */

import postgres from "postgres";
import type { Runtime } from "../../core/runtime.ts";
import { lighten, type LightQueryClass, type Origins } from "./light_query.ts";
import type { BothWays, Login, ParsedOptions, ParsedTransform } from "./parse_options.ts";
import type { STATEMENT, Statement } from "./statement.ts";

/** A query of porsager's, seen from the inside. */
export interface PorsagerQuery extends Promise<unknown> {
  /** What we know of it, once it was sent on its way. */
  [STATEMENT]?: Statement;
  /** Whether it was written as a tagged template. */
  readonly tagged: boolean;
  /** Literal parts of the statement. */
  strings: readonly string[];
  /** The whole statement, once it was built. */
  string?: string;
  /** Whether it runs as a simple query, and whatever else was asked for. */
  readonly options: {
    simple?: boolean;
    onexecute?: (connection: PorsagerConnection) => boolean;
  };
  /** Sends it, if that was not done. */
  execute(): unknown;
  /** Called with the query when it is first awaited. */
  handler: (query: PorsagerQuery) => void;
  /** Set while it waits for its answer; false once its promise settled. */
  active: boolean;
  /** Set by a cancel before it was sent. */
  cancelled: unknown;
  /** What a connection knows of its text; one object for all executions of a prepared statement. */
  statement: DescribedStatement | null;
  /** Whether it was prepared under a name, once it was built. */
  readonly prepare?: boolean;
  /** What it was prepared for, once it was built: what its values were taken for, and its text. */
  readonly signature?: unknown;
  /** Process id and secret of the session that executes it. */
  state?: unknown;
  /** Set, and an error is passed on to `reject` as it is. */
  reserve?: boolean;
  /** Values of the parameters, once it was built. */
  parameters?: readonly unknown[];
  readonly args: readonly unknown[];
  /** Whether its parameters are described before they are bound; an error is answered by a Sync then. */
  describeFirst?: unknown;
  /** Whether rows are arrays of bytes. */
  isRaw?: boolean | "values";
  /** Settle the promise. */
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  /** Whether it is a COPY whose promise settles when the stream starts. */
  readonly streaming?: boolean;
  /** Whether it is only described, not executed; if set while it is built, what was prepared for it is forgotten. */
  onlyDescribe?: boolean;
  /**
   * Whether it uses what was prepared before. If set when the server refuses it because that no longer holds, porsager
   * sends it again by itself: with values that are written out already and would be once more, and in disorder if others
   * are in flight.
   */
  prepared?: boolean;
  /** Set for cursors. */
  readonly cursorRows?: number;
  /** Set for `forEach` and cursors: the caller's own function runs while the answer is read. */
  forEachFn?: (...args: unknown[]) => unknown;
  cursorFn?: (rows: unknown) => unknown;
  /** Stack of where the query was written. */
  readonly origin: string;
}

/** What a connection knows of a text. */
export interface DescribedStatement {
  /** The text. */
  readonly string: string;
  /** Under which name it is prepared; empty if it is not. */
  readonly name: string;
  /** Types of its parameters. */
  readonly types: readonly number[];
  /** Columns of its rows, once they are described. */
  readonly columns?: readonly Column[] | null;
}

/** A column. */
export interface Column {
  /** Its name, as the rows have it. */
  readonly name: string;
  /** Makes its values of text; for arrays, of what is behind the first brace. */
  readonly parser?: ((text: string) => unknown) & { readonly array?: boolean };
}

/** Constructor of {@linkcode PorsagerQuery}. */
export type PorsagerQueryClass = new (
  strings: readonly string[],
  args: readonly unknown[],
  handler: ((query: PorsagerQuery) => void) & { debug?: unknown },
  canceller: (query: PorsagerQuery) => void,
  options?: Record<string, unknown>,
) => PorsagerQuery;

/** A physical connection of porsager's, seen from the inside. */
export interface PorsagerConnection {
  /** Number of the connection. */
  readonly id: number;
  /** Builds, sends and tracks one query. */
  execute(query: PorsagerQuery): unknown;
  /** Says goodbye and closes. */
  terminate(): void;
  /** Called when all queries are over. With `release` set it is called in any transaction state. */
  reserved: ((() => void) & { release?: boolean }) | null;
}

/** A client that never connects: it makes queries, fragments and helpers. */
export interface Template {
  /** The client itself. */
  readonly sql: postgres.Sql;
  /** Its options, shared by all connections. */
  readonly options: ParsedOptions;
  /** Class of its queries. */
  readonly Query: PorsagerQueryClass;
  /** Class of queries that cost less; made of a template only when that was used before. */
  readonly LightQuery: LightQueryClass;
  /** Where templates are written. */
  readonly origins: Origins;
  /**
   * Prototype of every `sql`: what is the same for all of them. To copy it into each would cost more than all the rest of
   * taking a lease.
   */
  readonly prototype: object;
  /** Captures the caller's context, for the callbacks of a query, where the runtime is known. */
  readonly capture?: Runtime["capture"];
}

/**
 * Sends a query behind one that is not answered yet. When it cannot even be built, porsager takes the error for that of
 * the query that is executing, and keeps the failed one in its list: here it is told apart, and the caller has to give
 * the list the answer it waits for.
 *
 * @param connection Where.
 * @param query What.
 * @param executing The oldest query that is not answered.
 * @returns Why it was not sent; `undefined` if it was.
 */
export function executeBehind(
  connection: PorsagerConnection,
  query: PorsagerQuery,
  executing: PorsagerQuery,
): { readonly error: unknown } | undefined {
  let failure: { readonly error: unknown } | undefined;
  const { reject } = executing;
  executing.reject = (error) => {
    failure = { error };
  };
  executing.reserve = true;
  connection.execute(query);
  executing.reserve = false;
  executing.reject = reject;
  return failure && { error: describeError(failure.error, query) };
}

/** Refuses what must never happen: a client of ours opening a socket by itself. */
export function refuseSocket(): never {
  throw new Error("Cannot open a socket as connections are opened by the pool");
}

/**
 * Makes a client that never connects.
 *
 * @param options Parsed, with {@linkcode refuseSocket} for a socket. They are taken as they are, and shared.
 * @param capture Captures the caller's context.
 * @returns The client and what it is made of.
 */
export function createTemplate(options: ParsedOptions, capture?: Runtime["capture"]): Template {
  const sql = postgres(options as unknown as postgres.Options<Record<never, never>>);
  const Query = sql.unsafe("").constructor as unknown as PorsagerQueryClass;
  return {
    sql: sql as postgres.Sql,
    options,
    Query,
    ...lighten(Query),
    prototype: Object.assign(Object.create(Function.prototype), {
      types: sql.types,
      typed: sql.typed,
      array: sql.array,
      json: sql.json,
    }),
    capture,
  };
}

/**
 * Makes a client for exactly one physical connection, on the template's own options object: parsers, serializers and
 * what was learnt of types are shared by all connections.
 *
 * @param template Whose options.
 * @param own What differs for this connection.
 * @returns The client.
 */
export function createClient(
  template: Template,
  own: {
    login: Login;
    pass: string;
    socket: () => unknown;
    fetchTypes: boolean;
    rowsAreOurs: () => boolean;
  },
): postgres.Sql {
  return postgres({
    ...template.options,
    transform: sparingOurs(template.options.transform, own.rowsAreOurs),
    max: 1,
    user: own.login.user,
    connection: own.login.connection,
    pass: own.pass,
    socket: own.socket,
    fetch_types: own.fetchTypes,
    // TLS, deadlines, life times and keep-alive are the pool's and the runtime's.
    ssl: false,
    connect_timeout: null,
    idle_timeout: null,
    max_lifetime: null,
    keep_alive: null,
    no_subscribe: true,
  } as unknown as postgres.Options<Record<never, never>>) as postgres.Sql;
}

/** A user's transforms are for the user's rows: of ours they could make anything, or fail on them. */
function sparingOurs(transform: ParsedTransform, rowsAreOurs: () => boolean): ParsedTransform {
  const sparing = ({ from, to }: BothWays): BothWays => ({
    from: from && ((value, ...more) => rowsAreOurs() ? value : from(value, ...more)),
    to,
  });
  return {
    ...transform,
    column: sparing(transform.column),
    value: sparing(transform.value),
    row: sparing(transform.row),
  };
}

/** Shape of the errors the server sends; porsager's class. */
export type PostgresError = postgres.PostgresError;

/** Fields of an ErrorResponse, by their letters, as porsager names them. */
const ERROR_FIELDS: Readonly<Record<string, string>> = {
  S: "severity_local",
  V: "severity",
  C: "code",
  M: "message",
  D: "detail",
  H: "hint",
  P: "position",
  p: "internal_position",
  q: "internal_query",
  W: "where",
  s: "schema_name",
  t: "table_name",
  c: "column_name",
  d: "data type_name",
  n: "constraint_name",
  F: "file",
  L: "line",
  R: "routine",
};

/**
 * Makes the error of a statement that porsager does not know of, as porsager would.
 *
 * @param body Of the ErrorResponse.
 * @returns The error; see {@linkcode describeError} and {@linkcode describeCommandError}.
 */
export function postgresError(body: Uint8Array): PostgresError {
  const fields: Record<string, string> = {};
  for (const field of new TextDecoder().decode(body).split("\0")) {
    const name = ERROR_FIELDS[field.slice(0, 1)];
    if (name !== undefined) fields[name] = field.slice(1);
  }
  const { PostgresError } = postgres as unknown as {
    PostgresError: new (fields: Record<string, string>) => PostgresError;
  };
  return new PostgresError(fields);
}

/**
 * Adds to an error what it was that failed, as porsager does: hidden from whoever prints it.
 *
 * @param thrown Anything.
 * @param query What failed, built.
 * @returns The error; another one if it was none.
 */
export function describeError(thrown: unknown, query: PorsagerQuery): unknown {
  const error = thrown !== null && typeof thrown === "object" ? thrown : new Error(String(thrown));
  if ("query" in error || "parameters" in error || !Object.isExtensible(error)) return error;
  const { string, parameters, args, statement } = query;
  return Object.defineProperties(error, {
    stack: { value: `${Reflect.get(error, "stack")}${originOf(query)}` },
    query: { value: string },
    parameters: { value: parameters },
    args: { value: args },
    types: { value: statement?.types },
  });
}

/**
 * Where a query was written, as it stands in a stack.
 *
 * @param query Of any kind.
 * @returns Nothing for text: asked for the origin of one, porsager keeps the text for good.
 */
export function originOf(query: PorsagerQuery): string {
  return query.tagged ? query.origin.replace(/.*\n/, "\n") : "";
}

/**
 * Adds the same to the error of a command that is no query.
 *
 * @param error Of the server.
 * @param text The command.
 * @returns `error`.
 */
export function describeCommandError(error: PostgresError, text: string): PostgresError {
  return Object.defineProperties(error, {
    query: { value: text },
    parameters: { value: [] },
    args: { value: [] },
    types: { value: [] },
  });
}

/**
 * Tells errors of the server from all others.
 *
 * @param error Anything.
 * @returns Whether the server sent it.
 */
export function isPostgresError(error: unknown): error is PostgresError {
  return error instanceof postgres.PostgresError;
}
