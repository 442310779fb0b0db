import { assert, assertEquals } from "@std/assert";
import { PipelineSearch } from "../../src/core/pipeline_search.ts";
import { test } from "../support/harness.ts";

/** Feeds a search with statements whose response time depends on the width; notes the widths it was at. */
function feed(
  search: PipelineSearch,
  statements: number,
  responseMs: (width: number) => number,
  inHand = 10,
  sent = 10,
): Map<number, number> {
  const spent = new Map<number, number>();
  for (let count = 0; count < statements; count++) {
    const { width } = search;
    spent.set(width, (spent.get(width) ?? 0) + 1);
    search.completed(responseMs(width), inHand, Math.min(inHand, sent));
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

test("PipelineSearch tries one connection first where statements are short", () => {
  const search = new PipelineSearch(10);
  const short = (width: number) => width === 0 ? 1 : 0.8;
  feed(search, 96, short);
  assertEquals(search.width, 1);
  // And measures what it comes from once more, before it stays.
  assertEquals(feed(search, 512, short), new Map([[1, 256], [0, 256]]));
  assertEquals(favourite(feed(search, 5_000, short)), 1);
  // A thousand in hand wait in the queue most of the time: what counts is the time on a connection.
  const crowded = new PipelineSearch(10);
  feed(crowded, 96, () => 50, 1_000);
  assertEquals(crowded.width, 1);
});

test("PipelineSearch stays at once where the trial leaves no doubt", () => {
  const search = new PipelineSearch(10);
  const short = (width: number) => width === 0 ? 1 : 0.3;
  feed(search, 96, short);
  const spent = feed(search, 5_000, short);
  assertEquals([spent.has(0), favourite(spent)], [false, 1]);
});

test("PipelineSearch measures for long enough that bursts of answers are no matter", () => {
  const search = new PipelineSearch(10);
  const widths = new Set<number>();
  // Four hundred answers come at once, and all time passes between them.
  for (let count = 0; count < 200_000; count++) {
    const burstMs = search.width === 0 ? 9_600 : 6_400;
    if (count > 10_000) widths.add(search.width);
    search.completed(count % 400 === 0 ? burstMs : 0, 1_000, 100);
  }
  assertEquals([widths.has(0), search.width > 0], [false, true]);
});

test("PipelineSearch goes step by step where statements take long", () => {
  const search = new PipelineSearch(10);
  const long = (width: number) => width === 0 ? 20 : 10;
  feed(search, 96, long);
  assertEquals(search.width, 10);
});

test("PipelineSearch gives up early what is much slower", () => {
  const search = new PipelineSearch(10);
  const slower = (width: number) => width === 0 ? 1 : 10;
  feed(search, 96, slower);
  const trial = feed(search, 256, slower);
  assertEquals(trial, new Map([[1, 96], [0, 160]]));
});

test("PipelineSearch takes the fewest connections that are as fast, once it shares any", () => {
  const search = new PipelineSearch(10);
  const equal = (width: number) => width === 0 ? 40 : 30;
  feed(search, 20_000, equal);
  assertEquals(favourite(feed(search, 20_000, equal)), 1);
  const alone = new PipelineSearch(10);
  const same = () => 40;
  feed(alone, 20_000, same);
  assertEquals(favourite(feed(alone, 20_000, same)), 0);
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

test("PipelineSearch stays with few connections where more only seem better now and then", () => {
  let spent = 0;
  for (let run = 0; run < 50; run++) {
    const search = new PipelineSearch(10);
    let seed = run;
    let count = 0;
    let noise = 1;
    const noisy = (width: number): number => {
      if (count++ % 200 === 0) {
        seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
        noise = 0.5 + seed / 2 ** 31;
      }
      return noise * (width === 0 ? 30 : width === 1 ? 10 : 10 + width);
    };
    feed(search, 2_000, noisy);
    spent += feed(search, 20_000, noisy).get(1) ?? 0;
  }
  assert(spent > 0.75 * 50 * 20_000, `${spent} of 1,000,000 by one connection`);
});

test("PipelineSearch notices that statements have become slow while it tries more connections once more", () => {
  const search = new PipelineSearch(10);
  const fast = (width: number) => width === 0 ? 11 : width;
  feed(search, 5_000, fast);
  // A trial of two connections seems to go well, and at the end of it all becomes slow.
  while (search.width !== 2) search.completed(fast(search.width), 10, 10);
  while (search.width === 2) search.completed(0.8, 10, 10);
  const slow = (width: number) => width === 0 ? 100 : 1_000;
  feed(search, 5_000, slow);
  assertEquals(favourite(feed(search, 20_000, slow)), 0);
});

test("PipelineSearch is not misled by one bad stretch", () => {
  const search = new PipelineSearch(10);
  const fast = (width: number) => width === 0 ? 11 : width;
  feed(search, 20_000, fast);
  // As when the process was busy with something else.
  search.completed(100_000, 10, 10);
  assertEquals(favourite(feed(search, 5_000, fast)), 1);
});

test("PipelineSearch is not misled by a bad stretch before a trial", () => {
  const search = new PipelineSearch(10);
  let isBusy = false;
  // All widths are as good; what is measured first is not.
  const equal = (): number => isBusy ? 20 : 10;
  feed(search, 32, equal);
  isBusy = true;
  feed(search, 64, equal);
  isBusy = false;
  assertEquals(favourite(feed(search, 5_000, equal)), 0);
});

test("PipelineSearch learns from statements that come in waves with pauses between", () => {
  const faster = (width: number) => width === 0 ? 10 : 5;
  for (const size of [20, 64, 100, 256, 257, 600]) {
    const search = new PipelineSearch(10);
    const spent = new Map<number, number>();
    for (let wave = 0; wave < 20_000 / size; wave++) {
      search.pause();
      for (const [width, count] of feed(search, size, faster, 20)) {
        spent.set(width, (spent.get(width) ?? 0) + count);
      }
    }
    assertEquals(favourite(spent) > 0, true, `waves of ${size}`);
  }
});

test("PipelineSearch makes a trial again that fell into a bad stretch", () => {
  const search = new PipelineSearch(10);
  let isBusy = false;
  const faster = (width: number) => (isBusy ? 2.5 : 1) * (width === 0 ? 10 : 5);
  feed(search, 96, faster);
  isBusy = true;
  // The trial, which fails as it takes longer than what was measured before, and what stays the same measured anew.
  feed(search, 512, faster);
  isBusy = false;
  assertEquals(favourite(feed(search, 1_000, faster)), 10);
});

test("PipelineSearch keeps what it found when all takes longer at once, and looks whether it still holds", () => {
  const search = new PipelineSearch(10);
  const fast = (width: number) => width === 0 ? 11 : width;
  feed(search, 10_000, fast);
  // As when other processes take most of the time of the processors.
  const spent = feed(search, 10_000, (width) => 50 * fast(width));
  assertEquals(favourite(spent), 1);
  assert((spent.get(0) ?? 0) > 0, "it never looked");
  assert((spent.get(0) ?? 0) < 1_000, `${spent.get(0)} of 10,000 had a connection each`);
});

test("PipelineSearch does not start over because more come, whenever that is", () => {
  const perStatement = (width: number) => width === 0 ? 1 : 0.5;
  for (let first = 9_900; first < 10_500; first += 50) {
    const search = new PipelineSearch(10);
    feed(search, first, (width) => 10 * perStatement(width), 10);
    const crowded = feed(search, 10_000, (width) => 1_000 * perStatement(width), 1_000, 64);
    assertEquals([favourite(crowded), crowded.has(0)], [1, false]);
  }
});

test("PipelineSearch measures over more statements the more are on connections", () => {
  const few = new PipelineSearch(10);
  const many = new PipelineSearch(10);
  const slower = (width: number) => width === 0 ? 1 : 2;
  for (let count = 0; count < 3_000; count++) {
    few.completed(slower(few.width), 10, 10);
    many.completed(slower(many.width), 10_000, 10_000);
  }
  // The first has ended many trials, the second is still measuring.
  assertEquals(many.width, 1);
  assertEquals(few.width, 0);
});

test("PipelineSearch of a single connection can only pipeline on that one", () => {
  const search = new PipelineSearch(1);
  const faster = (width: number) => width === 0 ? 2 : 1;
  feed(search, 5_000, faster);
  assertEquals([...feed(search, 20_000, faster).keys()].sort(), [0, 1]);
});

test("PipelineSearch finds what is best also where statements come in waves", () => {
  for (const wave of [16, 32, 48, 96, 128, 256]) {
    const search = new PipelineSearch(10);
    const perStatementMs = (width: number) => width === 0 ? 0.3 : 0.1;
    const spent = new Map<number, number>();
    for (let count = 0; count < 40_000; count++) {
      const { width } = search;
      // The next ones come when all are answered.
      const inHand = wave - count % wave;
      if (count >= 20_000) spent.set(width, (spent.get(width) ?? 0) + 1);
      search.completed(perStatementMs(width) * inHand, inHand, Math.min(inHand, 10));
    }
    assert(favourite(spent) > 0, `each has a connection in waves of ${wave}`);
  }
});
