import { assert, assertEquals } from "@std/assert";
import { PipelineSearch } from "../../src/core/pipeline_search.ts";
import { test } from "../support/harness.ts";

/** Feeds a search with statements whose response time depends on the width; notes the widths it was at. */
function feed(
  search: PipelineSearch,
  statements: number,
  responseMs: (width: number) => number,
  inHand = 10,
): Map<number, number> {
  const spent = new Map<number, number>();
  for (let count = 0; count < statements; count++) {
    const { width } = search;
    spent.set(width, (spent.get(width) ?? 0) + 1);
    search.completed(responseMs(width), inHand);
  }
  return spent;
}

/** Where it is most of the time. */
function favourite(spent: Map<number, number>): number {
  return [...spent].reduce((best, next) => next[1] > best[1] ? next : best)[0];
}

test("PipelineSearch begins with a connection for each statement", () => {
  assertEquals(new PipelineSearch(10).width, 0);
});

test("PipelineSearch goes down to one connection where fewer are faster", () => {
  const search = new PipelineSearch(10);
  const faster = (width: number) => width === 0 ? 11 : width;
  feed(search, 5_000, faster);
  assertEquals(favourite(feed(search, 20_000, faster)), 1);
});

test("PipelineSearch stays with a connection each where sharing is slower, and tries ever more rarely", () => {
  const search = new PipelineSearch(10);
  const slower = (width: number) => width === 0 ? 1 : 20 / width;
  const first = feed(search, 10_000, slower);
  const later = feed(search, 100_000, slower);
  assertEquals(favourite(first), 0);
  assert((later.get(0) ?? 0) > 96_000, `${later.get(0)} of 100,000 had a connection each`);
  assert((later.get(0) ?? 0) < 100_000, "it never tries again");
});

test("PipelineSearch finds a width between the ends", () => {
  const search = new PipelineSearch(16);
  const best = (width: number) => 1 + Math.abs(Math.log2((width || 64) / 4));
  feed(search, 20_000, best);
  assertEquals(favourite(feed(search, 20_000, best)), 4);
});

test("PipelineSearch starts over when statements take much longer than they did", () => {
  const search = new PipelineSearch(10);
  const fast = (width: number) => width === 0 ? 11 : width;
  feed(search, 10_000, fast);
  const slow = (width: number) => width === 0 ? 100 : 1_000;
  feed(search, 5_000, slow);
  assertEquals(favourite(feed(search, 20_000, slow)), 0);
});

test("PipelineSearch is not misled by one bad stretch", () => {
  const search = new PipelineSearch(10);
  const fast = (width: number) => width === 0 ? 11 : width;
  feed(search, 20_000, fast);
  // As when the process was busy with something else.
  search.completed(100_000, 10);
  assertEquals(favourite(feed(search, 5_000, fast)), 1);
});

test("PipelineSearch measures over more statements the more are in hand", () => {
  const few = new PipelineSearch(10);
  const many = new PipelineSearch(10);
  const slower = (width: number) => width === 0 ? 1 : 2;
  for (let count = 0; count < 3_000; count++) {
    few.completed(slower(few.width), 10);
    many.completed(slower(many.width), 10_000);
  }
  // The first has ended many trials, the second is still measuring.
  assertEquals(many.width, 10);
  assertEquals(few.width, 0);
});

test("PipelineSearch of a single connection can only pipeline on that one", () => {
  const search = new PipelineSearch(1);
  const faster = (width: number) => width === 0 ? 2 : 1;
  feed(search, 5_000, faster);
  assertEquals([...feed(search, 20_000, faster).keys()].sort(), [0, 1]);
});
