import { assertEquals, assertMatch } from "@std/assert";
import type { HolderEvent } from "../../../src/core/observer.ts";
import { must, setup } from "../setup.ts";
import { test } from "../../support/harness.ts";

test("a lease that is held for longer than leakAfterMs is told with label and stack, once (A-27, W-14)", async () => {
  const leaks: HolderEvent[] = [];
  const { clock, pool } = setup({
    leakAfterMs: 5_000,
    observer: { leaked: (event) => void leaks.push(event) },
  });
  const slow = await pool.acquire({ label: "slow" });
  const quick = await pool.acquire();
  await clock.advance(4_999);
  quick.release();
  assertEquals(leaks, []);
  await clock.advance(20_000);
  const { stack, ...leak } = must(leaks[0]);
  assertEquals([leaks.length, leak], [1, {
    pool: pool.name,
    at: 5_000,
    epoch: 1,
    heldMs: 5_000,
    label: "slow",
  }]);
  assertMatch(stack ?? "", /leak_test\.ts/);
  assertMatch(pool.inspect()[0]?.stack ?? "", /leak_test\.ts/);
  assertEquals(pool.stats().counters.leaks, 1);
  slow.release();
  await clock.settle();
  await pool.close();
  assertEquals(clock.pending, 0);
});

test("a scope that had to open its connection, or to wait for it, is told with its name and stack (A-27)", async () => {
  const leaks: HolderEvent[] = [];
  const { clock, pool } = setup({
    max: 1,
    leakAfterMs: 5_000,
    observer: { leaked: (event) => void leaks.push(event) },
  });
  for (const name of ["opens", "waits"]) {
    const before = name === "waits" ? await pool.acquire() : undefined;
    await clock.advance(1_000);
    const scope = pool.openScope({ name });
    const turn = scope.acquire();
    await clock.settle();
    before?.release();
    (await turn).release();
    await clock.advance(5_000);
    const { label, stack } = must(leaks.pop());
    assertEquals([label, leaks.length], [name, 0]);
    assertMatch(stack ?? "", /leak_test\.ts/);
    scope.end();
    await clock.settle();
  }
  await pool.close();
});

test("each share that is held for longer than leakAfterMs is told with its own label and stack, once (A-27, W-14)", async () => {
  const leaks: HolderEvent[] = [];
  const { clock, pool } = setup(
    { maxShared: 1, leakAfterMs: 5_000, observer: { leaked: (event) => void leaks.push(event) } },
    {},
    { sharing: "multiplex" },
  );
  const slow = await pool.acquireShared({ label: "slow" });
  await clock.advance(900);
  const other = await pool.acquireShared({ label: "other" });
  const quick = await pool.acquireShared({ label: "quick" });
  assertEquals(
    pool.inspect().map(({ shares, heldMs, label, stack }) => [shares, heldMs, label, stack]),
    [
      [3, 900, undefined, undefined],
    ],
  );
  quick.release();
  await clock.advance(4_099);
  assertEquals(leaks, []);
  await clock.advance(1);
  assertEquals(leaks.map(({ at, epoch, heldMs, label }) => [at, epoch, heldMs, label]), [
    [5_000, 1, 5_000, "slow"],
  ]);
  assertMatch(must(leaks[0]).stack ?? "", /leak_test\.ts/);
  await clock.advance(20_000);
  assertEquals(leaks.map(({ label }) => label), ["slow", "other"]);
  assertEquals(pool.stats().counters.leaks, 2);
  slow.release();
  assertEquals(pool.inspect().map(({ shares }) => shares), [1]);
  other.release();
  await pool.close();
  assertEquals(clock.pending, 0);
});

test("a pool without leakAfterMs takes no stack, and tells of no leak", async () => {
  const { clock, pool } = setup({ observer: { leaked: () => pool.evict() } });
  const lease = await pool.acquire({ label: "a" });
  await clock.advance(1e6);
  assertEquals(pool.inspect().map(({ label, stack, retiring }) => [label, stack, retiring]), [
    ["a", undefined, false],
  ]);
  lease.release();
  await pool.close();
});

test("what is lent holds no process, and a closed pool looks after nothing", async () => {
  const { clock, pool } = setup();
  const lease = await pool.acquire();
  assertEquals(clock.referenced, 0);
  lease.release();
  await clock.settle();
  await pool.close();
  assertEquals(clock.pending, 0);
});
