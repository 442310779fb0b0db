import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { DeadlockError } from "../../../src/core/errors.ts";
import { contextVariable, root } from "../../../src/runtime/async_context.ts";
import { setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

const context = { contextVariable, root };

test("Pool.use() within use() of a pool of one is refused at once, with both stacks (X-26, D-45)", async () => {
  const told: unknown[] = [];
  const { clock, pool } = setup({
    max: 1,
    context,
    observer: { deadlock: ({ error }) => void told.push(error) },
  });
  const outer = watch(pool.use(async () => {
    await clock.settle();
    return await pool.use(() => "never");
  }, { label: "outer" }));
  await clock.settle(1_000);
  assertEquals(outer.state, "rejected");
  const { error } = outer;
  assertInstanceOf(error, DeadlockError);
  assertEquals([error.code, error.retryable, error.outcome], [
    "POOL_DEADLOCK",
    false,
    "not-applied",
  ]);
  assertMatch(error.message, /as all are held .*: "outer" for 0 ms$/);
  assertMatch(error.stack ?? "", /DeadlockError/);
  assertEquals(error.holders.map(({ epoch, label }) => [epoch, label]), [[1, "outer"]]);
  assertMatch(error.holders[0]?.stack ?? "", /deadlock_test/);
  assertEquals(told, [error]);
  const { counters, idle } = pool.stats();
  assertEquals([counters.deadlocks, counters.refusals.deadlock, idle], [1, 1, 1]);
  await pool.close();
});

test("the acquire that closes a circle of several is refused, the others are served (X-26, W-07)", async () => {
  const { clock, pool } = setup({ max: 2, context });
  const nested = () =>
    watch(pool.use(async () => {
      await clock.settle();
      return await pool.use(({ epoch }) => epoch);
    }));
  const [first, second] = [nested(), nested()];
  await clock.settle(1_000);
  assertEquals([first.state, second.state], ["fulfilled", "rejected"]);
  assertInstanceOf(second.error, DeadlockError);
  assertEquals(second.error.holders.length, 2);
  await pool.close();
});

test("calls one in the other count each for the connection it has", async () => {
  const { clock, pool } = setup({ max: 2, context });
  const deep = watch(pool.use(() => pool.use(() => pool.acquire())));
  await clock.settle(1_000);
  assertInstanceOf(deep.error, DeadlockError);
  assertEquals(deep.error.holders.length, 2);
  await pool.close();
});

test("single statements and callbacks count like acquires (X-26)", async () => {
  const { clock, pool } = setup({ max: 1, context });
  const errors: unknown[] = [];
  await pool.use(async () => {
    await clock.settle();
    pool.share(() => {}, (error) => errors.push(error));
    pool.lend(() => {}, (error) => errors.push(error));
  });
  assertEquals(errors.map((error) => error instanceof DeadlockError), [true, true]);
  await pool.close();
});

test("nobody is refused who can still be served", async () => {
  const { clock, pool } = setup({ max: 2, context });
  // Held by nobody who waits.
  const lease = await pool.acquire();
  const waiting = watch(pool.use(async () => (await pool.acquire()).epoch));
  await clock.settle(1_000);
  assertEquals(waiting.state, "pending");
  lease.release();
  await clock.settle(1_000);
  assertEquals(waiting.value, 1);
});

test("a callback that has given its connection back holds nothing", async () => {
  const { clock, pool } = setup({ max: 1, context });
  const nested = watch(pool.use(async (lease) => {
    lease.release();
    using again = await pool.acquire();
    return again.epoch;
  }));
  await clock.settle(1_000);
  assertEquals(nested.value, 1);
  await pool.close();
});

test("waits that are over close no circle", async () => {
  const { clock, pool } = setup({ max: 1, context });
  const outcome = watch(pool.use(async () => {
    await clock.settle();
    const abort = new AbortController();
    abort.abort(new Error("mine"));
    await pool.acquire({ signal: abort.signal }).catch(() => {});
    await pool.acquire({ timeoutMs: 0 }).catch(() => {});
    return "over";
  }));
  await clock.settle(1_000);
  assertEquals(outcome.value, "over");
  const other = pool.use(() => "served");
  assertEquals(await other, "served");
  await pool.close();
});

test("without a context a circle ends when its deadline passes", async () => {
  const { clock, pool } = setup({ max: 1, acquireTimeoutMs: 50 });
  const outer = watch(pool.use(() => pool.use(() => {})));
  await clock.advance(49);
  assertEquals(outer.state, "pending");
  await clock.advance(1);
  assert(!(outer.error instanceof DeadlockError));
  assertEquals(outer.state, "rejected");
});

test("a scope that has ended keeps nobody waiting, though a statement of it is not over", async () => {
  const { clock, pool } = setup({ max: 1, context });
  const outside = await pool.scope(async (scope) => {
    await pool.use(() => {});
    scope.enter({
      alone: false,
      outlasts: true,
      served: ({ connection }, visit) => void connection.run("sleep 5").then(() => visit.leave()),
      refused: () => {},
    }, scope.here);
    // It goes on when the scope has ended, and in its context.
    const later = clock.settle().then(() => pool.outside(() => pool.use(({ epoch }) => epoch)));
    return watch(later);
  });
  await clock.advance(10);
  assertEquals([outside.value, outside.error], [1, undefined]);
  await pool.close();
});
