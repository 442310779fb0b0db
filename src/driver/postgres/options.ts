/**
 * The driver's options: porsager's names, checked, and what they mean for us.
 *
 * @module
 */

import type { Runtime, SocketAddress } from "../../core/runtime.ts";
import type { Endpoint } from "./dial.ts";
import {
  type GivenOptions,
  type Login,
  type ParsedOptions,
  parseOptions,
  readValue,
} from "./parse_options.ts";
import { createTemplate, refuseSocket, type Template } from "./porsager.ts";
import { type SslOptions, tlsPolicy } from "./tls.ts";

/** Custom types by name, as porsager takes them. */
export type PostgresTypes = Record<string, import("postgres").PostgresType>;

/**
 * Options of the postgres driver, named and meant as porsager `postgres` has them. What is not given is read from the
 * `PG*` environment variables that porsager reads; those that may not be read (Deno) count as not set.
 */
export interface PostgresOptions<T extends PostgresTypes = Record<never, never>> {
  /** Host name or address; a path is the directory of a Unix socket. @default {"localhost"} */
  readonly host?: string;
  /** The same as `host`. */
  readonly hostname?: string;
  /** Port. @default {5432} */
  readonly port?: number;
  /** Unix socket, whole path. */
  readonly path?: string;
  /** Name of the database. @default {user} */
  readonly database?: string;
  /** The same as `database`. */
  readonly db?: string;
  /** Name of the role. @default {name of the operating system's user} */
  readonly user?: string;
  /** The same as `user`. */
  readonly username?: string;
  /** Password, or a function that is asked for it before each connect. */
  readonly password?: string | (() => string | Promise<string>);
  /** The same as `password`. */
  readonly pass?: string | (() => string | Promise<string>);
  /**
   * Whether and how to use TLS: `false`, `true` (verified in full), a mode of libpq's `sslmode`, or an object with
   * Node's names.
   *
   * @default {false}
   */
  readonly ssl?:
    | boolean
    | "disable"
    | "allow"
    | "prefer"
    | "require"
    | "verify-ca"
    | "verify-full"
    | SslOptions;
  /** `"direct"`: TLS from the first byte (PostgreSQL 17 and later). */
  readonly sslnegotiation?: "postgres" | "direct";
  /** Start-up parameters of the session, such as `application_name`, `search_path`, `statement_timeout`. */
  readonly connection?: Partial<import("postgres").ConnectionParameters>;
  /** Custom types. */
  readonly types?: T;
  /** Transforms of names, values and rows. */
  readonly transform?: import("postgres").Options<T>["transform"];
  /** Whether tagged statements are prepared under a name. @default {true} */
  readonly prepare?: boolean;
  /** The opposite of `prepare`. */
  readonly no_prepare?: boolean;
  /** Whether array types are learnt from the server. @default {true} */
  readonly fetch_types?: boolean;
  /** Called with each statement before it is sent. @default {false} */
  readonly debug?: import("postgres").Options<T>["debug"];
  /** Called with the server's notices. @default {nothing is done} */
  readonly onnotice?: (notice: import("postgres").Notice) => void;
  /** Called when the server reports a parameter. */
  readonly onparameter?: (key: string, value: unknown) => void;
  /** Called when a connection is gone, with a number of porsager's. */
  readonly onclose?: (id: number) => void;
  /** TCP keep-alive, in seconds of idleness; 0 for none. @default {60} */
  readonly keep_alive?: number | null;
  /**
   * What stands between here and the server. `"transaction"`: a pooler that may give each transaction to another backend
   * (PgBouncer's transaction mode, Hyperdrive). Then no statement is prepared under a name, none is pipelined behind
   * another, a cancel closes its connection instead of asking for a backend by its process id, and nothing is expected of
   * a session: what a lease sets is not there for its next statement, unless both are in one transaction.
   *
   * @default {"none"}
   */
  readonly pooler?: "none" | "transaction";
  /**
   * How the connections of `acquireShared()` are opened. A role: as that one, which should be one that cannot write. Not
   * given: as all others, with `default_transaction_read_only` on, which is **a guard against mistakes and not a proof**: a
   * function that is called can turn it off. `false`: like all others, so that shared leases may write, and take part in
   * the other connections. Behind a transaction pooler a role or `false`.
   *
   * @default {default_transaction_read_only}
   */
  readonly readOnly?: false | {
    /** Name of the role. */
    readonly username: string;
    /** Its password, or a function that is asked for it before each connect. */
    readonly password?: string | (() => string | Promise<string>);
  };
  /** Which kind of server is wanted; another one is refused. */
  readonly target_session_attrs?: import("postgres").Options<T>["target_session_attrs"];
}

/** Names of {@linkcode PostgresOptions}. */
export const POSTGRES_OPTION_NAMES: ReadonlySet<string> = new Set<keyof PostgresOptions>([
  "host",
  "hostname",
  "port",
  "path",
  "database",
  "db",
  "user",
  "username",
  "password",
  "pass",
  "ssl",
  "sslnegotiation",
  "connection",
  "types",
  "transform",
  "prepare",
  "no_prepare",
  "fetch_types",
  "debug",
  "onnotice",
  "onparameter",
  "onclose",
  "keep_alive",
  "pooler",
  "readOnly",
  "target_session_attrs",
]);

/** Pairs of names for one thing: giving both is a mistake, whichever would win. */
const ALIASES: readonly (readonly [string, string])[] = [
  ["host", "hostname"],
  ["database", "db"],
  ["user", "username"],
  ["password", "pass"],
  ["prepare", "no_prepare"],
];

/** What the driver needs to open connections. */
export interface ResolvedPostgresOptions {
  /** porsager's options, parsed once and shared by all connections. */
  readonly template: Template;
  /** Where and how. */
  readonly endpoint: Endpoint;
  /** Whether each transaction may have another backend. */
  readonly pooled: boolean;
  /** As whom sessions are opened. */
  readonly login: Login;
  /** As whom those are opened that are read-only; `undefined` if they are like all others. */
  readonly readerLogin: Login | undefined;
}

/**
 * Checks the options and parses them the way porsager does.
 *
 * @param url Connection URL; `undefined` to take all from the options and the environment.
 * @param options porsager's names.
 * @param runtime Has what is called in between run in its place: observers in nobody's context, callbacks of queries in that of
 * who wrote them. Without one they run wherever they are called.
 * @returns What the driver needs.
 * @throws {TypeError} If the URL is bad, names several hosts, or an option is wrong or does not exist. The message
 * never shows the URL, as it may hold a password.
 */
export function resolvePostgresOptions<T extends PostgresTypes>(
  url: string | undefined,
  options: PostgresOptions<T>,
  runtime?: Pick<Runtime, "capture" | "root">,
): ResolvedPostgresOptions {
  checkOptions(options);
  const fromUrl = url === undefined ? {} : readUrl(url);
  const given = { ...fromUrl.options, ...withoutAliases(options) };
  const parsed = parseOptions({
    ...pooledOptions(given),
    connection: { ...fromUrl.parameters, ...options.connection },
    // Without one porsager prints notices.
    onnotice: quietly(options.onnotice, runtime) ?? (() => {}),
    onparameter: quietly(options.onparameter, runtime),
    onclose: quietly(options.onclose, runtime),
    ...(typeof options.debug === "function" && { debug: inRoot(options.debug, runtime) }),
  }, refuseSocket);
  checkParsed(parsed);
  const pooled = given.pooler === "transaction";
  if (pooled && parsed.target_session_attrs) throw notPooled("target_session_attrs is given");
  const address = addressOf(parsed);
  const hostname = "hostname" in address ? address.hostname : undefined;
  const policy = tlsPolicy(parsed.ssl, parsed.sslnegotiation, hostname);
  const keepAlive = Number(parsed.keep_alive ?? 0);
  return {
    template: createTemplate(parsed, runtime?.capture),
    endpoint: { address, tls: policy, keepAliveMs: keepAlive > 0 ? keepAlive * 1000 : 0 },
    pooled,
    login: { user: parsed.user, pass: parsed.pass, connection: parsed.connection },
    readerLogin: readerLogin(parsed, given.readOnly as PostgresOptions["readOnly"], pooled),
  };
}

function readerLogin(
  { user, pass, connection }: ParsedOptions,
  readOnly: PostgresOptions["readOnly"],
  pooled: boolean,
): Login | undefined {
  if (readOnly === false) return undefined;
  if (readOnly !== undefined) {
    return { user: readOnly.username, pass: readOnly.password ?? "", connection };
  }
  // A pooler refuses parameters that it does not know, or has them meet other sessions.
  if (pooled) return undefined;
  return { user, pass, connection: { ...connection, default_transaction_read_only: "on" } };
}

/** Checks the option `readOnly`; no message shows the password. */
function checkReadOnly(readOnly: unknown): void {
  if (readOnly === undefined || readOnly === false) return;
  const { username, password, ...others } = (readOnly ?? {}) as Record<string, unknown>;
  const isLogin = typeof readOnly === "object" && typeof username === "string" && username !== "" &&
    (password === undefined || typeof password === "string" || typeof password === "function") &&
    Object.keys(others).length === 0;
  if (isLogin) return;
  throw new TypeError(
    `Cannot create pool as readOnly must be false or { username, password }: received ${
      shown(readOnly)
    }`,
  );
}

/** The options as a pooler wants them. */
function pooledOptions(given: Partial<GivenOptions>): Partial<GivenOptions> {
  if (given.pooler !== "transaction") return given;
  // A name would be one of the backend that happened to prepare it.
  if (given.prepare === true) throw notPooled("statements are to be prepared");
  return { ...given, prepare: false };
}

/**
 * An option that a pooler cannot keep.
 *
 * @param what What is wanted of it.
 */
export function notPooled(what: string): TypeError {
  return new TypeError(
    `Cannot create pool as ${what}, which a pooler does not go with: leave it out, or pooler: "transaction"`,
  );
}

function addressOf(parsed: ParsedOptions): SocketAddress {
  if (typeof parsed.path === "string") return { path: parsed.path };
  const hostname = parsed.host[0] ?? "localhost";
  const port = Number(parsed.port[0]);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new RangeError(
      `Cannot create pool as port must be an integer from 1 to 65535: received ${port}`,
    );
  }
  return { hostname, port };
}

/** Checks what may have come from the environment. */
function checkParsed({ host: [host = ""], user, target_session_attrs }: ParsedOptions): void {
  if (host.includes(",")) throw severalHosts();
  if (user === undefined) {
    throw new TypeError(
      "Cannot create pool as user is not given and cannot be found out: name it in the url or the options, " +
        "or let it be read from the environment (in Deno by --allow-env=PGUSER)",
    );
  }
  checkSessionAttributes(target_session_attrs);
}

/** Under one name each, so that what is given beside a URL wins over the URL whatever it is called. */
function withoutAliases(options: object): Partial<GivenOptions> {
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const [canonical = name] = ALIASES.find(([, alias]) => alias === name) ?? [];
    given[canonical] = name === "no_prepare" ? !value : value;
  }
  return given;
}

const SESSION_ATTRIBUTES: readonly unknown[] = [
  "read-write",
  "read-only",
  "primary",
  "standby",
  "prefer-standby",
];

function checkSessionAttributes(value: unknown): void {
  if (value === undefined || value === null || SESSION_ATTRIBUTES.includes(value)) return;
  throw new TypeError(
    `Cannot create pool as target_session_attrs must be one of ${SESSION_ATTRIBUTES.join(", ")}: ` +
      `received ${shown(value)}`,
  );
}

function checkOptions(options: object): void {
  const given = options as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    if (!POSTGRES_OPTION_NAMES.has(name)) {
      throw new TypeError(`Cannot create pool as there is no option "${name}"`);
    }
  }
  for (const [name, alias] of ALIASES) {
    if (given[name] !== undefined && given[alias] !== undefined) {
      throw new TypeError(
        `Cannot create pool as "${name}" and "${alias}" are two names of one option`,
      );
    }
  }
  for (const name of ["host", "hostname"]) {
    const host = given[name];
    if (Array.isArray(host) || typeof host === "string" && host.includes(",")) throw severalHosts();
  }
  for (
    const name of ["host", "hostname", "path", "database", "db", "user", "username"]
  ) checkType(name, given[name], "string");
  for (const name of ["onnotice", "onparameter", "onclose"]) {
    checkType(name, given[name], "function");
  }
  for (const name of ["prepare", "no_prepare", "fetch_types"]) {
    checkType(name, given[name], "boolean");
  }
  checkReadOnly(given.readOnly);
  const { pooler } = given;
  if (pooler !== undefined && pooler !== "none" && pooler !== "transaction") {
    throw new TypeError(
      `Cannot create pool as pooler must be "none" or "transaction": received ${shown(pooler)}`,
    );
  }
  for (const name of ["connection", "types"]) checkType(name, given[name], "object");
  // `postgres.toCamel` and its like are functions with the transforms as properties.
  if (typeof given.transform !== "function") checkType("transform", given.transform, "object");
  const port = given.port;
  if (Array.isArray(port)) throw severalHosts();
  if (port !== undefined && !Number.isInteger(Number(port))) {
    throw new TypeError(
      `Cannot create pool as port must be an integer from 1 to 65535: received ${shown(port)}`,
    );
  }
  for (const name of ["password", "pass"]) {
    const type = typeof given[name];
    if (given[name] !== undefined && type !== "string" && type !== "function") {
      throw new TypeError(
        `Cannot create pool as ${name} must be a string or a function: received a value of type ${type}`,
      );
    }
  }
  const keepAlive = given.keep_alive;
  if (keepAlive !== undefined && keepAlive !== null && !(Number(keepAlive) >= 0)) {
    throw new RangeError(
      `Cannot create pool as keep_alive must be a number of seconds >= 0: received ${
        shown(keepAlive)
      }`,
    );
  }
}

function checkType(name: string, value: unknown, type: string): void {
  if (value === undefined || (typeof value === type && value !== null)) return;
  const article = type === "object" ? "an" : "a";
  throw new TypeError(
    `Cannot create pool as ${name} must be ${article} ${type}: received ${shown(value)}`,
  );
}

/** A value for a message; of texts only short words, as a longer one could be a URL in the wrong place. */
function shown(value: unknown): string {
  if (typeof value === "string") return /^[\w.+-]{0,40}$/.test(value) ? `"${value}"` : "a string";
  if (value === null || typeof value === "number" || typeof value === "boolean") {
    return String(value);
  }
  return `a value of type ${typeof value}`;
}

function severalHosts(): TypeError {
  return new TypeError(
    "Cannot create pool as several hosts are given: this version connects to one",
  );
}

/** What a URL says. */
interface UrlParts {
  readonly options?: Partial<GivenOptions>;
  readonly parameters?: Record<string, string>;
}

/** URL parameters that are options of ours; all others are start-up parameters. */
const URL_OPTIONS: ReadonlySet<string> = new Set([
  "ssl",
  "sslnegotiation",
  "prepare",
  "fetch_types",
  "keep_alive",
  "target_session_attrs",
]);

/** URL parameters that libpq has and this version does not: as start-up parameters the server would refuse them. */
const URL_REFUSED: ReadonlySet<string> = new Set([
  "idle_timeout",
  "max_lifetime",
  "max_pipeline",
  "backoff",
  "sslcert",
  "sslkey",
  "sslcrl",
  "channel_binding",
]);

function readUrl(text: string): UrlParts {
  if (typeof text !== "string") {
    throw new TypeError(
      `Cannot create pool as url must be a string: received a value of type ${typeof text}`,
    );
  }
  const authority = /^[^:]*:\/\/([^/?#]*)/.exec(text)?.[1] ?? "";
  if (authority.slice(authority.lastIndexOf("@") + 1).includes(",")) throw severalHosts();
  const url = parseUrl(text);
  const options: Record<string, unknown> = {};
  const parameters: Record<string, string> = {};
  if (url.hostname !== "") {
    options.host = decode(url.hostname, "host").replace(/^\[(.*)\]$/, "$1");
    if (String(options.host).includes(",")) throw severalHosts();
  }
  if (url.port !== "") options.port = Number(url.port);
  if (url.username !== "") options.user = decode(url.username, "user");
  if (url.password !== "") options.password = decode(url.password, "password");
  if (url.pathname.length > 1) options.database = decode(url.pathname.slice(1), "database");
  for (const [name, value] of url.searchParams) {
    if (name === "sslmode") options.ssl = value;
    else if (name === "sslrootcert") {
      if (value !== "system") {
        throw new TypeError(
          `Cannot create pool as sslrootcert in a URL can only be "system": pass ssl: { ca } instead`,
        );
      }
      options.ssl = "verify-full";
    } else if (URL_REFUSED.has(name)) {
      throw new TypeError(
        `Cannot create pool as the URL parameter "${name}" is not available in this version`,
      );
    } else if (URL_OPTIONS.has(name)) options[name] = readValue(value);
    else parameters[name] = value;
  }
  return { options, parameters };
}

function parseUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new TypeError(
      "Cannot create pool as url must be of the form postgres://user:password@host:port/database",
    );
  }
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") {
    throw new TypeError(
      `Cannot create pool as url must begin with postgres:// or postgresql://: received ${url.protocol}//`,
    );
  }
  return url;
}

function decode(text: string, part: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TypeError(`Cannot create pool as the ${part} in the url is not percent-encoded well`);
  }
}

/**
 * An observer of the user's whose exception must not reach the driver: there it would go unhandled, or be taken for an
 * error of the statement in hand, whose answer would then be given to the next one.
 */
function quietly<Args extends unknown[]>(
  callback: ((...args: Args) => unknown) | undefined,
  runtime: Pick<Runtime, "root"> | undefined,
): ((...args: Args) => void) | undefined {
  if (callback === undefined) return undefined;
  return inRoot((...args: Args): void => {
    try {
      callback(...args);
    } catch {
      // An observer that throws never hurts.
    }
  }, runtime);
}

/** Has a function called in nobody's context: it must not hear of whoever happens to come by. */
function inRoot<Args extends unknown[], Result>(
  fn: (...args: Args) => Result,
  runtime: Pick<Runtime, "root"> | undefined,
): (...args: Args) => Result {
  return runtime === undefined ? fn : (...args) => runtime.root(() => fn(...args));
}
