import { assert, assertEquals } from "@std/assert";
import { bounded as test } from "../../faults/bounded.ts";
import type { Break } from "../../faults/lane.ts";
import type { ProxiedConnection } from "../../faults/proxied_connection.ts";
import {
  after,
  completing,
  type MessageFilter,
  nth,
  ofType,
  stating,
} from "../../faults/wire_message.ts";
import { ask, assertAtRest, failure, isInsert, rig, warm } from "./rig.ts";

const BREAKS = [
  "cut",
  "reset",
  "half-close",
] as const satisfies readonly Break[];

/** Where the connection breaks, and what is then in the table if the statement is not sent again, and if it is. */
const PLACES: readonly {
  readonly name: string;
  readonly at: MessageFilter;
  readonly outcome: "not-applied" | "unknown";
  readonly once: number[];
  readonly again: number[];
}[] = [
  {
    name: "before anything of it reaches the server",
    at: isInsert,
    outcome: "not-applied",
    once: [],
    again: [1],
  },
  {
    name: "at the answer to its Parse",
    at: after(isInsert, ofType("server", "1")),
    outcome: "not-applied",
    once: [],
    again: [1],
  },
  {
    name: "at its Bind",
    at: after(isInsert, ofType("client", "B")),
    outcome: "unknown",
    once: [],
    again: [1],
  },
  {
    name: "at its Execute",
    at: after(isInsert, ofType("client", "E")),
    outcome: "unknown",
    once: [],
    again: [1],
  },
  {
    name: "at its CommandComplete",
    at: after(isInsert, completing("INSERT")),
    outcome: "unknown",
    once: [1],
    again: [1, 1],
  },
  {
    name: "between its CommandComplete and its ReadyForQuery",
    at: after(after(isInsert, completing("INSERT")), ofType("server", "Z")),
    outcome: "unknown",
    once: [1],
    again: [1, 1],
  },
];

for (const how of BREAKS) {
  test(`DESIGN 5.2: a statement whose connection breaks by a ${how} is sent again if that is safe`, async (test) => {
    await using parts = await rig({ max: 1 });
    const { schema, proxy, db } = parts;
    for (const { name, at, outcome, once, again } of PLACES) {
      await test.step(name, async () => {
        for (const idempotent of [false, true]) {
          await db.sql`truncate t`;
          const before = proxy.connections;
          const struck = proxy.strike(at, how);
          const view = idempotent ? db.with({ idempotent }) : db;
          const query = ask(
            view.sql,
            "insert into t values (",
            1,
            ") returning x",
          );
          if (idempotent || outcome === "not-applied") {
            assertEquals([...await query], [{ x: 1 }]);
          } else {
            assertEquals(await failure(query), {
              code: "CONNECTION_CLOSED",
              outcome,
            });
          }
          await struck;
          const replayed = idempotent || outcome === "not-applied";
          assertEquals(await schema.column("t", "x"), replayed ? again : once);
          await db.sql`select 1`;
          assertEquals(proxy.connections, before + 1);
          assertAtRest(db);
        }
      });
    }
  });

  test(`DESIGN 5.2: a read that breaks amid its rows by a ${how} gives all of them or none`, async () => {
    await using parts = await rig({ max: 1 });
    const { proxy, db } = parts;
    const series = "select i from generate_series(1, ";
    const fifth = () => nth(5, after(stating("generate_series"), ofType("server", "D")));
    proxy.strike(fifth(), how);
    assertEquals(await failure(ask(db.sql, series, 100, ") as i")), {
      code: "CONNECTION_CLOSED",
      outcome: "unknown",
    });
    proxy.strike(fifth(), how);
    const rows = await ask(
      db.with({ idempotent: true }).sql,
      series,
      100,
      ") as i",
    );
    assertEquals(
      rows.map(({ i }) => i),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    assertAtRest(db);
  });
}

test("DESIGN 5.2: what a callback was given before the break it is not given again", async () => {
  await using parts = await rig({ max: 1 });
  const { proxy, db } = parts;
  const seen: number[] = [];
  proxy.strike(
    nth(5, after(stating("generate_series"), ofType("server", "D"))),
    {
      pass: Infinity,
      then: "cut",
    },
  );
  const reading = ask(
    db.with({ idempotent: true }).sql,
    "select i from generate_series(1, ",
    100,
    ") as i",
  ).forEach(({ i }) => seen.push(i));
  assertEquals((await failure(reading)).outcome, "unknown");
  assertEquals(seen, [1, 2, 3, 4, 5]);
  assertEquals(
    proxy.statements.filter((text) => text.includes("generate_series")).length,
    1,
  );
});

test("DESIGN 5.2: each of many statements on one connection is judged by itself", async () => {
  await using parts = await rig({ max: 1 });
  const { schema, proxy, db } = parts;
  const insert = (x: number) => db.sql`insert into t values (${x})`;
  // Short ones, so that from now on they are sent behind one another.
  for (let x = 0; x < 100; x++) await insert(x);
  const numbers = Array.from({ length: 50 }, (_, index) => 100 + index);
  const struck = proxy.strike(nth(10, completing("INSERT")), "cut");
  const settled = await Promise.allSettled(numbers.map(insert));
  await struck;
  // What was on its way when the connection broke may be executed until its session has ended.
  await schema.terminate();
  const rows = await schema.column("t", "x");
  const lost = numbers.filter((_, index) => settled[index]?.status === "rejected");
  assert(lost.length >= 1 && !lost.includes(100));
  assertEquals(rows.length, new Set(rows).size);
  for (const x of numbers) {
    assert(lost.includes(x) || rows.includes(x), `${x} is missing`);
  }
  for (const result of settled) {
    if (result.status === "rejected") {
      assertEquals(result.reason.outcome, "unknown");
    }
  }
  assertAtRest(db);
});

const IDLE_LOSSES: Readonly<
  Record<string, (connection: ProxiedConnection) => void>
> = {
  cut: (connection) => connection.cut(),
  reset: (connection) => connection.reset(),
  "half-close": (connection) => connection.halfClose("client"),
};

for (const [how, fault] of Object.entries(IDLE_LOSSES)) {
  test(`DESIGN 5.5: connections that are lost while idle by a ${how} cost nobody anything`, async () => {
    await using parts = await rig({ max: 3, multiplex: "off" });
    const { schema, proxy, db } = parts;
    const losses = await warm(db, 3);
    proxy.inflict(fault, "open");
    await Promise.all(losses);
    assertEquals(db.stats().total, 0);
    await Promise.all(
      [1, 2, 3, 4].map((x) => db.sql`insert into t values (${x})`),
    );
    assertEquals(await schema.column("t", "x"), [1, 2, 3, 4]);
    assert(proxy.connections <= 6);
    assertAtRest(db);
  });
}

test("DESIGN 5.5: an administrator who ends one session costs one connection, not all", async () => {
  await using parts = await rig({ max: 3, multiplex: "off" });
  const { schema, proxy, db } = parts;
  const losses = await warm(db, 3);
  await schema.terminate(proxy.open[0]?.pid);
  await Promise.race(losses);
  await Promise.all([1, 2, 3].map((x) => db.sql`insert into t values (${x})`));
  assertEquals(await schema.column("t", "x"), [1, 2, 3]);
  assertEquals(proxy.connections, 4);
});

test("DESIGN 5.2: a statement that ends its own session does not walk through the pool", async () => {
  await using parts = await rig({ max: 4, multiplex: "off" });
  const { proxy, db } = parts;
  await warm(db, 4);
  for (const replay of ["safe", "never"] as const) {
    const suicide = db.with({ replay })
      .sql`select pg_terminate_backend(pg_backend_pid())`;
    assertEquals(await failure(suicide), {
      code: "CONNECTION_CLOSED",
      outcome: "unknown",
    });
  }
  assertEquals(
    proxy.statements.filter((text) => text.includes("pg_terminate_backend"))
      .length,
    2,
  );
  assertAtRest(db);
});
