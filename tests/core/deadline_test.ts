import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { type DeadlineOptions, withDeadline } from "../../src/core/deadline.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { countedSignal, watch } from "./setup.ts";
import { test } from "../support/harness.ts";

const late = new Error("late");

function options(
  clock: VirtualClock,
  more: Partial<DeadlineOptions<string>> = {},
): DeadlineOptions<string> {
  return { clock, timeoutMs: 100, timeoutError: () => late, ...more };
}

test("withDeadline() gives the operation's result and leaves no timer, no listener", async () => {
  const clock = new VirtualClock();
  const counted = countedSignal();
  const { signal } = counted.abort;
  const good = watch(withDeadline(() => Promise.resolve("a"), options(clock, { signal })));
  const error = new Error("its own");
  const bad = watch(withDeadline(() => Promise.reject(error), options(clock, { signal })));
  assertEquals([clock.pending, counted.listeners], [2, 2]);
  await clock.settle();
  assertEquals([good.value, bad.error], ["a", error]);
  assertEquals([clock.pending, counted.listeners], [0, 0]);
});

test("withDeadline() rejects what the operation throws", async () => {
  const clock = new VirtualClock();
  const error = new TypeError("thrown before there was a promise");
  const seen = watch(withDeadline(() => {
    throw error;
  }, options(clock)));
  await clock.settle();
  assertStrictEquals(seen.error, error);
  assertEquals(clock.pending, 0);
});

test("withDeadline() settles at the deadline though the operation ignores its signal", async () => {
  const clock = new VirtualClock();
  const seen = watch(withDeadline(() => new Promise<string>(() => {}), options(clock)));
  await clock.advance(99);
  assertEquals(seen.state, "pending");
  await clock.advance(1);
  assertStrictEquals(seen.error, late);
});

test("withDeadline() aborts the operation, whose own error does not win", async () => {
  const clock = new VirtualClock();
  let given: AbortSignal | undefined;
  const seen = watch(withDeadline((signal) => {
    given = signal;
    return new Promise<string>((_, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted by the operation")));
    });
  }, options(clock)));
  await clock.advance(100);
  assertStrictEquals(seen.error, late);
  assert(given?.aborted);
  assertStrictEquals(given.reason, late);
});

test("withDeadline() ends with the outer signal's own reason", async () => {
  const clock = new VirtualClock();
  const counted = countedSignal();
  let given: AbortSignal | undefined;
  const seen = watch(withDeadline((signal) => {
    given = signal;
    return new Promise<string>(() => {});
  }, options(clock, { signal: counted.abort.signal })));
  const reason = { any: "thing" };
  counted.abort.abort(reason);
  await clock.settle();
  assertStrictEquals(seen.error, reason);
  assertStrictEquals(given?.reason, reason);
  assertEquals([clock.pending, counted.listeners], [0, 0]);
});

test("withDeadline() does not start under an aborted signal", async () => {
  const clock = new VirtualClock();
  let started = false;
  const seen = watch(withDeadline(() => {
    started = true;
    return Promise.resolve("a");
  }, options(clock, { signal: AbortSignal.abort("before") })));
  await clock.settle();
  assertEquals([seen.error, started, clock.pending], ["before", false, 0]);
});

test("withDeadline() hands on a result that came too late", async () => {
  const clock = new VirtualClock();
  const { promise, resolve } = Promise.withResolvers<string>();
  const given: string[] = [];
  const seen = watch(
    withDeadline(() => promise, options(clock, { onLate: (value) => given.push(value) })),
  );
  await clock.advance(100);
  resolve("late result");
  await clock.settle();
  assertEquals([seen.state, given], ["rejected", ["late result"]]);
});

test("withDeadline() drops a late result nobody asked for, and a late error", async () => {
  const clock = new VirtualClock();
  const good = Promise.withResolvers<string>();
  const bad = Promise.withResolvers<string>();
  const seen = [good, bad].map(({ promise }) => watch(withDeadline(() => promise, options(clock))));
  await clock.advance(100);
  good.resolve("late");
  bad.reject(new Error("late"));
  await clock.settle();
  assertEquals(seen.map(({ error }) => error), [late, late]);
});
