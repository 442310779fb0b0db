import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { systemClock } from "../../src/core/clock.ts";
import {
  checkAcquireOptions,
  POOL_OPTION_NAMES,
  resolveCloseTimeout,
  resolvePoolOptions,
} from "../../src/core/options.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";

const SECRET = "s3cret";

/** What cannot come from TypeScript comes from JavaScript. */
function untyped<T>(options: unknown): T {
  return options as T;
}

type ErrorClass = typeof TypeError | typeof RangeError;

/** The error's message is exactly this. */
function assertMessage(fn: () => unknown, errorClass: ErrorClass, message: string): void {
  const error = assertThrows(fn, errorClass);
  assertEquals(error.message, message);
}

test("resolvePoolOptions() fills in the defaults", () => {
  const defaults = {
    max: 10,
    maxWaiters: Infinity,
    acquireTimeoutMs: 10_000,
    connectTimeoutMs: 10_000,
    multiplex: "auto",
    maxPipeline: 64,
    clock: systemClock,
  } as const;
  assertEquals(resolvePoolOptions(), defaults);
  assertEquals(resolvePoolOptions({}), defaults);
  const nothing = { max: undefined, maxWaiters: undefined, acquireTimeoutMs: undefined };
  assertEquals(resolvePoolOptions({ ...nothing, clock: undefined }), defaults);
  assertEquals(new Set(Object.keys(defaults)), POOL_OPTION_NAMES);
});

test("resolvePoolOptions() keeps what was given", () => {
  const clock = new VirtualClock();
  const given = {
    max: 1,
    maxWaiters: 0,
    acquireTimeoutMs: 0,
    connectTimeoutMs: 0.5,
    multiplex: "off",
    maxPipeline: 1,
    clock,
  } as const;
  assertEquals(resolvePoolOptions(given), given);
  assertEquals(resolvePoolOptions({ acquireTimeoutMs: Infinity }).acquireTimeoutMs, Infinity);
});

const BAD_POOL_OPTIONS: readonly [unknown, ErrorClass, string][] = [
  [{ multiplex: true }, TypeError, 'multiplex must be "auto" or "off": received true'],
  [{ maxPipeline: 1.5 }, RangeError, "maxPipeline must be an integer >= 1: received 1.5"],
  [{ maxPipeline: Infinity }, RangeError, "maxPipeline must be an integer >= 1: received Infinity"],
  [null, TypeError, "options must be an object: received null"],
  [7, TypeError, "options must be an object: received 7"],
  [[], TypeError, "options must be an object: received an array"],
  [`postgres://app:${SECRET}@db`, TypeError, "options must be an object: received a string"],
  [{ maximum: 5 }, TypeError, 'there is no option "maximum"'],
  [{ password: SECRET }, TypeError, 'there is no option "password"'],
  [{ max: 0 }, RangeError, "max must be an integer >= 1: received 0"],
  [{ max: 2.5 }, RangeError, "max must be an integer >= 1: received 2.5"],
  [{ max: Infinity }, RangeError, "max must be an integer >= 1: received Infinity"],
  [{ max: "10" }, TypeError, 'max must be an integer >= 1: received "10"'],
  [{ max: null }, TypeError, "max must be an integer >= 1: received null"],
  [
    { max: `postgres://app:${SECRET}@db` },
    TypeError,
    "max must be an integer >= 1: received a string",
  ],
  [{ maxWaiters: -1 }, RangeError, "maxWaiters must be an integer >= 0 or Infinity: received -1"],
  [
    { maxWaiters: {} },
    TypeError,
    "maxWaiters must be an integer >= 0 or Infinity: received a value of type object",
  ],
  [
    { acquireTimeoutMs: -1 },
    RangeError,
    "acquireTimeoutMs must be a number of milliseconds >= 0 or Infinity: received -1",
  ],
  [
    { acquireTimeoutMs: NaN },
    RangeError,
    "acquireTimeoutMs must be a number of milliseconds >= 0 or Infinity: received NaN",
  ],
  [
    { acquireTimeoutMs: "5s" },
    TypeError,
    'acquireTimeoutMs must be a number of milliseconds >= 0 or Infinity: received "5s"',
  ],
  [
    { connectTimeoutMs: 0 },
    RangeError,
    "connectTimeoutMs must be a number of milliseconds > 0: received 0",
  ],
  [
    { connectTimeoutMs: Infinity },
    RangeError,
    "connectTimeoutMs must be a number of milliseconds > 0: received Infinity",
  ],
  [
    { connectTimeoutMs: true },
    TypeError,
    "connectTimeoutMs must be a number of milliseconds > 0: received true",
  ],
  [{ clock: null }, TypeError, "clock must be a Clock: received null"],
  [{ clock: Date }, TypeError, "clock must be a Clock: received a value of type function"],
];

for (const [options, errorClass, message] of BAD_POOL_OPTIONS) {
  test(`resolvePoolOptions() refuses: ${message}`, () => {
    assertMessage(
      () => resolvePoolOptions(untyped(options)),
      errorClass,
      `Cannot create pool as ${message}`,
    );
  });
}

test("resolvePoolOptions() refuses a clock that lacks anything", () => {
  for (const missing of ["now", "wallNow", "random", "schedule"]) {
    const clock = { ...systemClock, [missing]: undefined };
    assertMessage(
      () => resolvePoolOptions(untyped({ clock })),
      TypeError,
      "Cannot create pool as clock must be a Clock: received a value of type object",
    );
  }
});

test("checkAcquireOptions() takes what is right", () => {
  const { signal } = new AbortController();
  for (const timeoutMs of [undefined, 0, 5, Infinity]) checkAcquireOptions({ timeoutMs, signal });
  checkAcquireOptions({ signal: undefined });
});

const BAD_ACQUIRE_OPTIONS: readonly [unknown, ErrorClass, string][] = [
  [null, TypeError, "options must be an object: received null"],
  [500, TypeError, "options must be an object: received 500"],
  [{ timeout: 500 }, TypeError, 'there is no option "timeout"'],
  [
    { timeoutMs: -1 },
    RangeError,
    "timeoutMs must be a number of milliseconds >= 0 or Infinity: received -1",
  ],
  [
    { timeoutMs: null },
    TypeError,
    "timeoutMs must be a number of milliseconds >= 0 or Infinity: received null",
  ],
  [
    { signal: new AbortController() },
    TypeError,
    "signal must be an AbortSignal: received a value of type object",
  ],
];

for (const [options, errorClass, message] of BAD_ACQUIRE_OPTIONS) {
  test(`checkAcquireOptions() refuses: ${message}`, () => {
    assertMessage(
      () => checkAcquireOptions(untyped(options)),
      errorClass,
      `Cannot acquire a connection as ${message}`,
    );
  });
}

test("resolveCloseTimeout() gives the time to wait, 5 s by default", () => {
  assertEquals(resolveCloseTimeout(), 5_000);
  assertEquals(resolveCloseTimeout({ timeoutMs: undefined }), 5_000);
  for (const timeoutMs of [0, 1.5, Infinity]) {
    assertStrictEquals(resolveCloseTimeout({ timeoutMs }), timeoutMs);
  }
});

const BAD_CLOSE_OPTIONS: readonly [unknown, ErrorClass, string][] = [
  [null, TypeError, "options must be an object: received null"],
  [{ timeout: 5 }, TypeError, 'there is no option "timeout"'],
  [
    { timeoutMs: -5 },
    RangeError,
    "timeoutMs must be a number of milliseconds >= 0 or Infinity: received -5",
  ],
  [
    { timeoutMs: "5" },
    TypeError,
    'timeoutMs must be a number of milliseconds >= 0 or Infinity: received "5"',
  ],
];

for (const [options, errorClass, message] of BAD_CLOSE_OPTIONS) {
  test(`resolveCloseTimeout() refuses: ${message}`, () => {
    assertMessage(
      () => resolveCloseTimeout(untyped(options)),
      errorClass,
      `Cannot close pool as ${message}`,
    );
  });
}

test("options of every kind never show a secret in their messages", () => {
  const secrets = [`postgres://app:${SECRET}@db/app`, { password: SECRET }, [SECRET]];
  for (const secret of secrets) {
    const tries: (() => unknown)[] = [
      () => resolvePoolOptions(untyped(typeof secret === "string" ? secret : { secret })),
      ...[...POOL_OPTION_NAMES].map((name) => () =>
        resolvePoolOptions(untyped({ [name]: secret }))
      ),
      () => checkAcquireOptions(untyped({ timeoutMs: secret })),
      () => checkAcquireOptions(untyped({ signal: secret })),
      () => resolveCloseTimeout(untyped({ timeoutMs: secret })),
    ];
    for (const attempt of tries) {
      const error = assertThrows(attempt, Error);
      assert(!error.message.includes(SECRET), error.message);
    }
  }
});
