import { assertEquals } from "@std/assert";
import { lossOf } from "../../src/driver/postgres/classify.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { createPool, type PostgresLease, type PostgresPool } from "../support/entry.ts";
import { PostgresServer } from "../support/postgres_server.ts";
import { held } from "../support/held.ts";
import { test } from "../support/harness.ts";

function causeOf({ connection }: PostgresLease): Promise<unknown> {
  return new Promise((resolve) => connection.onLost(resolve));
}

/** Opens connections and gives them back. */
async function warm(db: PostgresPool, count: number) {
  const leases = await Promise.all(Array.from({ length: count }, () => db.acquire()));
  const seen = leases.map((lease) => ({ pid: lease.connection.pid, lost: causeOf(lease) }));
  for (const lease of leases) lease.release();
  return seen;
}

async function pids(db: PostgresPool, count: number): Promise<Set<number>> {
  const leases = await Promise.all(Array.from({ length: count }, () => db.acquire()));
  const all = new Set(leases.map(({ connection }) => connection.pid));
  for (const lease of leases) lease.release();
  return all;
}

test("one terminated backend costs one connection: the others are asked, and lent", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  let pings = 0;
  proxy.judge = ({ from, type, body }) => {
    if (from === "client" && type === "Q" && body.toString() === "\0") pings++;
    return "pass";
  };
  await using db = createPool(schema.through(proxy), { max: 3 });
  const [first, ...others] = await warm(db, 3);
  await schema.query(`select pg_terminate_backend(${first?.pid})`);
  assertEquals(lossOf(await first?.lost), "single");
  const left = await pids(db, 3);
  assertEquals(others.every(({ pid }) => left.has(pid)), true);
  assertEquals([proxy.connections, pings], [4, 2]);
});

test("a connection that ends without a word was lost alone, as far as one can see", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1 });
  const [seen] = await warm(db, 1);
  proxy.cut();
  assertEquals(lossOf(await seen?.lost), "single");
});

test("a server that stops at once loses all; where nobody answers any more, no connection is worth keeping", async () => {
  await using server = await PostgresServer.start();
  await using db = createPool(server.url(), { max: 3 });
  const seen = await warm(db, 3);
  await server.stop("immediate");
  const causes = await held(Promise.all(seen.map(({ lost }) => lost)));
  // Its last word to each session is a warning. The pool does not wait for all of them: it has closed the rest itself.
  const scopes = causes.map(lossOf);
  assertEquals([scopes.includes("single"), scopes.includes("own")], [true, false]);
  assertEquals(db.stats().total, 0);
  const refused = await db.acquire({ timeoutMs: 0 }).then(() => undefined, ({ cause }) => cause);
  assertEquals(lossOf(refused), "generation");
});

test("an idle connection that is older than a second costs one empty query; a younger one nothing", async () => {
  await using schema = await Schema.create();
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1, checkAfterIdleMs: 0 });
  await using plain = createPool(schema.through(proxy), { max: 1 });
  for (const [pool, extra] of [[db, ["\0"]], [plain, []]] as const) {
    (await pool.acquire()).release();
    const before = proxy.messages.length;
    using lease = await pool.acquire();
    await lease.sql`select 1 as x`.simple();
    const sent = proxy.messages.slice(before).filter(({ from }) => from === "client");
    assertEquals(sent.map(({ body }) => body.toString()), [...extra, "select 1 as x\0"]);
  }
});
