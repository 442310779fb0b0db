import { assertEquals } from "@std/assert";
import { Bag } from "../../../src/core/bag.ts";
import { Stock } from "../../../src/core/stock.ts";
import { VirtualClock } from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { addSlot } from "./slots.ts";

function bench(minIdle: number) {
  const clock = new VirtualClock({ startMs: 100_000, random: () => 0.5 });
  const bag = new Bag<string>();
  const demand = { count: 0, of: (): number => demand.count };
  let retries = 0;
  const stock = new Stock<string>({
    clock,
    sizes: { minIdle },
    bag,
    demand,
    retry: () => void retries++,
  });
  return { bag, clock, demand, stock, retries: () => retries };
}

test("Stock is low when fewer are idle, or will be, than there should be, but for who takes them", () => {
  const { bag, demand, stock } = bench(4);
  for (const state of ["idle", "checking", "resetting", "used", "closing"] as const) {
    addSlot(bag, state);
  }
  assertEquals(stock.isLow, true);
  addSlot(bag, "connecting");
  assertEquals(stock.isLow, false);
  demand.count = 1;
  assertEquals(stock.isLow, true);
  assertEquals(bench(0).stock.isLow, false);
});

test("Stock pauses after setbacks, ever longer up to 10 s, without holding the process", async () => {
  const { clock, stock, retries } = bench(1);
  assertEquals(stock.mayTry(), true);
  const pauses: number[] = [];
  for (let turn = 0; turn < 9; turn++) {
    stock.failed(new Error("no"));
    assertEquals(stock.mayTry(), false);
    assertEquals(clock.referenced, 0);
    pauses.push(Number(clock.timers()[0]?.dueMs) - clock.now());
    await clock.advance(pauses.at(-1) ?? 0);
    assertEquals([stock.mayTry(), retries()], [true, turn + 1]);
  }
  assertEquals(pauses, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
});

test("Stock tries one at a time after a setback, and forgets it in a minute", async () => {
  const { bag, clock, stock } = bench(3);
  for (let i = 0; i < 9; i++) {
    stock.failed(new Error("no"));
    await clock.advance(10_000);
  }
  addSlot(bag, "connecting");
  assertEquals(stock.mayTry(), false);
  await clock.advance(60_001);
  stock.failed(new Error("no"));
  stock.mayTry();
  assertEquals(Number(clock.timers()[0]?.dueMs) - clock.now(), 50);
  stock.stop();
  assertEquals([stock.mayTry(), clock.pending], [true, 0]);
});
