import { assert, assertEquals } from "@std/assert";
import { Turns } from "../../src/core/steady_turns.ts";
import { VirtualClock } from "../../src/testing/mod.ts";
import { countedSignal, watch } from "./setup.ts";
import { test } from "../support/harness.ts";

test("Turns.tryTake() takes what nobody has", () => {
  const turns = new Turns();
  assertEquals([turns.taken, turns.tryTake(), turns.taken], [false, true, true]);
  assert(!turns.tryTake());
  turns.pass();
  assert(turns.tryTake());
});

test("Turns.pass() serves those who wait in the order they came", async () => {
  const clock = new VirtualClock();
  const turns = new Turns();
  const waiting = Array.from({ length: 3 }, () => watch(turns.take()));
  const states = async (): Promise<string[]> => {
    await clock.settle();
    return waiting.map(({ state }) => state);
  };
  assertEquals(await states(), ["fulfilled", "pending", "pending"]);
  turns.pass();
  assertEquals(await states(), ["fulfilled", "fulfilled", "pending"]);
  assert(!turns.tryTake());
  turns.pass();
  assertEquals(await states(), ["fulfilled", "fulfilled", "fulfilled"]);
  turns.pass();
  assert(!turns.taken);
});

test("Turns.take() ends with its signal, and leaves no listener", async () => {
  const clock = new VirtualClock();
  const turns = new Turns();
  const counted = countedSignal();
  const { signal } = counted.abort;
  turns.tryTake();
  const leaving = watch(turns.take(signal));
  const staying = watch(turns.take());
  counted.abort.abort("enough");
  await clock.settle();
  assertEquals([leaving.error, staying.state, counted.listeners], ["enough", "pending", 0]);
  turns.pass();
  await clock.settle();
  assertEquals(staying.state, "fulfilled");
  const late = watch(turns.take(signal));
  await clock.settle();
  assertEquals(late.error, "enough");
});

test("Turns.refuse() sends away all who wait, each with an error of its own", async () => {
  const clock = new VirtualClock();
  const turns = new Turns();
  turns.tryTake();
  const waiting = [1, 2].map(() => watch(turns.take()));
  turns.refuse(() => new Error("closed"));
  await clock.settle();
  assertEquals(waiting.map(({ state }) => state), ["rejected", "rejected"]);
  assert(waiting[0]?.error !== waiting[1]?.error);
  assert(turns.taken);
  turns.pass();
  assert(!turns.taken);
});
