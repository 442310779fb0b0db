import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  AcquireTimeoutError,
  ConnectionLostError,
  StatementTimeoutError,
} from "../../../src/core/errors.ts";
import { bounded as test } from "../../faults/bounded.ts";
import type { FaultProxy } from "../../faults/fault_proxy.ts";
import { stating } from "../../faults/wire_message.ts";
import { assertAtRest, rig, warm } from "./rig.ts";

const SIDES = ["client", "server", "both"] as const;

/** How many connections were opened that are no cancel requests. */
function sessions({ messages }: FaultProxy): number {
  return messages.filter(({ type }) => type === "startup").length;
}

/** All connections of the pool are dead, and nobody has said so; new ones are well. */
function blackhole(proxy: FaultProxy, from: (typeof SIDES)[number]): void {
  proxy.inflict((connection) => connection.blackhole(from), "open");
}

for (const from of SIDES) {
  test(`DESIGN 5.5: a statement on a dead peer (nothing heard of ${from}) is over at its deadline`, async () => {
    await using parts = await rig({ max: 1 });
    const { proxy, db } = parts;
    await warm(db, 1);
    blackhole(proxy, from);
    const error = await assertRejects(
      async () => await db.with({ timeoutMs: 100 }).sql`insert into t values (1)`,
      StatementTimeoutError,
    );
    assertEquals([error.outcome, error.retryable, error.timeoutMs], [
      "unknown",
      false,
      100,
    ]);
    // The dead one was dropped.
    const [row] = await db.sql`select pg_backend_pid() as pid`;
    assertEquals(row?.pid, proxy.open.at(-1)?.pid);
    assertEquals(sessions(proxy), 2);
    assertAtRest(db);
  });

  test(`DESIGN 5.5: a statement on a dead peer (nothing heard of ${from}) is over when its signal aborts`, async () => {
    await using parts = await rig({ max: 1 });
    const { proxy, db } = parts;
    await warm(db, 1);
    blackhole(proxy, from);
    const abort = new AbortController();
    const pending = db.with({ signal: abort.signal })
      .sql`insert into t values (1)`;
    void pending.execute();
    await proxy.statement("insert into t");
    const reason = new Error("enough");
    abort.abort(reason);
    assertStrictEquals(await assertRejects(async () => await pending), reason);
    await db.sql`select 1`;
    assertEquals(sessions(proxy), 2);
    assertAtRest(db);
  });
}

test("DESIGN 5.5: nobody inherits a late reply", async () => {
  await using parts = await rig({ max: 1 });
  const { proxy, db } = parts;
  await warm(db, 1);
  proxy.inflict((connection) => connection.hold("server"), "open");
  const [held] = proxy.open;
  assert(held !== undefined);
  await assertRejects(
    async () => await db.with({ timeoutMs: 100 }).sql`select 'late' as word`,
    StatementTimeoutError,
  );
  const next = db.sql`select 'mine' as word`;
  void next.execute();
  held.release();
  assertEquals([...await next], [{ word: "mine" }]);
  const words = await Promise.all(
    [1, 2, 3].map((n) => db.sql`select ${n}::int as n`),
  );
  assertEquals(words.map(([row]) => row?.n), [1, 2, 3]);
});

test("DESIGN 5.5: a lease on a dead peer is lost at the deadline of its statement; the next one is well", async () => {
  await using parts = await rig({ max: 1 });
  const { proxy, db } = parts;
  using lease = await db.acquire();
  await lease.sql`select 1`;
  blackhole(proxy, "both");
  const sent = lease.with({ timeoutMs: 100 }).sql`insert into t values (1)`;
  const error = await assertRejects(
    async () => await sent,
    StatementTimeoutError,
  );
  assertEquals(error.outcome, "unknown");
  assertEquals(lease.lost, true);
  const after = await assertRejects(async () => await lease.sql`select 2`);
  assertInstanceOf(after, ConnectionLostError);
  assertEquals(after.outcome, "not-applied");
  lease.release();
  await db.sql`select 3`;
  assertEquals(sessions(proxy), 2);
});

test("DESIGN 5.5: a transaction on a dead peer is over when its signal aborts; it is not committed", async () => {
  await using parts = await rig({ max: 1 });
  const { schema, proxy, db } = parts;
  const abort = new AbortController();
  const reason = new Error("enough");
  // Without resolution: else the question for the id may be under way when the peer dies, and what follows waits for it.
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    // What is asked behind the first write is answered, too.
    await sql`select 1`;
    blackhole(proxy, "both");
    const sent = sql`insert into t values (2)`.execute();
    await proxy.message(stating("values (2)"));
    abort.abort(reason);
    await sent;
  }, { signal: abort.signal, commitResolution: "off" });
  assertStrictEquals(await assertRejects(() => failing), reason);
  await db.sql`select 1`;
  assertEquals(await schema.column("t", "x"), []);
});

test("DESIGN 5.5: a connection that is given back in a transaction to a dead peer is closed in time", async () => {
  await using parts = await rig({ max: 1 });
  const { proxy, db } = parts;
  const lease = await db.acquire();
  await lease.sql`begin`;
  blackhole(proxy, "both");
  lease.release();
  await db.sql`select 1`;
  assertEquals(sessions(proxy), 2);
});

test("DESIGN 5.5: a pool with dead peers closes within its time", async () => {
  await using parts = await rig({ max: 3, multiplex: "off" });
  const { proxy, db } = parts;
  await warm(db, 2);
  const lease = await db.acquire();
  blackhole(proxy, "both");
  const pending = assertRejects(
    async () => await lease.sql`select 1`,
    ConnectionLostError,
  );
  await proxy.statement("select 1");
  await db.close({ timeoutMs: 100 });
  assertEquals((await pending).outcome, "unknown");
  assertEquals([db.stats().state, db.stats().total], ["closed", 0]);
});

for (
  const [name, arrange] of [
    ["takes connects and says nothing", (proxy: FaultProxy) => {
      proxy.arrivals = "silence";
      return Promise.resolve();
    }],
    ["answers no connect", (proxy: FaultProxy) => proxy.ignore()],
  ] as const
) {
  test(`DESIGN 5.5: a server that ${name} is given up at the deadline of each acquire, and found again`, async () => {
    await using parts = await rig({ max: 2, connectTimeoutMs: 100 });
    const { proxy, db } = parts;
    await arrange(proxy);
    const error = await assertRejects(
      () => db.acquire({ timeoutMs: 250 }),
      AcquireTimeoutError,
    );
    assertEquals([error.phase, error.outcome], ["connect", "not-applied"]);
    assertEquals(Reflect.get(error.cause as object, "code"), "CONNECT_TIMEOUT");
    const waiting = db.sql`select 1 as one`;
    void waiting.execute();
    proxy.heal();
    await proxy.accept();
    assertEquals([...await waiting], [{ one: 1 }]);
    assertAtRest(db);
  });
}
