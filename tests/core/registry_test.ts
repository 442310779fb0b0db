import { assertEquals } from "@std/assert";
import { pools } from "../../src/core/registry.ts";
import { setup } from "./setup.ts";
import { test } from "../support/harness.ts";

/** Names of the listed pools that begin so: other tests have pools, too. */
function listed(prefix: string, list = pools): string[] {
  return list().map(({ name }) => name).filter((name) => name.startsWith(prefix));
}

test("pools() lists pools by name until they are closed, and again when they are open again", async () => {
  const one = setup({ name: "listed-a" });
  const other = setup({ name: "listed-b" });
  assertEquals([one.pool.name, other.pool.name], ["listed-a", "listed-b"]);
  assertEquals(listed("listed-"), ["listed-a", "listed-b"]);
  await one.pool.close();
  assertEquals(listed("listed-"), ["listed-b"]);
  await one.pool.open();
  assertEquals(listed("listed-"), ["listed-b", "listed-a"]);
  const lease = await other.pool.acquire();
  const closing = other.pool.close();
  assertEquals(listed("listed-"), ["listed-b", "listed-a"]);
  lease.release();
  await closing;
  await one.pool.close();
  assertEquals(listed("listed-"), []);
});

test("A pool whose name is taken gets a number, also when it is opened again", async () => {
  const [first, second, third] = [1, 2, 3].map(() => setup({ name: "same" }).pool);
  assertEquals([first?.name, second?.name, third?.name], ["same", "same-2", "same-3"]);
  await first?.close();
  const fourth = setup({ name: "same" }).pool;
  assertEquals(fourth.name, "same");
  await first?.open();
  assertEquals(first?.name, "same-4");
  for (const pool of [first, second, third, fourth]) await pool?.close();
});

test("A pool that is opened again has the name it had, whoever was closed meanwhile", async () => {
  const [first, second] = [setup({ name: "kept" }).pool, setup({ name: "kept" }).pool];
  await first.close();
  await second.close();
  await second.open();
  assertEquals(second.name, "kept-2");
  await second.close();
});

test("Pools without a name are numbered", async () => {
  const [first, second] = [setup().pool, setup().pool];
  const [one, two] = [first.name, second.name].map((name) =>
    Number(/^pool-(\d+)$/.exec(name)?.[1])
  );
  assertEquals([Number.isInteger(one), Number.isInteger(two), one === two], [true, true, false]);
  await first.close();
  await second.close();
});

test("pools() survives a hot reload: another copy of the module has the same list", async () => {
  const { pool } = setup({ name: "reloaded" });
  // Bun takes both for one, Deno and Node do not.
  const copy = await import(new URL("../../src/core/registry.ts?copy", import.meta.url).href);
  assertEquals(listed("reloaded", copy.pools), ["reloaded"]);
  const managed = copy.pools().find(({ name }: { name: string }) => name === "reloaded");
  managed?.resize(3);
  assertEquals(pool.stats().max, 3);
  await pool.close();
  assertEquals(listed("reloaded", copy.pools), []);
});
