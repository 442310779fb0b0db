import { assertEquals } from "@std/assert";
import { Suggestion } from "../../src/core/suggestion.ts";
import { test } from "../support/harness.ts";

/** Looks once a second, while so many are asked for and served per second, and each is used so long. */
function bench() {
  const suggestion = new Suggestion();
  const work = { at: 0, usedMs: 0, asked: 0, served: 0 };
  const load = (seconds: number, asked: number, served: number, useMs: number) => {
    for (let i = 0; i < seconds; i++) {
      suggestion.look({ ...work });
      work.at += 1_000;
      work.asked += asked;
      work.served += served;
      work.usedMs += served * useMs;
    }
    suggestion.look({ ...work });
    return suggestion.size;
  };
  return { suggestion, load };
}

test("Suggestion says nothing before ten seconds are over", () => {
  const { suggestion, load } = bench();
  assertEquals(suggestion.size, undefined);
  assertEquals(load(9, 100, 100, 10), undefined);
  assertEquals(load(1, 100, 100, 10), 3);
});

test("Suggestion is the mean number in use and twice its root, by Little's law", () => {
  assertEquals(bench().load(20, 100, 100, 40), 4 + 4);
  assertEquals(bench().load(20, 1_000, 1_000, 9), 9 + 6);
  assertEquals(bench().load(20, 0, 0, 0), 1);
});

test("Suggestion counts who got nothing as if it had been served", () => {
  assertEquals(bench().load(20, 400, 100, 100), 40 + 13);
  // Served late is not served twice.
  assertEquals(bench().load(20, 50, 100, 40), 4 + 4);
});

test("Suggestion goes by the busiest span of the last minute", () => {
  const { load } = bench();
  load(10, 100, 100, 40);
  assertEquals(load(50, 100, 100, 10), 8);
  assertEquals(load(20, 100, 100, 10), 3);
});

test("Suggestion: a long pause is a span without demand", () => {
  const { suggestion, load } = bench();
  load(10, 100, 100, 40);
  suggestion.look({ at: 1_000_000, usedMs: 40_000, asked: 1_000, served: 1_000 });
  assertEquals(suggestion.size, 1);
});
