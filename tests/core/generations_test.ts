import { assertEquals } from "@std/assert";
import { ConnectError } from "../../src/core/errors.ts";
import { Generations, scopeOfFailure, scopeOfLoss } from "../../src/core/generations.ts";
import type { Driver } from "../../src/core/driver.ts";
import { FakeDriver, FakeError, VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";
import { SILENT } from "./pool_parts/slots.ts";

function bench() {
  const clock = new VirtualClock();
  return { clock, generations: new Generations(clock, SILENT) };
}

test("Generations.lost() ends a generation at once when all is lost, never for what was lost here", () => {
  const { generations } = bench();
  assertEquals(generations.lost("generation"), true);
  for (let i = 0; i < 5; i++) assertEquals(generations.lost("own"), false);
  assertEquals(generations.doubts, 0);
});

test("Generations.lost() doubts a generation for one loss, and ends it for a second within a second", async () => {
  const { clock, generations } = bench();
  assertEquals([generations.lost("single"), generations.doubts], [false, 1]);
  await clock.advance(1_001);
  assertEquals([generations.lost("single"), generations.doubts], [false, 2]);
  await clock.advance(1_000);
  assertEquals(generations.lost("single"), true);
});

test("Generations.end() begins anew: the next loss is a first one", () => {
  const { generations } = bench();
  generations.lost("single");
  generations.end();
  assertEquals([generations.current, generations.lost("single")], [1, false]);
});

test("Generations.lost() raises doubts without a loss once in a second at most", async () => {
  const { clock, generations } = bench();
  for (let i = 0; i < 10; i++) assertEquals(generations.lost("doubt"), false);
  assertEquals(generations.doubts, 1);
  await clock.advance(1_000);
  generations.lost("doubt");
  assertEquals(generations.doubts, 2);
  assertEquals(generations.lost("single"), false);
});

test("Generations.unanswered() ends a generation at the second check in a row, however long it took", async () => {
  const { clock, generations } = bench();
  assertEquals(generations.unanswered(), false);
  await clock.advance(2_000);
  generations.answered();
  assertEquals(generations.unanswered(), false);
  await clock.advance(2_000);
  assertEquals(generations.unanswered(), true);
});

test("Generations.mayCondemn() counts once a second, twice as long each time, up to a minute", async () => {
  const { clock, generations } = bench();
  const counted: number[] = [];
  for (let second = 0; second < 300; second++) {
    if (generations.mayCondemn()) {
      counted.push(second);
      generations.end();
      generations.answered();
    }
    await clock.advance(1_000);
  }
  assertEquals(counted, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
  // Nobody complained for longer than that: it begins anew.
  await clock.advance(60_000);
  assertEquals(generations.mayCondemn(), true);
  await clock.advance(1_000);
  assertEquals(generations.mayCondemn(), true);
});

test("Generations.mayCondemn() does not count before the new generation proved itself", async () => {
  const { clock, generations } = bench();
  assertEquals(generations.mayCondemn(), true);
  generations.end();
  await clock.advance(30_000);
  assertEquals(generations.mayCondemn(), false);
  generations.answered();
  await clock.advance(1);
  assertEquals(generations.mayCondemn(), true);
});

test("scopeOfLoss() asks the driver; without an answer one was lost", () => {
  const driver = new FakeDriver();
  for (const scope of ["own", "doubt", "single", "generation"] as const) {
    assertEquals(scopeOfLoss(driver, new FakeError("lost", "gone", scope)), scope);
  }
  const mute: Driver<unknown> = { ...driver as Driver<unknown>, lossOf: undefined };
  assertEquals(scopeOfLoss(mute, new Error("gone")), "single");
});

test("scopeOfFailure() asks the driver; what was never open is no loss", () => {
  const driver = new FakeDriver();
  const failure = (scope: "own" | "doubt" | "single" | "generation") =>
    scopeOfFailure(driver, new FakeError("unavailable", "no", scope));
  assertEquals(["own", "doubt", "generation"].map((scope) => failure(scope as "own")), [
    "own",
    "doubt",
    "generation",
  ]);
  assertEquals(failure("single"), "doubt");
  const mute: Driver<unknown> = { ...driver as Driver<unknown>, lossOf: undefined };
  assertEquals(scopeOfFailure(mute, new Error("no")), "doubt");
});

test("scopeOfFailure() of our own deadlines is a doubt; of a session what broke it", () => {
  const driver = new FakeDriver();
  assertEquals(scopeOfFailure(driver, new ConnectError("late", { retryable: true })), "doubt");
  const cause = new FakeError("lost", "stopped", "generation");
  const failed = new ConnectError("set-up", { retryable: true, phase: "session", cause });
  assertEquals(scopeOfFailure(driver, failed), "generation");
});
