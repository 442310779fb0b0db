import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { abortable } from "../../src/core/abortable.ts";
import { countedSignal } from "./setup.ts";
import { test } from "../support/harness.ts";

test("abortable() without a signal is the promise itself", () => {
  const promise = Promise.resolve(1);
  assertStrictEquals(abortable(promise, undefined), promise);
});

test("abortable() settles as the promise does, and leaves no listener", async () => {
  const counted = countedSignal();
  const { signal } = counted.abort;
  const error = new Error("its own");
  assertEquals(await abortable(Promise.resolve(7), signal), 7);
  assertStrictEquals(await assertRejects(() => abortable(Promise.reject(error), signal)), error);
  assertEquals(counted.listeners, 0);
});

test("abortable() rejects with the signal's own reason, at once and later", async () => {
  const reason = { any: "thing" };
  const never = new Promise<void>(() => {});
  const rejected = (promise: Promise<void>): Promise<unknown> => promise.catch((error) => error);
  assertStrictEquals(await rejected(abortable(never, AbortSignal.abort(reason))), reason);
  const abort = new AbortController();
  const waiting = rejected(abortable(never, abort.signal));
  abort.abort(reason);
  assertStrictEquals(await waiting, reason);
});

test("abortable() lets the promise go on, and handles its late rejection", async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  const abort = new AbortController();
  const both = [abortable(promise, abort.signal), abortable(promise, AbortSignal.abort("before"))];
  abort.abort("later");
  const reasons = await Promise.all(both.map((wait) => wait.catch((error) => error)));
  assertEquals(reasons, ["later", "before"]);
  // Would end the test as an unhandled rejection.
  reject(new Error("too late"));
});
