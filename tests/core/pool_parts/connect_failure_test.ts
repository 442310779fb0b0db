import { assertEquals, assertStrictEquals } from "@std/assert";
import { connectError, isRejected, phaseOf } from "../../../src/core/connect_failure.ts";
import type { ErrorClass } from "../../../src/core/driver.ts";
import { ConnectError } from "../../../src/core/errors.ts";
import { test } from "../../support/harness.ts";
import { STATS } from "./slots.ts";

const ofSession = (retryable: boolean): ConnectError =>
  new ConnectError("Cannot set the session up: no", {
    cause: new Error("no"),
    code: "MINE",
    phase: "session",
    retryable,
  });

test("phaseOf() tells the set-up of a session from the connect", () => {
  const errors = [ofSession(true), new ConnectError("no", { retryable: true }), new Error("no"), 1];
  assertEquals(errors.map(phaseOf), ["session", "connect", "connect", "connect"]);
});

test("isRejected() asks the driver for a connect, the error itself for a session", () => {
  const driver = (meaning: ErrorClass) => ({ classify: () => meaning });
  assertEquals(isRejected(driver("rejected"), new Error("password")), true);
  assertEquals(isRejected(driver("unknown"), new Error("refused")), false);
  assertEquals(isRejected(driver("rejected"), ofSession(true)), false);
  assertEquals(isRejected(driver("unknown"), ofSession(false)), true);
});

test("connectError() makes an object for each, with the counts and the first cause", () => {
  const cause = new Error("no");
  const error = connectError(cause, true, STATS);
  assertEquals([error.phase, error.retryable, error.stats], ["connect", true, STATS]);
  assertStrictEquals(error.cause, cause);
  const first = ofSession(true);
  const later = connectError(first, false, STATS);
  assertEquals([later.phase, later.code, later.retryable], ["session", "MINE", false]);
  assertStrictEquals(later.cause, first.cause);
});
