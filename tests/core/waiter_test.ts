import { assertEquals } from "@std/assert";
import { ListeningWaiter } from "../../src/core/waiter.ts";
import { countedSignal } from "./setup.ts";
import { test } from "../support/harness.ts";

test("ListeningWaiter.listen() tells its home of the abort, with the reason, once", () => {
  const counted = countedSignal();
  const told: unknown[] = [];
  const waiter = new ListeningWaiter<string>(() => {}, () => {}, 0, Infinity);
  waiter.listen(counted.abort.signal, {
    aborted: (who, reason) => {
      told.push(who, reason);
      waiter.deafen();
    },
  });
  assertEquals(counted.listeners, 1);
  counted.abort.abort("enough");
  assertEquals(told, [waiter, "enough"]);
  assertEquals(counted.listeners, 0);
});

test("ListeningWaiter.deafen() leaves no listener, and may be called without one", () => {
  const counted = countedSignal();
  const told: unknown[] = [];
  const waiter = new ListeningWaiter<string>(() => {}, () => {}, 0, Infinity);
  waiter.deafen();
  waiter.listen(counted.abort.signal, { aborted: (_, reason) => told.push(reason) });
  waiter.deafen();
  waiter.deafen();
  assertEquals(counted.listeners, 0);
  counted.abort.abort();
  assertEquals(told, []);
});
