import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { systemClock } from "../../src/core/clock.ts";
import {
  checkAcquireOptions,
  POOL_OPTION_NAMES,
  type PoolOptions,
  resolveCloseTimeout,
  resolvePoolOptions,
} from "../../src/core/options.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { contextVariable, root } from "../../src/runtime/async_context.ts";
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
    minIdle: 0,
    maxIdle: undefined,
    maxPendingConnects: undefined,
    maxWaiters: Infinity,
    maxShared: 0,
    reserved: 0,
    lateWaiters: "queue",
    acquireTimeoutMs: 10_000,
    connectTimeoutMs: 10_000,
    session: undefined,
    reset: "rollback",
    checkAfterIdleMs: 1_000,
    checkTimeoutMs: 2_000,
    idleTimeoutMs: 300_000,
    keepaliveMs: Infinity,
    maxLifetimeMs: 1_800_000,
    maxUses: Infinity,
    unavailable: "wait",
    multiplex: "auto",
    maxPipeline: 256,
    observer: undefined,
    leakAfterMs: Infinity,
    context: undefined,
    name: undefined,
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
    max: 3,
    minIdle: 1,
    maxIdle: 2,
    maxPendingConnects: 1,
    maxWaiters: 0,
    maxShared: 2,
    reserved: 2,
    lateWaiters: "refuse",
    acquireTimeoutMs: 0,
    connectTimeoutMs: 0.5,
    session: ["set a b"],
    reset: "discard",
    checkAfterIdleMs: 0,
    checkTimeoutMs: 0.5,
    idleTimeoutMs: 0.5,
    keepaliveMs: 0.5,
    maxLifetimeMs: 1,
    maxUses: 1,
    unavailable: "fail-fast",
    multiplex: "off",
    maxPipeline: 1,
    observer: {},
    leakAfterMs: 1,
    context: { contextVariable, root },
    name: "orders",
    clock,
  } as const;
  assertEquals(resolvePoolOptions(given), given);
  assertEquals(resolvePoolOptions({ acquireTimeoutMs: Infinity }).acquireTimeoutMs, Infinity);
  const infinite = { checkAfterIdleMs: Infinity, maxLifetimeMs: Infinity, maxUses: Infinity };
  assertEquals({ ...resolvePoolOptions(infinite), ...infinite }, resolvePoolOptions(infinite));
  for (const reset of ["none", "rollback", "session"] as const) {
    assertEquals(resolvePoolOptions({ reset }).reset, reset);
  }
  for (const session of ["set a b", () => {}, async () => {}]) {
    assertStrictEquals(resolvePoolOptions({ session }).session, session);
  }
});

test("resolvePoolOptions() copies the session's list: it does not change with the caller's", () => {
  const session = ["set a b"];
  const resolved = resolvePoolOptions({ session });
  session.push("set c d");
  assertEquals(resolved.session, ["set a b"]);
});

const RESET_RULE = 'reset must be "none", "rollback", "session" or "discard"';
const SESSION_RULE = "session must be a string, an array of strings, or a function";

const BAD_POOL_OPTIONS: readonly [unknown, ErrorClass, string][] = [
  [{ minIdle: -1 }, RangeError, "minIdle must be an integer >= 0: received -1"],
  [{ minIdle: 11 }, RangeError, "minIdle must be <= max, which is 10: received 11"],
  [{ maxIdle: 1.5 }, RangeError, "maxIdle must be an integer >= 0: received 1.5"],
  [{ max: 3, maxIdle: 4 }, RangeError, "maxIdle must be <= max, which is 3: received 4"],
  [
    { minIdle: 3, maxIdle: 2 },
    RangeError,
    "minIdle must be <= maxIdle, which is 2: received 3",
  ],
  [{ maxPendingConnects: 0 }, RangeError, "maxPendingConnects must be an integer >= 1: received 0"],
  [
    { idleTimeoutMs: 0 },
    RangeError,
    "idleTimeoutMs must be a number of milliseconds > 0 or Infinity: received 0",
  ],
  [
    { keepaliveMs: null },
    TypeError,
    "keepaliveMs must be a number of milliseconds > 0 or Infinity: received null",
  ],
  [{ name: "" }, TypeError, 'name must be a string that is not empty: received ""'],
  [{ name: 1 }, TypeError, "name must be a string that is not empty: received 1"],
  [{ reset: "all" }, TypeError, `${RESET_RULE}: received "all"`],
  [{ reset: true }, TypeError, `${RESET_RULE}: received true`],
  [{ reset: null }, TypeError, `${RESET_RULE}: received null`],
  [{ session: 1 }, TypeError, `${SESSION_RULE}: received 1`],
  [{ session: ["set a b", null] }, TypeError, `${SESSION_RULE}: received an array`],
  [
    { checkAfterIdleMs: -1 },
    RangeError,
    "checkAfterIdleMs must be a number of milliseconds >= 0 or Infinity: received -1",
  ],
  [
    { checkAfterIdleMs: "always" },
    TypeError,
    'checkAfterIdleMs must be a number of milliseconds >= 0 or Infinity: received "always"',
  ],
  [
    { checkTimeoutMs: 0 },
    RangeError,
    "checkTimeoutMs must be a number of milliseconds > 0: received 0",
  ],
  [
    { checkTimeoutMs: Infinity },
    RangeError,
    "checkTimeoutMs must be a number of milliseconds > 0: received Infinity",
  ],
  [
    { maxLifetimeMs: 0 },
    RangeError,
    "maxLifetimeMs must be a number of milliseconds > 0 or Infinity: received 0",
  ],
  [{ maxUses: 0 }, RangeError, "maxUses must be an integer >= 1 or Infinity: received 0"],
  [
    { unavailable: "retry" },
    TypeError,
    'unavailable must be "wait" or "fail-fast": received "retry"',
  ],
  [{ multiplex: true }, TypeError, 'multiplex must be "auto" or "off": received true'],
  [{ maxPipeline: 1.5 }, RangeError, "maxPipeline must be an integer >= 1: received 1.5"],
  [{ maxPipeline: Infinity }, RangeError, "maxPipeline must be an integer >= 1: received Infinity"],
  [{ maxShared: -1 }, RangeError, "maxShared must be an integer >= 0: received -1"],
  [{ maxShared: true }, TypeError, "maxShared must be an integer >= 0: received true"],
  [{ reserved: -1 }, RangeError, "reserved must be an integer >= 0: received -1"],
  [{ reserved: "1" }, TypeError, 'reserved must be an integer >= 0: received "1"'],
  [{ reserved: 10 }, RangeError, "reserved must be less than max, which is 10: received 10"],
  [
    { max: 1, reserved: 1 },
    RangeError,
    "reserved must be less than max, which is 1: received 1",
  ],
  [{ lateWaiters: "drop" }, TypeError, 'lateWaiters must be "queue" or "refuse": received "drop"'],
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
      () => resolvePoolOptions(untyped<PoolOptions>(options)),
      errorClass,
      `Cannot create pool as ${message}`,
    );
  });
}

test("resolvePoolOptions() refuses a clock that lacks anything", () => {
  for (const missing of ["now", "wallNow", "random", "schedule"]) {
    const clock = { ...systemClock, [missing]: undefined };
    assertMessage(
      () => resolvePoolOptions(untyped<PoolOptions>({ clock })),
      TypeError,
      "Cannot create pool as clock must be a Clock: received a value of type object",
    );
  }
});

test("checkAcquireOptions() takes what is right", () => {
  const { signal } = new AbortController();
  for (const timeoutMs of [undefined, 0, 5, Infinity]) checkAcquireOptions({ timeoutMs, signal });
  checkAcquireOptions({ signal: undefined, priority: undefined });
  for (const priority of ["normal", "high"] as const) checkAcquireOptions({ priority });
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
  [{ priority: 1 }, TypeError, 'priority must be "normal" or "high": received 1'],
  [{ priority: "low" }, TypeError, 'priority must be "normal" or "high": received "low"'],
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
      () =>
        resolvePoolOptions(untyped<PoolOptions>(typeof secret === "string" ? secret : { secret })),
      // The statements of a session, and a pool's name, are any texts.
      ...[...POOL_OPTION_NAMES].filter((name) => name !== "session" && name !== "name").map(
        (name) => () => resolvePoolOptions(untyped<PoolOptions>({ [name]: secret })),
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
