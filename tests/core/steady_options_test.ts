/** A steady connection's options: bad ones are refused at once. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type RunOptions,
  SteadyConnection,
  type SteadyConnectionOptions,
} from "../../src/core/steady_connection.ts";
import { resolveSteadyOptions } from "../../src/core/steady_options.ts";
import { type FakeConnection, FakeDriver } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";
import { bench, statement } from "./steady_setup.ts";

// S-02, S-04, S-05, S-06, S-60: by name, checked before anything is opened.
test("S-02, S-04, S-05, S-06, S-60: new SteadyConnection() refuses bad options, naming rule and value", () => {
  const driver = new FakeDriver();
  const cases: [unknown, typeof TypeError | typeof RangeError, string][] = [
    [
      { session: 5 },
      TypeError,
      "session must be a string, an array of strings, or a function: received 5",
    ],
    [
      { session: ["set a 1", null] },
      TypeError,
      "session must be a string, an array of strings, or a function: received an array",
    ],
    [{ context: {} }, TypeError, "context must be a Runtime: received a value of type object"],
    [{ maxUses: 0 }, RangeError, "maxUses must be an integer >= 1 or Infinity: received 0"],
    [{ maxUses: -1 }, RangeError, "maxUses must be an integer >= 1 or Infinity: received -1"],
    [{ maxUses: 1.5 }, RangeError, "maxUses must be an integer >= 1 or Infinity: received 1.5"],
    [{ maxUses: true }, TypeError, "maxUses must be an integer >= 1 or Infinity: received true"],
    [{ maxUses: "7" }, TypeError, 'maxUses must be an integer >= 1 or Infinity: received "7"'],
    [
      { maxLifetimeMs: 0 },
      RangeError,
      "maxLifetimeMs must be a number of milliseconds > 0 or Infinity: received 0",
    ],
    [
      { check: 7 },
      TypeError,
      'check must be "never", "request", "statement", "transaction" or "always": received 7',
    ],
    [
      { check: null },
      TypeError,
      'check must be "never", "request", "statement", "transaction" or "always": received null',
    ],
    [
      { checkAfterIdleMs: -1 },
      RangeError,
      "checkAfterIdleMs must be a number of milliseconds >= 0 or Infinity: received -1",
    ],
    [
      { checkTimeoutMs: Infinity },
      RangeError,
      "checkTimeoutMs must be a number of milliseconds > 0: received Infinity",
    ],
    [{ failures: [] }, TypeError, "failures must be a function: received an array"],
    [{ failures: Error.name }, TypeError, 'failures must be a function: received "Error"'],
    [{ closeable: 1 }, TypeError, "closeable must be true or false: received 1"],
    [
      { reopenTimeoutMs: NaN },
      RangeError,
      "reopenTimeoutMs must be a number of milliseconds >= 0 or Infinity: received NaN",
    ],
    [
      { connectTimeoutMs: 0 },
      RangeError,
      "connectTimeoutMs must be a number of milliseconds > 0: received 0",
    ],
    [{ onLost: "x" }, TypeError, 'onLost must be a function: received "x"'],
    [
      { onReopened: {} },
      TypeError,
      "onReopened must be a function: received a value of type object",
    ],
    [{ nextEpoch: 1 }, TypeError, "nextEpoch must be a function: received 1"],
    [{ ping: 1 }, TypeError, 'there is no option "ping"'],
    [[], TypeError, "options must be an object: received an array"],
  ];
  for (const [options, errorClass, message] of cases) {
    const error = assertThrows(
      () => new SteadyConnection(driver, options as SteadyConnectionOptions),
      errorClass,
    );
    assertEquals(error.message, `Cannot create connection as ${message}`);
  }
  assertEquals(driver.counts.connect, 0);
});

// S-03: not given means the default, and there is a value for "no limit".
test("S-03: options that are undefined count as not given", () => {
  const { clock: _clock, ...resolved } = resolveSteadyOptions<FakeConnection>({
    maxUses: undefined,
    check: undefined,
    closeable: undefined,
  });
  assertEquals(resolved, {
    session: undefined,
    maxUses: Infinity,
    maxLifetimeMs: 1_800_000,
    check: "always",
    checkAfterIdleMs: 1_000,
    checkTimeoutMs: 2_000,
    failures: undefined,
    closeable: true,
    reopenTimeoutMs: 10_000,
    connectTimeoutMs: 10_000,
    closeTimeoutMs: 5_000,
    onLost: undefined,
    onReopened: undefined,
    nextEpoch: undefined,
    readOnly: false,
    context: undefined,
  });
});

test("run() and ready() refuse bad options at once, and open nothing", async () => {
  const { driver, steady } = bench();
  const cases: [unknown, typeof TypeError | typeof RangeError, string][] = [
    [{ idempotent: 1 }, TypeError, "idempotent must be true or false: received 1"],
    [
      { timeoutMs: 0 },
      RangeError,
      "timeoutMs must be a number of milliseconds > 0 or Infinity: received 0",
    ],
    [{ signal: "x" }, TypeError, 'signal must be an AbortSignal: received "x"'],
    [{ retry: true }, TypeError, 'there is no option "retry"'],
    [null, TypeError, "options must be an object: received null"],
  ];
  for (const [options, errorClass, message] of cases) {
    await assertRejects(
      () => steady.run(statement("select 1"), options as RunOptions),
      errorClass,
      `Cannot run a unit of work as ${message}`,
    );
  }
  await assertRejects(
    () => steady.run("select 1" as never),
    TypeError,
    "Cannot run a unit of work as fn must be a function: received a string",
  );
  await assertRejects(
    () => steady.ready({ idempotent: true } as never),
    TypeError,
    'Cannot open the connection as there is no option "idempotent"',
  );
  await assertRejects(
    () => steady.cancel({ timeoutMs: 5 } as never),
    TypeError,
    'Cannot cancel as there is no option "timeoutMs"',
  );
  assertEquals(driver.counts.connect, 0);
});
