import { assert, assertEquals } from "@std/assert";
import { Histogram } from "../../src/core/histogram.ts";
import { test } from "../support/harness.ts";

test("Histogram knows nothing of nothing", () => {
  const nothing = { count: 0, sum: 0, max: 0, p50: 0, p90: 0, p99: 0 };
  assertEquals(new Histogram().stats(), nothing);
  assertEquals(new Histogram().stats(10), { ...nothing, count: 10 });
});

test("Histogram counts, sums and keeps the longest; less than 0 is 0", () => {
  const histogram = new Histogram();
  for (const ms of [0, -5, 1, 2, 3, 1_000]) histogram.record(ms);
  const { count, sum, max } = histogram.stats(4);
  assertEquals([count, sum, max, histogram.sum], [10, 1_006, 1_000, 1_006]);
});

test("Histogram tells short durations exactly", () => {
  const histogram = new Histogram();
  for (let i = 0; i < 100; i++) histogram.record(i < 50 ? 0 : i < 90 ? 1 : i < 99 ? 2 : 3);
  const { p50, p90, p99, max } = histogram.stats();
  assertEquals([p50, p90, p99, max], [0, 1, 2, 3]);
});

test("Histogram tells quantiles of any durations within a quarter, and never more than the longest", () => {
  for (const top of [10, 100, 5_000, 3_600_000, 2 ** 31]) {
    const histogram = new Histogram();
    const all = Array.from({ length: 1_000 }, (_, i) => Math.ceil(top * ((i + 1) / 1_000) ** 3));
    for (const ms of all) histogram.record(ms);
    const stats = histogram.stats();
    for (const [share, found] of [[0.5, stats.p50], [0.9, stats.p90], [0.99, stats.p99]] as const) {
      const exact = all[share * 1_000 - 1] ?? NaN;
      assert(Math.abs(found - exact) <= exact / 4 + 1, `p${share} of ${top}: ${found}, ${exact}`);
      assert(found <= stats.max);
    }
  }
});

test("Histogram lets one long duration not hide among many short ones", () => {
  const histogram = new Histogram();
  for (let i = 0; i < 1_000; i++) histogram.record(1);
  histogram.record(60_000);
  const { p50, p99, max } = histogram.stats();
  assertEquals([p50, p99, max], [1, 1, 60_000]);
});

test("Histogram takes durations of years for 24 days, and sums them as they are", () => {
  const histogram = new Histogram();
  histogram.record(1e12);
  const { max, sum, p50 } = histogram.stats();
  assertEquals([max, sum], [1e12, 1e12]);
  assert(p50 > 1e9 && p50 < 3e9, `${p50}`);
});
