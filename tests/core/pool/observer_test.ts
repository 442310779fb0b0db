import { assertEquals } from "@std/assert";
import type { PoolOptions } from "../../../src/core/options.ts";
import type { PoolEvents, PoolObserver } from "../../../src/core/observer.ts";
import { must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

type Told = { [Name in keyof PoolEvents]: [Name, PoolEvents[Name]] }[keyof PoolEvents];

/** A pool, and all that its observer is told. */
function observed(options: Omit<PoolOptions, "clock" | "observer"> = {}) {
  const told: Told[] = [];
  const observer: PoolObserver = new Proxy({}, {
    get: (_target, name) => (event: unknown) => void told.push([name, event] as Told),
  });
  const made = setup({ observer, ...options });
  return {
    ...made,
    told,
    names: () => told.map(([name]) => name),
    /** What was told of one kind. */
    of: <Name extends keyof PoolEvents>(name: Name) =>
      told.filter(([each]) => each === name).map(([, event]) => event as PoolEvents[Name]),
    forget: () => void told.splice(0),
  };
}

test("a pool tells of a lease's whole life (A-39)", async () => {
  const { clock, driver, pool, told } = observed({ max: 1, name: "pool" });
  driver.hold("connect");
  const acquiring = watch(pool.acquire({ label: "import" }));
  await clock.advance(20);
  for (const call of driver.held("connect")) call.answer();
  await clock.settle();
  await clock.advance(30);
  must(acquiring.value).release();
  must(acquiring.value).release();
  await pool.close();
  await clock.settle();
  const [lent, back] = [{ pool: "pool", at: 20, epoch: 1 }, { pool: "pool", at: 50, epoch: 1 }];
  assertEquals(told, [
    ["waiting", { pool: "pool", at: 0, waiters: 1, label: "import" }],
    ["connecting", { pool: "pool", at: 0, background: false }],
    ["connected", { ...lent, background: false, connectMs: 20 }],
    ["acquired", { ...lent, waitMs: 20, shared: false, label: "import" }],
    ["released", { ...back, heldMs: 30, shared: false, label: "import" }],
    ["poolClosing", { pool: "pool", at: 50, timeoutMs: 5_000 }],
    ["closed", { ...back, reason: "closing", ageMs: 30, uses: 1 }],
    ["poolClosed", { pool: "pool", at: 50 }],
  ]);
});

test("a pool tells why acquires fail", async () => {
  const { clock, pool, of } = observed({ max: 1, maxWaiters: 1 });
  const lease = await pool.acquire();
  const abort = new AbortController();
  const given = watch(pool.acquire({ signal: abort.signal, label: "mine" }));
  const full = watch(pool.acquire());
  const hasty = watch(pool.acquire({ timeoutMs: 0, label: "hasty" }));
  await clock.advance(10);
  abort.abort(new Error("mine"));
  const late = watch(pool.acquire({ timeoutMs: 50 }));
  await clock.advance(50);
  const closed = watch(pool.acquire());
  const closing = pool.close();
  const after = watch(pool.acquire());
  lease.release();
  await closing;
  await clock.settle();
  assertEquals(
    of("refused").map(({ reason, label, error }) => [reason, label, error]),
    [
      ["queue full", undefined, full.error],
      ["no wait", "hasty", hasty.error],
      ["closed", undefined, closed.error],
      ["closed", undefined, after.error],
    ],
  );
  assertEquals(of("gaveUp").map(({ waitMs, waiters, label }) => [waitMs, waiters, label]), [[
    10,
    0,
    "mine",
  ]]);
  assertEquals([given.state, late.state], ["rejected", "rejected"]);
  assertEquals(of("timedOut").map(({ waitMs, phase }) => [waitMs, phase]), [[50, "queue"]]);
});

test("a pool tells of an outage: each connect that fails, its begin and its end", async () => {
  const { clock, driver, pool, names, of } = observed({ max: 1 });
  driver.refuse("connect", 2);
  const acquiring = watch(pool.acquire());
  await clock.advance(1_000);
  assertEquals(acquiring.state, "fulfilled");
  assertEquals(names().filter((name) => /connect|outage/.test(name)), [
    "connecting",
    "connectFailed",
    "outageBegan",
    "connecting",
    "connectFailed",
    "connecting",
    "connected",
    "outageEnded",
  ]);
  assertEquals(of("connectFailed").map(({ phase }) => phase), ["connect", "connect"]);
  must(acquiring.value).release();
  await pool.close();
});

test("a pool tells whom the outage drove away", async () => {
  const { clock, driver, pool, of } = observed({ max: 1, unavailable: "fail-fast" });
  driver.refuse("connect", 1);
  const acquiring = watch(pool.acquire());
  await clock.settle();
  assertEquals(of("refused").map(({ reason, error }) => [reason, error]), [
    ["unavailable", acquiring.error],
  ]);
});

test("a pool tells of losses, doubts and the end of a generation", async () => {
  const { clock, driver, pool, of, forget, names } = observed();
  const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
  const [first, second] = leases.map(({ connection }) => connection);
  leases[2].release();
  await clock.settle();
  forget();
  driver.terminate(must(first));
  driver.terminate(must(second));
  await clock.settle();
  assertEquals(names(), ["lost", "doubted", "lost", "doubted", "condemned", "closed"]);
  assertEquals(of("lost").map(({ epoch, scope, state }) => [epoch, scope, state]), [
    [1, "single", "used"],
    [2, "single", "used"],
  ]);
  assertEquals(of("condemned").map(({ connections }) => connections), [1]);
  assertEquals(of("closed").map(({ epoch, reason }) => [epoch, reason]), [[3, "condemned"]]);
  await pool.close();
});

test("a pool tells of checks, and of what gives no sign of life", async () => {
  const { clock, driver, pool, of } = observed({ max: 1 });
  (await pool.acquire()).release();
  await clock.advance(2_000);
  (await pool.acquire()).release();
  await clock.advance(2_000);
  driver.hold("ping");
  const acquiring = watch(pool.acquire());
  await clock.advance(2_000);
  driver.restore("ping");
  await clock.advance(100);
  assertEquals(
    of("checked").map(({ epoch, purpose, ok, checkMs }) => [epoch, purpose, ok, checkMs]),
    [[1, "lend", true, 0], [1, "lend", false, 2_000]],
  );
  assertEquals(of("closed").map(({ epoch, reason }) => [epoch, reason]), [[1, "unanswered"]]);
  must(acquiring.value).release();
  await pool.close();
});

test("a pool tells of cleanings, of what cannot be cleaned and of what is busy (D-52)", async () => {
  const { clock, driver, pool, of } = observed({ reset: "session" });
  (await pool.acquire()).release();
  await clock.settle();
  driver.refuse("reset", 1);
  (await pool.acquire()).release();
  await clock.settle();
  const lease = await pool.acquire();
  lease.connection.run("select pg_sleep(1)").catch(() => {});
  lease.release();
  await clock.settle();
  assertEquals(of("reset").map(({ epoch, level, ok }) => [epoch, level, ok]), [
    [1, "session", true],
    [1, "session", false],
  ]);
  assertEquals(of("closed").map(({ epoch, reason, uses }) => [epoch, reason, uses]), [
    [1, "dirty", 2],
    [2, "dirty", 1],
  ]);
  await pool.close();
});

test("a pool tells why it closes: worn, given up, evicted", async () => {
  const { clock, pool, of } = observed({ maxUses: 2 });
  (await pool.acquire()).release();
  (await pool.acquire()).release();
  (await pool.acquire()).destroy();
  const lease = await pool.acquire();
  (await pool.acquire()).release();
  pool.evict();
  lease.release();
  await clock.settle();
  assertEquals(of("closed").map(({ epoch, reason, uses }) => [epoch, reason, uses]), [
    [1, "worn", 2],
    [2, "destroyed", 1],
    [4, "evicted", 1],
    [3, "evicted", 1],
  ]);
  assertEquals(of("released").length, 5);
  await pool.close();
});

test("a pool tells of connects that it gives up", async () => {
  const { clock, driver, pool, of } = observed();
  driver.hold("connect");
  const acquiring = watch(pool.acquire());
  await clock.advance(5);
  await pool.close();
  assertEquals(acquiring.state, "rejected");
  assertEquals(
    of("connectFailed").map(({ phase, error, connectMs }) => [phase, error, connectMs]),
    [["connect", undefined, 5]],
  );
});

test("a callback of the observer may use the pool as anybody else (X-20)", async () => {
  const seen: unknown[] = [];
  let asked = 0;
  const { clock, pool } = setup({
    max: 1,
    observer: {
      waiting: () => void seen.push(pool.stats().waiters),
      released: async () => {
        if (asked++ > 0) return;
        using lease = await pool.acquire();
        seen.push(lease.epoch);
        pool.evict();
      },
      closed: () => pool.close(),
    },
  });
  (await pool.acquire()).release();
  await clock.settle();
  assertEquals(seen, [1, 1]);
  assertEquals(pool.stats().state, "closed");
});

test("a pool is unhurt by an observer that always throws (X-15)", async () => {
  const observer = new Proxy({}, {
    get: () => () => {
      throw new Error("mine");
    },
  });
  const { clock, driver, pool } = setup({ max: 1, observer });
  driver.refuse("connect", 1);
  const first = watch(pool.acquire());
  const second = watch(pool.acquire());
  await clock.advance(500);
  must(first.value).release();
  await clock.settle();
  must(second.value).destroy();
  await pool.close();
  assertEquals(driver.open, 0);
});
