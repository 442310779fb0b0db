/**
 * Parses options as porsager `postgres` does. Its own parsing reads the environment whatever it is given, and without
 * the permission to do so ends with an error; what is parsed already it takes as it is.
 *
 * Read off `parseOptions` of version 3.4.9; a test holds the two against each other.
 *
 * @module
 */

import { readSystemUser, readVariable } from "./environment.ts";
import { typeHandlers } from "./type_handlers.ts";

/** Checked options, under one name each. */
export interface GivenOptions extends Readonly<Record<string, unknown>> {
  readonly host?: string;
  readonly port?: number | string;
  readonly path?: string;
  readonly database?: string;
  readonly user?: string;
  readonly password?: Password;
  readonly connection: Readonly<Record<string, unknown>>;
  readonly types?: object;
  readonly transform?: object;
}

/** A password, or a function that is asked for it before each connect. */
export type Password = string | (() => string | Promise<string>);

/** As whom a session is opened, and with what. */
export interface Login {
  /** Name of the role. */
  readonly user: string | undefined;
  /** Its password. */
  readonly pass: Password;
  /** Start-up parameters. */
  readonly connection: object;
}

/** porsager's options after parsing; what this driver does not look at is of no type. */
export interface ParsedOptions extends ReadFromVariables {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path: string | false;
  readonly database: string | undefined;
  readonly user: string | undefined;
  readonly pass: Password;
  readonly connection: object;
  readonly types: object;
  readonly target_session_attrs: unknown;
  readonly onnotice: unknown;
  readonly onnotify: unknown;
  readonly onclose: ((id: number) => void) | undefined;
  readonly onparameter: unknown;
  readonly socket: () => unknown;
  readonly transform: ParsedTransform;
  /** What the server reports is put here. */
  readonly parameters: object;
  /** Where this is there, porsager parses nothing. */
  readonly shared: object;
  readonly parsers: object;
  readonly serializers: object;
}

/** Those that have a variable of the same name. */
interface ReadFromVariables {
  readonly ssl: unknown;
  readonly sslnegotiation: unknown;
  readonly keep_alive: number | null;
  readonly prepare: boolean;
  readonly debug: unknown;
  readonly fetch_types: boolean;
  readonly publications: unknown;
}

/** What holds if it is neither given nor in a variable. */
const DEFAULTS: ReadFromVariables = {
  ssl: false,
  sslnegotiation: null,
  keep_alive: 60,
  prepare: true,
  debug: false,
  fetch_types: true,
  publications: "alltables",
};

/** What porsager has options for and the pool takes care of. */
const POOLED = {
  max: 1,
  idle_timeout: null,
  connect_timeout: null,
  max_lifetime: null,
  max_pipeline: 100,
  backoff: 0,
  no_subscribe: true,
} as const;

/**
 * Parses options.
 *
 * @param given What the URL and the options say.
 * @param socket Makes sockets, in porsager's place.
 * @returns What porsager makes of them.
 */
export function parseOptions(given: GivenOptions, socket: () => unknown): ParsedOptions {
  const host = given.host || readVariable("PGHOST") || "localhost";
  const port = Number(given.port ?? readVariable("PGPORT") ?? 5432);
  const user = given.user || readVariable("PGUSERNAME") || readVariable("PGUSER") ||
    readSystemUser();
  const types = given.types ?? {};
  return {
    ...POOLED,
    host: [host],
    port: [port],
    path: given.path || (host.startsWith("/") && `${host}/.s.PGSQL.${port}`),
    database: given.database || readVariable("PGDATABASE") || user,
    user,
    pass: given.password || readVariable("PGPASSWORD") || "",
    ...readFromVariables(given),
    connection: {
      application_name: readVariable("PGAPPNAME") ?? "postgres.js",
      ...given.connection,
    },
    types,
    target_session_attrs: given.target_session_attrs || readVariable("PGTARGETSESSIONATTRS"),
    onnotice: given.onnotice,
    onnotify: undefined,
    onclose: given.onclose as ParsedOptions["onclose"],
    onparameter: given.onparameter,
    socket,
    transform: parseTransform(given.transform),
    parameters: {},
    shared: { retries: 0, typeArrayMap: {} },
    ...typeHandlers(types),
  };
}

function readFromVariables(given: GivenOptions): ReadFromVariables {
  const read: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(DEFAULTS)) {
    read[name] = name in given
      ? given[name]
      : readValue(readVariable(`PG${name.toUpperCase()}`)) ?? value;
  }
  if (typeof read.keep_alive === "string") read.keep_alive = Number(read.keep_alive);
  return read as unknown as ReadFromVariables;
}

/**
 * Reads a value that is given as text, in a URL or in a variable.
 *
 * @param text The value.
 * @returns What it means.
 */
export function readValue(text: string | undefined): string | boolean | undefined {
  if (text === "true") return true;
  if (text === "false" || text === "disable") return false;
  return text;
}

/** Functions for both ways, or one for what comes from the server. */
type Transform = ((value: unknown) => unknown) | Partial<BothWays> | undefined;

/** Functions for both ways, as porsager has them. */
export interface BothWays {
  readonly from: ((value: unknown, ...more: unknown[]) => unknown) | undefined;
  readonly to: unknown;
}

/** Transforms, as porsager has them. */
export interface ParsedTransform {
  readonly undefined: unknown;
  readonly column: BothWays;
  readonly value: BothWays;
  readonly row: BothWays;
}

function parseTransform(transform: object = {}): ParsedTransform {
  const { undefined: replacement, column, value, row } = transform as {
    readonly undefined?: unknown;
    readonly column?: Transform;
    readonly value?: Transform;
    readonly row?: Transform;
  };
  return {
    undefined: replacement,
    column: bothWays(column),
    value: bothWays(value),
    row: bothWays(row),
  };
}

function bothWays(transform: Transform): BothWays {
  return typeof transform === "function"
    ? { from: transform, to: Reflect.get(transform, "to") }
    : { from: transform?.from, to: transform?.to };
}
