import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import postgres from "postgres";
import { ConnectionLostError } from "../../../src/core/errors.ts";
import { resolvePostgresOptions } from "../../../src/driver/postgres/options.ts";
import { cancelledError, STATEMENT, Statement } from "../../../src/driver/postgres/statement.ts";
import { test } from "../../support/harness.ts";

const { template } = resolvePostgresOptions("postgres://app@127.0.0.1:1/app", {});

interface Bench {
  readonly statement: Statement;
  /** What the caller has. */
  readonly promise: Promise<unknown>;
  readonly log: unknown[];
}

function bench(): Bench {
  const { Query } = template;
  const query = new Query(["select 1"], [], () => {}, () => {}, {});
  const log: unknown[] = [];
  const statement = new Statement(query, {
    failed: (error) => log.push(error),
    over: () => log.push("over"),
  });
  statement.carrier = {
    cancel: (given) => log.push("cancel", given),
    abort: (given, reason) => log.push("abort", given, reason),
    giveUp: (given, reason) => log.push("give up", given, reason),
  };
  return { statement, promise: Promise.resolve(query), log };
}

function serverError(code: string): postgres.PostgresError {
  return new postgres.PostgresError({ message: "no", code, severity: "ERROR" } as never);
}

function described(error: unknown): unknown[] {
  assertInstanceOf(error, Error);
  assert(!Object.keys(error).includes("outcome") || error instanceof ConnectionLostError);
  return [Reflect.get(error, "outcome"), Reflect.get(error, "retryable")];
}

test("Statement is found by its query", () => {
  const { statement } = bench();
  assertStrictEquals(statement.query[STATEMENT], statement);
  assertEquals([statement.evidence, statement.failed], ["unsent", false]);
});

test("Statement.reject() adds to the server's error that it was refused, unseen", async () => {
  for (const [code, retryable] of [["23505", false], ["40001", true], ["40P01", true]] as const) {
    const { statement, promise, log } = bench();
    statement.evidence = "sent";
    const error = serverError(code);
    statement.query.reject(error);
    assertStrictEquals(await assertRejects(() => promise), error);
    assertEquals(described(error), ["refused", retryable]);
    assertEquals([log, statement.failed], [[error], true]);
  }
});

test("Statement.reject() adds to an error of building that nothing was applied", async () => {
  const { statement, promise } = bench();
  const error = new Error("UNDEFINED_VALUE");
  statement.query.reject(error);
  assertStrictEquals(await assertRejects(() => promise), error);
  assertEquals(described(error), ["not-applied", false]);
});

test("Statement.reject() leaves alone what the caller's own functions threw", async () => {
  for (const thrown of [new Error("no"), "text", undefined]) {
    const { statement, promise } = bench();
    statement.evidence = "sent";
    statement.reject(thrown);
    assertStrictEquals(await promise.then(() => "fulfilled", (error) => error), thrown);
    if (thrown instanceof Error) assertEquals(described(thrown), [undefined, undefined]);
  }
});

test("Statement.reject() takes an error that cannot be changed as it is", async () => {
  const { statement, promise } = bench();
  const error = Object.freeze(new Error("frozen"));
  statement.reject(error);
  assertStrictEquals(await assertRejects(() => promise), error);
});

test("Statement.reject() counts once", async () => {
  const { statement, promise, log } = bench();
  const first = new Error("first");
  statement.reject(first);
  statement.reject(new Error("second"));
  assertStrictEquals(await assertRejects(() => promise), first);
  assertEquals(log, [first]);
});

test("Statement.lost() says what is known, why, and that it is over", async () => {
  const cause = new Error("the wire was cut");
  const words = {
    "not-applied": ["before the statement had any effect", true],
    "rolled-back": ["during the transaction, which was not committed", true],
    "refused": ["after the server refused the statement", false],
    "unknown": ["while the statement was in hand: it may have been executed or not", false],
  } as const;
  for (const outcome of ["not-applied", "rolled-back", "refused", "unknown"] as const) {
    const { statement, promise, log } = bench();
    statement.lost(outcome, cause);
    const error = await assertRejects(() => promise, ConnectionLostError);
    const [text, retryable] = words[outcome];
    assertEquals(error.message, `The connection was lost ${text}: the wire was cut`);
    assertEquals([error.outcome, error.retryable, error.cause], [outcome, retryable, cause]);
    assertEquals(log, [error, "over"]);
  }
});

test("Statement.end() is told once, and then nobody carries it", () => {
  const { statement, log } = bench();
  statement.end();
  statement.end();
  statement.cancel();
  statement.abort(new Error("late"));
  assertEquals([log, statement.carrier], [["over"], undefined]);
});

test("Statement.cancel() and abort() go to who carries it", () => {
  const { statement, log } = bench();
  const reason = new Error("enough");
  statement.cancel();
  statement.abort(reason);
  assertEquals(log, ["cancel", statement, "abort", statement, reason]);
});

test("cancelledError() is as porsager's", () => {
  for (const [outcome, retryable] of [["not-applied", true], ["unknown", false]] as const) {
    const error = cancelledError(outcome);
    assertEquals(error.message, "57014: canceling statement due to user request");
    assertEquals([Reflect.get(error, "code"), ...described(error)], ["57014", outcome, retryable]);
  }
});
