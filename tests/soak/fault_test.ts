import { assertEquals, assertNotEquals } from "@std/assert";
import { test } from "../support/harness.ts";
import { Chance } from "./chance.ts";
import { ChangeOfMind, failureOf, GivenUp } from "./fate.ts";
import { FAULT_KINDS, planFaults } from "./fault.ts";

function planOf(seed: number, count: number): string[] {
  const plan: string[] = [];
  for (const { fault: { name, details }, pauseMs } of planFaults(new Chance(seed, 0))) {
    if (plan.length === count) break;
    plan.push(`${pauseMs} ms later: ${name}, ${details}`);
  }
  return plan;
}

test("planFaults() plans the same for the same seed, and something else for another", () => {
  assertEquals(planOf(1, 100), planOf(1, 100));
  assertNotEquals(planOf(1, 100), planOf(2, 100));
});

test("planFaults() lets each kind come up before any comes up again", () => {
  const names = new Set<string>();
  for (const { fault } of planFaults(new Chance(1, 0))) {
    names.add(fault.name);
    if (names.size === FAULT_KINDS.length) break;
  }
  assertEquals(names.size, new Set(FAULT_KINDS.map(({ name }) => name)).size);
});

test("Chance has streams of its own for each task", () => {
  const draws = (seed: number, stream: number): number[] => {
    const chance = new Chance(seed, stream);
    return [chance.unit(), chance.unit(), chance.integer(0, 1_000)];
  };
  assertEquals(draws(1, 2), draws(1, 2));
  assertNotEquals(draws(1, 2), draws(1, 3));
  assertNotEquals(draws(1, 2), draws(2, 2));
});

test("failureOf() takes an error by its word, and one that says nothing for unknown", () => {
  const fates = ["not-applied", "refused", "rolled-back", "unknown", "done", undefined].map(
    (outcome) => {
      const { fate, labelled } = failureOf(Object.assign(new Error("x"), { outcome, code: "y" }));
      return `${outcome}: ${fate}${labelled ? "" : ", not said"}`;
    },
  );
  assertEquals(fates, [
    "not-applied: refused",
    "refused: refused",
    "rolled-back: refused",
    "unknown: unknown",
    "done: unknown, not said",
    "undefined: unknown, not said",
  ]);
  assertEquals(failureOf(new GivenUp("x")).fate, "unknown");
  assertEquals(failureOf(new ChangeOfMind("x")).fate, "refused");
  assertEquals(failureOf("text").labelled, false);
});
