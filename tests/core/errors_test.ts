import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import {
  AcquireTimeoutError,
  CommitUnknownError,
  ConnectError,
  ConnectionLostError,
  LeaseReleasedError,
  messageOf,
  PoolClosedError,
  StatementTimeoutError,
  SteadyError,
  TooManyConnectionsError,
  TooManyWaitersError,
} from "../../src/core/errors.ts";
import type { PoolCounts } from "../../src/core/stats.ts";
import { test } from "../support/harness.ts";

const STATS: PoolCounts = {
  state: "open",
  max: 2,
  total: 2,
  connecting: 0,
  idle: 0,
  used: 2,
  checking: 0,
  resetting: 0,
  closing: 0,
  waiters: 3,
  shared: 0,
  sharedLeases: 0,
  sharing: false,
};
const COUNTS = "2 of 2 connections: 2 used; 3 waiting";
const cause = new Error("connection refused");

const CASES: readonly {
  readonly error: SteadyError;
  readonly name: string;
  readonly code: string;
  readonly outcome: string;
  readonly retryable: boolean;
  readonly message: string;
}[] = [
  {
    error: new AcquireTimeoutError("queue", 500, STATS),
    name: "AcquireTimeoutError",
    code: "ACQUIRE_TIMEOUT",
    outcome: "not-applied",
    retryable: true,
    message: `Cannot acquire a connection within 500 ms (waiting in phase "queue"): ${COUNTS}`,
  },
  {
    error: new AcquireTimeoutError("connect", 500, STATS, cause),
    name: "AcquireTimeoutError",
    code: "ACQUIRE_TIMEOUT",
    outcome: "not-applied",
    retryable: true,
    message: `Cannot acquire a connection within 500 ms (waiting in phase "connect"): ${COUNTS}` +
      "; last connect failed: connection refused",
  },
  {
    error: new TooManyConnectionsError(STATS),
    name: "TooManyConnectionsError",
    code: "TOO_MANY_CONNECTIONS",
    outcome: "not-applied",
    retryable: true,
    message: `Cannot acquire a connection as none is free and the timeout is 0: ${COUNTS}`,
  },
  {
    error: new TooManyWaitersError(STATS),
    name: "TooManyWaitersError",
    code: "TOO_MANY_WAITERS",
    outcome: "not-applied",
    retryable: true,
    message: `Cannot acquire a connection as the queue is full: ${COUNTS}`,
  },
  {
    error: new ConnectError("Cannot connect: no", { cause, retryable: false, stats: STATS }),
    name: "ConnectError",
    code: "CONNECT_FAILED",
    outcome: "not-applied",
    retryable: false,
    message: `Cannot connect: no (${COUNTS})`,
  },
  {
    error: new ConnectError("Cannot connect", { code: "CONNECT_TIMEOUT", retryable: true }),
    name: "ConnectError",
    code: "CONNECT_TIMEOUT",
    outcome: "not-applied",
    retryable: true,
    message: "Cannot connect",
  },
  {
    error: new StatementTimeoutError(200, "not-applied"),
    name: "StatementTimeoutError",
    code: "STATEMENT_TIMEOUT",
    outcome: "not-applied",
    retryable: true,
    message: "The statement was not over within 200 ms: it was not sent",
  },
  {
    error: new StatementTimeoutError(200, "unknown"),
    name: "StatementTimeoutError",
    code: "STATEMENT_TIMEOUT",
    outcome: "unknown",
    retryable: false,
    message: "The statement was not over within 200 ms: " +
      "it may have been executed or not, and its connection was closed",
  },
  {
    error: new PoolClosedError(),
    name: "PoolClosedError",
    code: "CONNECTION_ENDED",
    outcome: "not-applied",
    retryable: false,
    message: "Cannot acquire a connection as the pool is closed",
  },
  {
    error: new LeaseReleasedError(),
    name: "LeaseReleasedError",
    code: "LEASE_RELEASED",
    outcome: "not-applied",
    retryable: false,
    message: "Cannot use the lease as it was released",
  },
  {
    error: new ConnectionLostError("Lost", { outcome: "unknown", cause }),
    name: "ConnectionLostError",
    code: "CONNECTION_CLOSED",
    outcome: "unknown",
    retryable: false,
    message: "Lost",
  },
  {
    error: new ConnectionLostError("Lost", { outcome: "not-applied" }),
    name: "ConnectionLostError",
    code: "CONNECTION_CLOSED",
    outcome: "not-applied",
    retryable: true,
    message: "Lost",
  },
  {
    error: new ConnectionLostError("Lost", { outcome: "rolled-back" }),
    name: "ConnectionLostError",
    code: "CONNECTION_CLOSED",
    outcome: "rolled-back",
    retryable: true,
    message: "Lost",
  },
  {
    error: new ConnectionLostError("Lost", { outcome: "unknown", retryable: true }),
    name: "ConnectionLostError",
    code: "CONNECTION_CLOSED",
    outcome: "unknown",
    retryable: true,
    message: "Lost",
  },
  {
    error: new CommitUnknownError(cause),
    name: "CommitUnknownError",
    code: "COMMIT_UNKNOWN",
    outcome: "unknown",
    retryable: false,
    message: "The connection was lost while COMMIT was on its way: " +
      "the transaction may be committed or rolled back",
  },
];

for (const { error, name, code, outcome, retryable, message } of CASES) {
  test(`${name} (${code}, ${outcome}) says what it is`, () => {
    assertInstanceOf(error, SteadyError);
    assertInstanceOf(error, Error);
    assertEquals(
      { name: error.name, code: error.code, outcome: error.outcome, message: error.message },
      { name, code, outcome, message },
    );
    assertEquals(error.retryable, retryable);
    assert(error.stack?.startsWith(`${name}: ${message}`), error.stack);
    assertEquals(String(error), `${name}: ${message}`);
  });
}

test("SteadyError carries a cause only if there is one", () => {
  assertStrictEquals(new AcquireTimeoutError("connect", 1, STATS, cause).cause, cause);
  assertStrictEquals(new CommitUnknownError(cause).cause, cause);
  assert(!("cause" in new AcquireTimeoutError("queue", 1, STATS)));
  assert(!("cause" in new PoolClosedError()));
});

test("errors of acquiring carry the pool's counts, and phase and deadline", () => {
  const timeout = new AcquireTimeoutError("session", 500, STATS);
  assertStrictEquals(timeout.stats, STATS);
  assertEquals([timeout.phase, timeout.timeoutMs], ["session", 500]);
  assertStrictEquals(new TooManyConnectionsError(STATS).stats, STATS);
  assertStrictEquals(new TooManyWaitersError(STATS).stats, STATS);
  const refused = new ConnectError("No", { retryable: true, stats: STATS });
  assertEquals([refused.phase, refused.stats], ["connect", STATS]);
  assertStrictEquals(new ConnectError("No", { retryable: true }).stats, undefined);
});

test("messageOf() reads whatever was thrown", () => {
  const several = new AggregateError([new Error("::1 refused"), new Error("127.0.0.1 refused")]);
  assertEquals(messageOf(several), "::1 refused; 127.0.0.1 refused");
  assertEquals(messageOf(new AggregateError([new Error("a")], "both failed")), "both failed");
  assertEquals(messageOf(new AggregateError([])), "");
  assertEquals(messageOf(new Error("a")), "a");
  assertEquals(messageOf("text"), "text");
  assertEquals(messageOf(null), "null");
});

test("AcquireTimeoutError.withoutFrames() is in all but the stack what the constructor makes", () => {
  for (const cause of [undefined, new Error("refused")]) {
    const made = AcquireTimeoutError.withoutFrames("queue", 5, STATS, cause, []);
    const constructed = new AcquireTimeoutError("queue", 5, STATS, cause);
    assertInstanceOf(made, AcquireTimeoutError);
    assertInstanceOf(made, SteadyError);
    assertEquals(Object.prototype.toString.call(made), "[object Error]");
    assertEquals({ ...made }, { ...constructed });
    assertEquals([made.message, made.name, made.cause], [
      constructed.message,
      "AcquireTimeoutError",
      cause,
    ]);
    assertEquals("cause" in made, "cause" in constructed);
    assertEquals(
      String(made.stack).includes(made.message),
      String(constructed.stack).includes(made.message),
    );
  }
});
