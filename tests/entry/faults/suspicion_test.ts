import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { ConnectError } from "../../../src/core/errors.ts";
import { bounded as test } from "../../faults/bounded.ts";
import { assertAtRest, rig, until, warm } from "./rig.ts";

test("DESIGN 5.5: one loss makes the others suspect: dead ones are found before they are lent", async () => {
  await using parts = await rig({
    max: 3,
    multiplex: "off",
    checkTimeoutMs: 100,
  });
  const { schema, proxy, db } = parts;
  const losses = await warm(db, 3);
  const [first, second, third] = proxy.open;
  first?.blackhole();
  second?.blackhole();
  third?.reset();
  await Promise.race(losses);
  await Promise.all([1, 2, 3].map((x) => db.sql`insert into t values (${x})`));
  assertEquals(await schema.column("t", "x"), [1, 2, 3]);
  assertAtRest(db);
});

test("DESIGN 5.5: a second loss within a second condemns the rest: they are closed, not lent", async () => {
  await using parts = await rig({ max: 5, multiplex: "off" });
  const { proxy, db } = parts;
  await warm(db, 5);
  const old = proxy.open;
  old[0]?.reset();
  old[1]?.reset();
  await Promise.all(old.map(({ closed }) => closed));
  await until(() => db.stats().total === 0);
  await db.sql`select 1`;
  assertEquals([proxy.connections, proxy.open.length], [6, 1]);
});

test("DESIGN 5.5: a connection that was idle for too long is asked for a sign of life before it is lent", async () => {
  await using parts = await rig({
    max: 1,
    checkAfterIdleMs: 0,
    checkTimeoutMs: 100,
  });
  const { schema, proxy, db } = parts;
  await warm(db, 1);
  proxy.inflict((connection) => connection.blackhole(), "open");
  await db.sql`insert into t values (1)`;
  assertEquals(await schema.column("t", "x"), [1]);
  assertEquals([proxy.connections, db.stats().total], [2, 1]);
  assertAtRest(db);
});

test(`DESIGN 5.5: unavailable: "fail-fast" tells who comes during an outage at once`, async () => {
  await using parts = await rig({
    max: 2,
    multiplex: "off",
    unavailable: "fail-fast",
  });
  const { proxy, db } = parts;
  const losses = await warm(db, 2);
  proxy.arrivals = { fatal: "57P03" };
  proxy.cut();
  await Promise.all(losses);
  for (let count = 0; count < 5; count++) {
    const error = await assertRejects(
      async () => await db.sql`select 1`,
      ConnectError,
    );
    assertEquals([error.outcome, error.retryable], ["not-applied", true]);
    assertInstanceOf(error.cause, Error);
    assertEquals(Reflect.get(error.cause, "code"), "57P03");
  }
  proxy.heal();
  // The pause after the last failure may have to pass first.
  while (true) {
    try {
      await db.sql`select 1`;
      break;
    } catch (error) {
      assertInstanceOf(error, ConnectError);
    }
  }
  assertAtRest(db);
});
