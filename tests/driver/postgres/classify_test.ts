import { assertEquals } from "@std/assert";
import postgres from "postgres";
import { ConnectionLostError } from "../../../src/core/errors.ts";
import { classify, isFatal, isRetryable } from "../../../src/driver/postgres/classify.ts";
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
