import { assertEquals } from "@std/assert";
import postgres from "postgres";
import {
  ConnectError,
  ConnectionLostError,
  StatementTimeoutError,
} from "../../../src/core/errors.ts";
import { classify, isFatal, isRetryable, lossOf } from "../../../src/driver/postgres/classify.ts";
import { test } from "../../support/harness.ts";

/** An error as the server sends it. */
function serverError(code: string, severity = "ERROR"): postgres.PostgresError {
  const fields = { message: "no", code, severity, severity_local: "FEHLER" };
  return new postgres.PostgresError(fields as never);
}

test("classify() calls what needs somebody's help rejected", () => {
  for (const code of ["28000", "28P01", "3D000", "42501", "42704", "22023", "0A000"]) {
    assertEquals([code, classify(serverError(code, "FATAL"))], [code, "rejected"]);
  }
  const denied = Object.assign(new Error("no net access"), { name: "NotCapable" });
  for (const error of [new TypeError("no string"), new RangeError("out of range"), denied]) {
    assertEquals(classify(error), "rejected");
  }
});

test("classify() calls what may be over by itself unavailable", () => {
  const codes = ["57P01", "57P02", "57P03", "53300", "53400", "55000", "55006", "XX000", "58030"];
  for (const code of codes) {
    assertEquals([code, classify(serverError(code, "FATAL"))], [code, "unavailable"]);
  }
  assertEquals(classify(serverError("XX000", "PANIC")), "unavailable");
  const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  for (const error of [refused, new Error("anything"), "a text", undefined]) {
    assertEquals(classify(error), "unavailable");
  }
});

test("classify() calls what the session outlives a statement's", () => {
  // 08xxx: of foreign servers, and of the protocol (a wrong number of parameters).
  const codes = ["42601", "23505", "40001", "57014", "28000", "42501", "53300", "08001", "08P01"];
  for (const code of codes) assertEquals([code, classify(serverError(code))], [code, "statement"]);
});

test("classify() calls a lost connection lost", () => {
  assertEquals(classify(new ConnectionLostError("gone", { outcome: "unknown" })), "lost");
  for (const code of ["08006", "08P01"]) {
    assertEquals([code, classify(serverError(code, "FATAL"))], [code, "lost"]);
  }
});

test("lossOf() says that all is lost of a server that stops, crashed, recovers, or cannot be written to", () => {
  for (const code of ["57P02", "57P03", "57P04", "25006"]) {
    assertEquals([code, lossOf(serverError(code, "FATAL"))], [code, "generation"]);
  }
  assertEquals(lossOf(serverError("XX000", "PANIC")), "generation");
  const refused = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  const noSocket = Object.assign(new Error("no such file"), { code: "ENOENT" });
  for (const error of [refused, noSocket, new AggregateError([refused, refused])]) {
    assertEquals(lossOf(error), "generation");
  }
});

test("lossOf() says that one is lost of a backend that was terminated, or whose socket broke", () => {
  for (const code of ["57P01", "08P01", "XX000", "53200"]) {
    assertEquals([code, lossOf(serverError(code, "FATAL"))], [code, "single"]);
  }
  // At an immediate shutdown, and at the end of a wait for a synchronous standby, the last word is a warning.
  const warning = Object.assign(new Error("terminating"), { code: "57P01", severity: "ERROR" });
  assertEquals(lossOf(warning), "single");
  for (const code of ["ECONNRESET", "EPIPE"]) {
    assertEquals(lossOf(Object.assign(new Error("broken"), { code })), "single");
  }
  const cause = serverError("57P01", "FATAL");
  assertEquals(lossOf(new ConnectionLostError("lost", { outcome: "unknown", cause })), "single");
});

test("lossOf() says nothing of the others where the reason lies in one session, or there is no room", () => {
  for (const code of ["25P03", "57P05", "53300", "28P01", "3D000"]) {
    assertEquals([code, lossOf(serverError(code, "FATAL"))], [code, "own"]);
  }
  assertEquals(lossOf(serverError("25006")), "generation");
  assertEquals(lossOf(serverError("57014")), "own");
  assertEquals(lossOf(AbortSignal.abort().reason), "own");
});

test("lossOf() doubts where nobody answered, and what it does not know", () => {
  const reason = new DOMException("late", "TimeoutError");
  const late = new ConnectError("late", { retryable: true });
  const deadline = new StatementTimeoutError(5, "unknown");
  const mixed = new AggregateError([
    Object.assign(new Error("refused"), { code: "ECONNREFUSED" }),
    new Error("unreachable"),
  ]);
  for (const cause of [reason, late, deadline, mixed, new AggregateError([]), "a text", null]) {
    assertEquals(lossOf(cause), "doubt");
  }
});

test("isFatal() reads the severity that is not translated, where there is one", () => {
  assertEquals(isFatal({ severity: "FATAL", severity_local: "FATALES" }), true);
  assertEquals(isFatal({ severity: "PANIC" }), true);
  assertEquals(isFatal({ severity: "ERROR", severity_local: "FATAL" }), false);
  assertEquals(isFatal({ severity_local: "FATAL" }), true);
  assertEquals(isFatal({}), false);
});

test("isRetryable() is for serialization failures and deadlocks", () => {
  const codes = ["40001", "40P01", "40003", "23505", "57014"];
  assertEquals(codes.map(isRetryable), [true, true, false, false, false]);
});
