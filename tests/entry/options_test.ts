import { assert, assertEquals, assertThrows } from "@std/assert";
import { createPool, type CreatePoolOptions } from "../support/entry.ts";
import { splitOptions } from "../../src/entry/options.ts";
import { test } from "../support/harness.ts";

const SECRET = "s3cret";
const URL_TEXT = `postgres://app:${SECRET}@127.0.0.1:1/app`;

test("createPool() opens nothing", async () => {
  await using db = createPool(URL_TEXT);
  assertEquals([db.stats().total, db.stats().max, db.stats().state], [0, 10, "open"]);
});

test("createPool() takes a URL, a URL and options, or options alone", async () => {
  const pools = [
    createPool(URL_TEXT),
    createPool(URL_TEXT, { max: 3 }),
    createPool({ host: "127.0.0.1", user: "app", max: 3 }),
  ];
  assertEquals(pools.map((db) => db.stats().max), [10, 3, 3]);
  assertEquals(pools.map((db) => db.sql.options.host), Array(3).fill(["127.0.0.1"]));
  for (const db of pools) await db.close();
});

test("splitOptions() gives each option to whom it belongs", () => {
  const { url, pool, postgres } = splitOptions("postgres://app@h/d", {
    max: 3,
    maxWaiters: 4,
    acquireTimeoutMs: 5,
    connectTimeoutMs: 6,
    prepare: false,
    user: undefined,
  });
  assertEquals(url, "postgres://app@h/d");
  assertEquals(pool, { max: 3, maxWaiters: 4, acquireTimeoutMs: 5, connectTimeoutMs: 6 });
  assertEquals(postgres, { prepare: false });
});

test("splitOptions() takes porsager's seconds", () => {
  const timeoutOf = (url: string, options?: CreatePoolOptions) =>
    splitOptions(url, options).pool.connectTimeoutMs;
  assertEquals(timeoutOf("postgres://h/d", { connect_timeout: 1.5 }), 1_500);
  assertEquals(timeoutOf("postgres://h/d?connect_timeout=2"), 2_000);
  assertEquals(timeoutOf("postgres://h/d?connect_timeout=2", { connect_timeout: 3 }), 3_000);
  assertEquals(timeoutOf("postgres://h/d?connect_timeout=2", { connectTimeoutMs: 4 }), 4);
});

test("splitOptions() takes porsager's idle_timeout and max_lifetime: seconds, null or 0 for never", () => {
  const times = (url: string, options?: CreatePoolOptions) => {
    const { idleTimeoutMs, maxLifetimeMs } = splitOptions(url, options).pool;
    return [idleTimeoutMs, maxLifetimeMs];
  };
  const URL = "postgres://h/d";
  assertEquals(times(URL), [undefined, undefined]);
  assertEquals(times(URL, { idle_timeout: 20, max_lifetime: 1.5 }), [20_000, 1_500]);
  assertEquals(times(URL, { idle_timeout: null, max_lifetime: 0 }), [Infinity, Infinity]);
  const inUrl = `${URL}?idle_timeout=5&max_lifetime=6`;
  assertEquals(times(inUrl), [5_000, 6_000]);
  assertEquals(times(inUrl, { idle_timeout: 7, maxLifetimeMs: 8 }), [7_000, 8]);
  assertEquals(splitOptions(inUrl, {}).url, URL);
});

test("splitOptions() takes the pool's options out of the URL, and leaves the rest of it", () => {
  const { url, pool } = splitOptions("postgres://h/d?application_name=a%20b&max=7&ssl=true", {});
  assertEquals(pool, { max: 7 });
  const { searchParams } = new URL(url ?? "");
  assertEquals([...searchParams], [["application_name", "a b"], ["ssl", "true"]]);
  assertEquals(splitOptions("postgres://h/d?max=7", { max: 8 }).pool, { max: 8 });
  assertEquals(splitOptions("postgres://h/d?ssl=true", {}).url, "postgres://h/d?ssl=true");
});

test("createPool() refuses wrong options at once, naming rule and value, and shows no password", () => {
  const wrong: [unknown[], typeof TypeError | typeof RangeError, string][] = [
    [[URL_TEXT, { max: 0 }], RangeError, "max must be an integer >= 1: received 0"],
    [[URL_TEXT, { max: "5" }], TypeError, 'received "5"'],
    [[URL_TEXT, { maxWaiters: -1 }], RangeError, "received -1"],
    [[URL_TEXT, { acquireTimeoutMs: NaN }], RangeError, "received NaN"],
    [[URL_TEXT, { connectTimeoutMs: 0 }], RangeError, "received 0"],
    [[URL_TEXT, { clock: {} }], TypeError, "clock must be a Clock"],
    [
      [URL_TEXT, { connect_timeout: "5" }],
      TypeError,
      "connect_timeout must be a number of seconds > 0",
    ],
    [[`${URL_TEXT}?connect_timeout=soon`], RangeError, "received NaN"],
    [[`${URL_TEXT}?max=many`], RangeError, "received NaN"],
    [
      [URL_TEXT, { connect_timeout: 5, connectTimeoutMs: 5 }],
      TypeError,
      '"connectTimeoutMs" and "connect_timeout" are two names of one option',
    ],
    [
      [URL_TEXT, { idle_timeout: 5, idleTimeoutMs: 5_000 }],
      TypeError,
      '"idleTimeoutMs" and "idle_timeout" are two names of one option',
    ],
    [
      [URL_TEXT, { max_lifetime: null, maxLifetimeMs: Infinity }],
      TypeError,
      '"maxLifetimeMs" and "max_lifetime" are two names of one option',
    ],
    [
      [URL_TEXT, { idle_timeout: -1 }],
      RangeError,
      "idle_timeout must be a number of seconds > 0, or 0 or null for never: received -1",
    ],
    [
      [URL_TEXT, { max_lifetime: "5" }],
      TypeError,
      'max_lifetime must be a number of seconds > 0, or 0 or null for never: received "5"',
    ],
    [
      [URL_TEXT, { connect_timeout: 0 }],
      RangeError,
      "connect_timeout must be a number of seconds > 0: received 0",
    ],
    [[URL_TEXT, { minIdle: 11 }], RangeError, "minIdle must be <= max, which is 10: received 11"],
    [[URL_TEXT, { socket: 5 }], TypeError, '"socket" is not available in this version'],
    [[URL_TEXT, { acquireTimeout: 5 }], TypeError, 'there is no option "acquireTimeout"'],
    [[URL_TEXT, []], TypeError, "options must be an object: received an array"],
    [[URL_TEXT, "prepare"], TypeError, 'options must be an object: received "prepare"'],
    [[new URL(URL_TEXT)], TypeError, "url must be a string"],
    [[5], TypeError, "url must be a string: received 5"],
    [[null], TypeError, "url must be a string: received null"],
    [[`postgres://app:${SECRET}@a,b/app`], TypeError, "several hosts"],
    [["nonsense"], TypeError, "url must be of the form"],
    [[""], TypeError, "url must be of the form"],
    [[URL_TEXT, { password: [SECRET] }], TypeError, "password must be a string or a function"],
  ];
  const create = createPool as unknown as (...args: unknown[]) => unknown;
  for (const [args, type, text] of wrong) {
    const error = assertThrows(() => create(...args), type, text);
    assert(!error.message.includes(SECRET));
    assert(error.message.startsWith("Cannot create pool as "), error.message);
  }
});
