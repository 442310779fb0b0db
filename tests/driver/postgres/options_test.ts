import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type PostgresOptions,
  resolvePostgresOptions,
} from "../../../src/driver/postgres/options.ts";
import { test } from "../../support/harness.ts";
import { withEnvironment } from "./with_environment.ts";

const SECRET = "s3cret";

/** What is connected to, and as whom. */
function resolve(url: string | undefined, options: PostgresOptions = {}) {
  const { template, endpoint } = resolvePostgresOptions(url, options);
  const { user, pass, database } = template.options;
  return { ...endpoint.address, user, pass, database };
}

test("resolvePostgresOptions() reads a URL", () => {
  withEnvironment({}, () => {
    const app = { user: "app", pass: "", database: "app" };
    const urls: [string, unknown][] = [
      ["postgres://app@localhost", { hostname: "localhost", port: 5432, ...app }],
      ["postgresql://app@localhost/", { hostname: "localhost", port: 5432, ...app }],
      ["postgres://app@db.example:6543/app", { hostname: "db.example", port: 6543, ...app }],
      ["postgres://app@10.0.0.1/app", { hostname: "10.0.0.1", port: 5432, ...app }],
      ["postgres://app@[::1]:6543/app", { hostname: "::1", port: 6543, ...app }],
      ["postgres://app@[2001:db8::1]/app", { hostname: "2001:db8::1", port: 5432, ...app }],
      ["postgres://app@%2Ftmp%2Fpg/app", { path: "/tmp/pg/.s.PGSQL.5432", ...app }],
      ["postgres://app@%2Ftmp%2Fpg:6543/app", { path: "/tmp/pg/.s.PGSQL.6543", ...app }],
      [
        "postgres://a%40b:p%3Aw%2F%3F%23%25%20%C3%A9@h/d%2Fe%20f",
        { hostname: "h", port: 5432, user: "a@b", pass: "p:w/?#% é", database: "d/e f" },
      ],
      [
        "postgres://app:p@ss@h/d",
        { hostname: "h", port: 5432, user: "app", pass: "p@ss", database: "d" },
      ],
    ];
    for (const [url, expected] of urls) assertEquals([url, resolve(url)], [url, expected]);
  });
});

test("resolvePostgresOptions() takes the URL's parameters for options and start-up parameters", () => {
  const { template, endpoint } = resolvePostgresOptions(
    "postgres://app@h/d?application_name=mine&search_path=a%2Cb&prepare=false&fetch_types=false" +
      "&keep_alive=5&sslmode=require&sslnegotiation=direct&target_session_attrs=primary",
    { connection: { search_path: "c" } as Record<string, string> },
  );
  const options = template.options as unknown as Record<string, unknown>;
  assertEquals(options.connection, { application_name: "mine", search_path: "c" });
  assertEquals([options.prepare, options.fetch_types], [false, false]);
  assertEquals(options.target_session_attrs, "primary");
  assertEquals([endpoint.keepAliveMs, endpoint.tls?.direct], [5_000, true]);
});

test("resolvePostgresOptions() lets options win over the URL, under each of their names", () => {
  withEnvironment({}, () => {
    const url = `postgres://app:${SECRET}@h:1/d`;
    const mine = { hostname: "i", port: 2, user: "b", pass: "q", database: "e" };
    const spellings: PostgresOptions[] = [
      { host: "i", port: 2, user: "b", password: "q", database: "e" },
      { hostname: "i", port: 2, username: "b", pass: "q", db: "e" },
    ];
    for (const options of spellings) assertEquals(resolve(url, options), mine);
    assertEquals(resolve(url, { path: "/tmp/s" }), {
      path: "/tmp/s",
      user: "app",
      pass: SECRET,
      database: "d",
    });
    assertEquals(resolve(url, { host: undefined, user: undefined }), {
      hostname: "h",
      port: 1,
      user: "app",
      pass: SECRET,
      database: "d",
    });
  });
});

test("resolvePostgresOptions() takes no_prepare for the opposite of prepare", () => {
  const prepares = (url: string, options: PostgresOptions) =>
    Reflect.get(resolvePostgresOptions(url, options).template.options, "prepare");
  assertEquals(prepares("postgres://app@h/d", {}), true);
  assertEquals(prepares("postgres://app@h/d", { no_prepare: true }), false);
  assertEquals(prepares("postgres://app@h/d", { prepare: false }), false);
  assertEquals(prepares("postgres://app@h/d?prepare=false", { no_prepare: false }), true);
});

test("resolvePostgresOptions() reads what is not given from the environment", () => {
  const variables = {
    PGHOST: "envhost",
    PGPORT: "7777",
    PGUSER: "envuser",
    PGPASSWORD: "envpass",
    PGDATABASE: "envdb",
  };
  withEnvironment(variables, () => {
    assertEquals(resolve(undefined), {
      hostname: "envhost",
      port: 7777,
      user: "envuser",
      pass: "envpass",
      database: "envdb",
    });
    assertEquals(resolve("postgres://app@h"), {
      hostname: "h",
      port: 7777,
      user: "app",
      pass: "envpass",
      database: "envdb",
    });
  });
  withEnvironment({ PGHOST: "::1", PGUSER: "u" }, () => {
    assertEquals(resolve(undefined), {
      hostname: "::1",
      port: 5432,
      user: "u",
      pass: "",
      database: "u",
    });
  });
  withEnvironment({ PGHOST: "/tmp/pg", PGPORT: "7777", PGUSER: "u" }, () => {
    assertEquals(resolve(undefined), {
      path: "/tmp/pg/.s.PGSQL.7777",
      user: "u",
      pass: "",
      database: "u",
    });
  });
  withEnvironment({ PGUSER: "u" }, () => {
    assertEquals(resolve(undefined), {
      hostname: "localhost",
      port: 5432,
      user: "u",
      pass: "",
      database: "u",
    });
  });
});

test("resolvePostgresOptions() takes a directory, or a whole path, of a Unix socket", () => {
  const app = { user: "app", pass: "", database: "d" };
  const options = { user: "app", database: "d", password: "" };
  withEnvironment({}, () => {
    assertEquals(resolve(undefined, { ...options, host: "/tmp/pg" }), {
      path: "/tmp/pg/.s.PGSQL.5432",
      ...app,
    });
    assertEquals(resolve(undefined, { ...options, host: "/tmp/pg", port: 9 }), {
      path: "/tmp/pg/.s.PGSQL.9",
      ...app,
    });
    assertEquals(resolve(undefined, { ...options, path: "/tmp/x" }), { path: "/tmp/x", ...app });
  });
});

test("resolvePostgresOptions() refuses several hosts, wherever they are given", () => {
  const text = "several hosts are given: this version connects to one";
  const urls = [
    "postgres://app@a,b/d",
    `postgres://app:${SECRET}@a:1,b:2/d`,
    "postgres://app@a,b:5432",
    "postgres://app@a%2Cb/d",
    "postgres://app@[::1]:1,[::2]:2/d",
  ];
  for (const url of urls) {
    const error = assertThrows(() => resolvePostgresOptions(url, {}), TypeError, text);
    assert(!error.message.includes(SECRET));
  }
  const options: object[] = [
    { host: "a,b" },
    { hostname: "a,b" },
    { host: ["a", "b"] },
    { hostname: ["a"] },
    { port: [1, 2] },
  ];
  for (const option of options) {
    assertThrows(() => resolvePostgresOptions("postgres://app@h/d", option), TypeError, text);
  }
  withEnvironment({ PGHOST: "a,b", PGUSER: "u" }, () => {
    assertThrows(() => resolvePostgresOptions(undefined, {}), TypeError, text);
  });
});

test("resolvePostgresOptions() refuses a bad URL, and shows no password", () => {
  const form = "url must be of the form postgres://user:password@host:port/database";
  const urls: [string, string][] = [
    ["", form],
    ["localhost", form],
    [`app:${SECRET}@h/d`, "url must begin with postgres:// or postgresql://"],
    [`//app:${SECRET}@h/d`, form],
    [`postgres://app:${SECRET}@h:port/d`, form],
    [`postgres://app:${SECRET}@h:70000/d`, form],
    [`postgres://app:${SECRET}@[::1/d`, form],
    [
      `mysql://app:${SECRET}@h/d`,
      "url must begin with postgres:// or postgresql://: received mysql://",
    ],
    [`postgres://app:${SECRET}%zz@h/d`, "the password in the url is not percent-encoded well"],
    [`postgres://a%zz:${SECRET}@h/d`, "the user in the url is not percent-encoded well"],
    [`postgres://app:${SECRET}@h/%zz`, "the database in the url is not percent-encoded well"],
    [
      `postgres://app:${SECRET}@h/d?sslmode=bogus`,
      'sslmode must be disable, allow, prefer, require, verify-ca, verify-full: received "bogus"',
    ],
    [
      `postgres://app:${SECRET}@h/d?sslnegotiation=bogus`,
      'sslnegotiation must be "postgres" or "direct": received "bogus"',
    ],
    [
      `postgres://app:${SECRET}@h/d?sslmode=prefer&sslnegotiation=direct`,
      "sslnegotiation=direct needs sslmode require, verify-ca or verify-full",
    ],
    [
      `postgres://app:${SECRET}@h/d?sslrootcert=/etc/ca`,
      'sslrootcert in a URL can only be "system"',
    ],
    [
      `postgres://app:${SECRET}@h/d?sslcert=a`,
      'the URL parameter "sslcert" is not available in this version',
    ],
    [
      `postgres://app:${SECRET}@h/d?idle_timeout=5`,
      'the URL parameter "idle_timeout" is not available in this version',
    ],
    [
      `postgres://app:${SECRET}@h/d?target_session_attrs=any`,
      'target_session_attrs must be one of read-write, read-only, primary, standby, prefer-standby: received "any"',
    ],
  ];
  for (const [url, text] of urls) {
    const error = assertThrows(() => resolvePostgresOptions(url, {}), TypeError, text);
    assert(!error.message.includes(SECRET), url);
    assert(error.message.startsWith("Cannot create pool as "));
  }
  for (const url of [5, null, {}]) {
    assertThrows(
      () => resolvePostgresOptions(url as string, {}),
      TypeError,
      "url must be a string",
    );
  }
});

test("resolvePostgresOptions() refuses wrong options, naming rule and value, and shows no password", () => {
  const wrong: [object, typeof TypeError | typeof RangeError, string][] = [
    [{ host: 5 }, TypeError, "host must be a string: received 5"],
    [{ hostname: {} }, TypeError, "hostname must be a string: received a value of type object"],
    [{ path: true }, TypeError, "path must be a string: received true"],
    [{ database: null }, TypeError, "database must be a string: received null"],
    [{ db: 5 }, TypeError, "db must be a string: received 5"],
    [{ user: () => "u" }, TypeError, "user must be a string: received a value of type function"],
    [{ username: 5 }, TypeError, "username must be a string: received 5"],
    [{ port: "five" }, TypeError, 'port must be an integer from 1 to 65535: received "five"'],
    [{ port: 5.5 }, TypeError, "port must be an integer from 1 to 65535: received 5.5"],
    [{ port: 0 }, RangeError, "port must be an integer from 1 to 65535: received 0"],
    [{ port: 65_536 }, RangeError, "port must be an integer from 1 to 65535: received 65536"],
    [{ onnotice: "log" }, TypeError, 'onnotice must be a function: received "log"'],
    [{ onparameter: 5 }, TypeError, "onparameter must be a function: received 5"],
    [{ onclose: {} }, TypeError, "onclose must be a function: received a value of type object"],
    [{ prepare: "no" }, TypeError, 'prepare must be a boolean: received "no"'],
    [{ no_prepare: 1 }, TypeError, "no_prepare must be a boolean: received 1"],
    [{ fetch_types: 0 }, TypeError, "fetch_types must be a boolean: received 0"],
    [{ connection: "x" }, TypeError, 'connection must be an object: received "x"'],
    [{ connection: `postgres://app:${SECRET}@h/d` }, TypeError, "received a string"],
    [{ connection: null }, TypeError, "connection must be an object: received null"],
    [{ types: 5 }, TypeError, "types must be an object: received 5"],
    [{ transform: "camel" }, TypeError, 'transform must be an object: received "camel"'],
    [{ keep_alive: -1 }, RangeError, "keep_alive must be a number of seconds >= 0: received -1"],
    [{ keep_alive: "x" }, RangeError, 'keep_alive must be a number of seconds >= 0: received "x"'],
    [{ ssl: 5 }, TypeError, "ssl must be a boolean, a mode or an object: received 5"],
    [{ ssl: "on" }, TypeError, "sslmode must be disable, allow, prefer, require"],
    [{ ssl: { cacert: "x" } }, TypeError, 'there is no option "ssl.cacert"'],
    [{ ssl: "require", sslnegotiation: "now" }, TypeError, 'received "now"'],
    [{ target_session_attrs: "any" }, TypeError, 'received "any"'],
    [{ socket: () => {} }, TypeError, 'there is no option "socket"'],
    [{ hots: "h" }, TypeError, 'there is no option "hots"'],
    [{ password: { value: SECRET } }, TypeError, "password must be a string or a function"],
    [{ pass: [SECRET] }, TypeError, "pass must be a string or a function"],
    [{ host: "h", hostname: "h" }, TypeError, '"host" and "hostname" are two names of one option'],
    [{ database: "d", db: "d" }, TypeError, '"database" and "db" are two names of one option'],
    [{ user: "u", username: "u" }, TypeError, '"user" and "username" are two names of one option'],
    [
      { password: SECRET, pass: SECRET },
      TypeError,
      '"password" and "pass" are two names of one option',
    ],
    [
      { prepare: true, no_prepare: true },
      TypeError,
      '"prepare" and "no_prepare" are two names of one option',
    ],
  ];
  const url = `postgres://app:${SECRET}@h/d`;
  for (const [options, type, text] of wrong) {
    const error = assertThrows(() => resolvePostgresOptions(url, options), type, text);
    assert(!error.message.includes(SECRET));
    assert(error.message.startsWith("Cannot create pool as "));
  }
});

test("resolvePostgresOptions() keeps observers that throw from hurting anybody", () => {
  const heard: unknown[] = [];
  const observer = (...args: unknown[]): void => {
    heard.push(args);
    throw new Error("no");
  };
  const observers = { onclose: observer, onnotice: observer, onparameter: observer };
  const { template } = resolvePostgresOptions("postgres://app@h/d", observers);
  for (const name of Object.keys(observers)) {
    const callback: unknown = Reflect.get(template.options, name);
    assert(typeof callback === "function");
    callback(name, 7);
  }
  assertEquals(heard, [["onclose", 7], ["onnotice", 7], ["onparameter", 7]]);
});

test("resolvePostgresOptions() is silent about notices unless it is told otherwise", () => {
  const { template } = resolvePostgresOptions("postgres://app@h/d", {});
  assertEquals(typeof Reflect.get(template.options, "onnotice"), "function");
});
