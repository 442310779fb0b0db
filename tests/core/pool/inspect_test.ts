import { assertEquals, assertInstanceOf } from "@std/assert";
import { AcquireTimeoutError } from "../../../src/core/errors.ts";
import { must, setup, watch } from "../setup.ts";
import { test } from "../../support/harness.ts";

const UNKNOWN = {
  pid: undefined,
  statement: undefined,
  label: undefined,
  stack: undefined,
  idleMs: 0,
  heldMs: 0,
};

test("Pool.inspect() shows each connection, what it does and who has it (D-38)", async () => {
  const { clock, driver, pool } = setup({ max: 4 });
  assertEquals(pool.inspect(), []);
  const [first, second, third] = await Promise.all([
    pool.acquire({ label: "import" }),
    pool.acquire(),
    pool.acquire(),
  ]);
  await clock.advance(100);
  pool.evict();
  second.release();
  await clock.settle();
  driver.hold("close");
  third.release();
  driver.hold("connect");
  const waiting = watch(pool.acquire());
  const common = { ...UNKNOWN, generation: 0, ageMs: 100, uses: 1, shares: 0, retiring: true };
  assertEquals(pool.inspect(), [
    {
      ...UNKNOWN,
      epoch: 0,
      state: "connecting",
      generation: 1,
      retiring: false,
      ageMs: 0,
      uses: 0,
      shares: 0,
    },
    { ...common, epoch: 1, state: "used", heldMs: 100, label: "import" },
    { ...common, epoch: 3, state: "closing" },
  ]);
  first.release();
  const closed = pool.close({ timeoutMs: 0 });
  await clock.advance(0);
  await closed;
  assertEquals(waiting.state, "rejected");
  assertEquals(pool.inspect(), []);
});

test("Pool.inspect() shows what is idle, and what the driver knows", async () => {
  const { clock, driver, pool } = setup();
  Object.assign(driver, {
    describe: ({ id }: { readonly id: number }) => ({ pid: 1000 + id, statement: "select $1" }),
  });
  const lease = await pool.acquire({ label: "a" });
  await clock.advance(10);
  lease.release();
  await clock.advance(20);
  assertEquals(pool.inspect(), [{
    ...UNKNOWN,
    epoch: 1,
    state: "idle",
    pid: 1001,
    generation: 0,
    retiring: false,
    ageMs: 30,
    uses: 1,
    idleMs: 20,
    shares: 0,
    statement: "select $1",
  }]);
  await pool.close();
});

test("an acquire that times out names who has had a connection longest (W-14)", async () => {
  const { clock, pool } = setup({ max: 4 });
  const leases = [];
  for (const label of ["a", undefined, "c", "d"]) {
    leases.push(await pool.acquire({ label }));
    await clock.advance(10);
  }
  const late = watch(pool.acquire({ timeoutMs: 100 }));
  await clock.advance(100);
  const error = late.error;
  assertInstanceOf(error, AcquireTimeoutError);
  assertEquals(
    error.message,
    'Cannot acquire a connection within 100 ms (waiting in phase "queue"): 4 of 4 connections: ' +
      '4 used; 0 waiting; held longest: "a" for 140 ms, connection 2 for 130 ms, "c" for 120 ms',
  );
  assertEquals(error.holders.map(({ epoch, heldMs, label }) => [epoch, heldMs, label]), [
    [1, 140, "a"],
    [2, 130, undefined],
    [3, 120, "c"],
  ]);
  for (const lease of leases) lease.release();
  await pool.close();
});

test("a label stays with its lease, also when it waited, and no longer", async () => {
  const { clock, pool } = setup({ max: 1 });
  const first = await pool.acquire({ label: "first" });
  const second = watch(pool.acquire({ label: "second" }));
  const third = watch(pool.acquire());
  const labels = () => pool.inspect().map(({ label }) => label);
  assertEquals(labels(), ["first"]);
  first.release();
  await clock.settle();
  assertEquals(labels(), ["second"]);
  must(second.value).release();
  await clock.settle();
  assertEquals(labels(), [undefined]);
  must(third.value).release();
  await pool.close();
});
