import { assertEquals, assertThrows } from "@std/assert";
import type { Sharing } from "../../src/core/driver.ts";
import { resolvePoolOptions } from "../../src/core/options.ts";
import { Pool } from "../../src/core/pool.ts";
import { mostConnections } from "../../src/core/sharing.ts";
import { FakeDriver } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";
import { assertCounts, setup, watch } from "./setup.ts";

/** What cannot come from TypeScript comes from JavaScript. */
function untyped<T>(value: unknown): T {
  return value as T;
}

function messageOf(fn: () => unknown, errorClass: typeof TypeError | typeof RangeError): string {
  return assertThrows(fn, errorClass).message;
}

test("mostConnections() is 1 for a driver that has room for one, no limit for others", () => {
  const most = (sharing: Sharing): number => mostConnections(new FakeDriver({ sharing }));
  assertEquals([most("single"), most("exclusive"), most("multiplex")], [1, Infinity, Infinity]);
});

test("new Pool() of a driver with room for one has max 1, and refuses more before it opens any (D-01, P-01)", async () => {
  const { clock, driver, pool } = setup({}, {}, { sharing: "single" });
  assertEquals(pool.stats().max, 1);
  const lease = await pool.acquire();
  const waiting = watch(pool.acquire());
  assertCounts(pool, { total: 1, used: 1, waiters: 1 });
  lease.release();
  await clock.settle();
  assertEquals([waiting.state, driver.peak], ["fulfilled", 1]);
  assertEquals(
    messageOf(() => new Pool(driver, { max: 2 }), RangeError),
    'Cannot create pool as max must be 1 for a driver whose sharing is "single": received 2',
  );
  assertEquals(
    messageOf(() => pool.resize(2), RangeError),
    'Cannot resize pool as max must be 1 for a driver whose sharing is "single": received 2',
  );
  assertEquals([new Pool(driver, { max: 1 }).stats().max, pool.stats().max], [1, 1]);
  assertEquals(driver.counts.connect, 1);
});

test("resolvePoolOptions() takes 10 for max, and no more than there may be", () => {
  assertEquals([resolvePoolOptions().max, resolvePoolOptions({}, 1).max], [10, 1]);
});

test("new Pool() refuses a driver that does not say how its connections may be shared (Q-01)", () => {
  for (const sharing of [undefined, null, -1, 0, 1, 4, "", "none", "SINGLE"]) {
    const driver = new FakeDriver({ sharing: untyped(sharing) });
    if (sharing === undefined) Object.defineProperty(driver, "sharing", { value: undefined });
    const message = messageOf(() => new Pool(driver), TypeError);
    assertEquals(
      message.startsWith(
        'Cannot create pool as driver.sharing must be "single", "exclusive" or "multiplex": ',
      ),
      true,
      message,
    );
    assertEquals(driver.counts.connect, 0);
  }
});

test("new Pool() refuses what is no driver (A-01)", () => {
  for (const nothing of [undefined, null, "postgres://app@localhost/app", 1]) {
    const message = messageOf(() => new Pool(untyped<FakeDriver>(nothing)), TypeError);
    assertEquals(
      message.startsWith("Cannot create pool as driver must be a Driver: received "),
      true,
      message,
    );
  }
});
