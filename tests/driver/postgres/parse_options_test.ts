import { assert, assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import postgres from "postgres";
import {
  type PostgresOptions,
  resolvePostgresOptions,
} from "../../../src/driver/postgres/options.ts";
import { test } from "../../support/harness.ts";
import { withEnvironment } from "./with_environment.ts";

type Options = Readonly<Record<string, unknown>>;

/** What the pool takes care of, in ours; porsager would do it by itself. */
const POOLED = [
  "max",
  "idle_timeout",
  "connect_timeout",
  "max_lifetime",
  "max_pipeline",
  "backoff",
];

/** What is a function in ours and is not handed on as it is given. */
const OURS = ["socket", "onnotice", "onclose", "onparameter"];

/** Functions by the number of a type, which are compared by what they do. */
const HANDLERS = ["parsers", "serializers"];

function ourParse(url: string | undefined, options: PostgresOptions): Options {
  return resolvePostgresOptions(url, options).template.options as unknown as Options;
}

function porsagersParse(url: string | undefined, options: PostgresOptions): Options {
  // It changes what it is given.
  const given = { ...options } as postgres.Options<Record<never, never>>;
  const sql = url === undefined ? postgres(given) : postgres(url, given);
  return sql.options as unknown as Options;
}

function without(options: Options, names: readonly string[]): Options {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)));
}

/** Parses both ways and compares field by field. */
function assertParsedAlike(url: string | undefined, options: PostgresOptions = {}): void {
  const porsagers = porsagersParse(url, options);
  const ours = ourParse(url, options);
  const apart = [...POOLED, ...OURS, ...HANDLERS, "no_subscribe"];
  assertEquals(without(ours, apart), without(porsagers, apart), `${url}`);
  for (const name of Object.keys(porsagers)) assert(name in ours, name);
  for (const name of HANDLERS) {
    assertEquals(Object.keys(ours[name] as object), Object.keys(porsagers[name] as object));
  }
}

test("Options are parsed as porsager parses them, field by field", () => {
  withEnvironment({}, () => {
    const urls = [
      "postgres://app@localhost",
      "postgresql://app:secret@db.example:6543/data",
      "postgres://a%40b:p%3Aw%2F%3F%23%25@10.0.0.1/d?application_name=mine&search_path=a%2Cb",
      "postgres://app@h/d?prepare=false&sslmode=require&keep_alive=5",
      "postgres://app@h/d?ssl=disable&target_session_attrs=primary&sslnegotiation=postgres",
    ];
    for (const url of urls) assertParsedAlike(url);
    assertParsedAlike(undefined);
    assertParsedAlike(undefined, { user: "app" });
  });
});

test("Options beside a URL are parsed as porsager parses them, field by field", () => {
  const upper = (text: string): string => text.toUpperCase();
  const same = (value: unknown): unknown => value;
  const all: PostgresOptions[] = [
    { hostname: "i", port: 2, username: "b", pass: "q", db: "e" },
    { host: "i", port: 2, user: "b", password: "q", database: "e" },
    { password: () => "asked" },
    { path: "/tmp/socket" },
    { ssl: true },
    { ssl: { rejectUnauthorized: false, ca: "x" } },
    { ssl: "require", sslnegotiation: "direct" },
    { prepare: false },
    { no_prepare: true },
    { fetch_types: false },
    { debug: true },
    { keep_alive: null },
    { keep_alive: 0 },
    { target_session_attrs: "prefer-standby" },
    { connection: { application_name: "mine", statement_timeout: 5 } },
    { transform: postgres.camel as PostgresOptions["transform"] },
    { transform: { undefined: null } },
    { transform: { column: upper, value: same, row: same } },
    { transform: { column: { from: upper, to: upper }, value: { from: same }, row: {} } },
  ];
  withEnvironment({}, () => {
    for (const options of all) assertParsedAlike("postgres://app:secret@h:1/d", options);
  });
});

test("The environment is read as porsager reads it, field by field", () => {
  const server = { PGHOST: "envhost", PGPORT: "7777", PGUSER: "envuser" };
  const all: Record<string, string>[] = [
    server,
    { ...server, PGUSERNAME: "envname", PGPASSWORD: "envpass", PGDATABASE: "envdb" },
    { ...server, PGSSL: "require", PGSSLNEGOTIATION: "direct" },
    { ...server, PGKEEP_ALIVE: "7", PGAPPNAME: "envapp", PGPUBLICATIONS: "envpub" },
    { ...server, PGTARGETSESSIONATTRS: "standby" },
    { PGHOST: "", PGPORT: "", PGUSER: "u", PGPASSWORD: "", PGDATABASE: "", PGAPPNAME: "" },
  ];
  for (const variables of all) {
    withEnvironment(variables, () => {
      assertParsedAlike(undefined);
      assertParsedAlike("postgres://app@h/d?application_name=mine&keep_alive=5");
      assertParsedAlike("postgres://h", { ssl: false, target_session_attrs: "primary" });
    });
  }
});

test("Variables say yes and no as the URL does, where porsager takes either for yes", () => {
  withEnvironment({ PGUSER: "u", PGPREPARE: "false", PGSSL: "disable", PGDEBUG: "true" }, () => {
    const { prepare, ssl, debug } = ourParse(undefined, {});
    assertEquals([prepare, ssl, debug], [false, false, true]);
  });
});

test("A variable that porsager refuses is refused", () => {
  withEnvironment({ PGTARGETSESSIONATTRS: "any" }, () => {
    assertThrows(() => porsagersParse("postgres://app@h/d", {}), Error, "any");
    assertThrows(() => ourParse("postgres://app@h/d", {}), TypeError, 'received "any"');
  });
});

/** Calls a function of a list by the number of its type. */
function call(options: Options, list: string, type: number, value: unknown): unknown {
  const handler = Reflect.get(options[list] as object, type);
  assert(typeof handler === "function", `${list} ${type}`);
  return handler(value);
}

test("Values are read and written as porsager reads and writes them", () => {
  const url = "postgres://app@h/d";
  const ours = ourParse(url, {});
  const porsagers = porsagersParse(url, {});
  const now = new Date(1_700_000_000_000);
  const values: Record<string, readonly [types: readonly number[], values: readonly unknown[]]> = {
    parsers: [[21, 23, 26, 700, 701], ["1", "-1.5", "NaN"]],
    "parsers of JSON": [[114, 3802], ['{"a":[1,null]}', "5"]],
    "parsers of truth": [[16], ["t", "f"]],
    "parsers of dates": [[1082, 1114, 1184], ["2026-01-02", "2026-01-02 03:04:05+00"]],
    "parsers of bytes": [[17], ["\\x00ff", "\\x"]],
    serializers: [[0, 21, 23, 25, 26, 700, 701], [1, "a", 5n, true]],
    "serializers of JSON": [[114, 3802], [{ a: [1, null] }, "text", 5]],
    "serializers of truth": [[16], [true, false, "t"]],
    "serializers of dates": [[1082, 1114, 1184], [now, now.getTime(), now.toISOString()]],
    "serializers of bytes": [[17], [Uint8Array.of(0, 255), Buffer.from("a"), "text", [1, 2]]],
  };
  for (const [name, [types, samples]] of Object.entries(values)) {
    const [list = ""] = name.split(" ");
    for (const type of types) {
      for (const sample of samples) {
        assertEquals(call(ours, list, type, sample), call(porsagers, list, type, sample), name);
      }
    }
  }
});

test("Custom types are put on top as porsager does it, and stay with their pool", () => {
  const url = "postgres://app@h/d";
  const types = {
    point: {
      to: 600,
      from: [600],
      serialize: (x: string) => `(${x})`,
      parse: (x: string) => `<${x}>`,
    },
    day: { to: 1082, from: [1082], serialize: (x: string) => x, parse: (x: string) => x },
    bigint: postgres.BigInt,
  };
  const options = { types } as unknown as PostgresOptions;
  const ours = ourParse(url, options);
  const porsagers = porsagersParse(url, options);
  for (const name of HANDLERS) {
    assertEquals(Object.keys(ours[name] as object), Object.keys(porsagers[name] as object));
  }
  assertEquals(call(ours, "parsers", 600, "1,2"), "<1,2>");
  assertEquals(call(ours, "parsers", 1082, "2026-01-02"), "2026-01-02");
  assertEquals(call(ours, "parsers", 20, "5"), 5n);
  assertEquals(call(ours, "serializers", 20, 5n), "5");
  const plain = ourParse(url, {});
  assertEquals(600 in (plain.parsers as object), false);
  assertEquals(call(plain, "parsers", 1082, "2026-01-02"), new Date("2026-01-02"));
});
