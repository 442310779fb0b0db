import { assertEquals, assertRejects } from "@std/assert";
import { bounded as test } from "../../faults/bounded.ts";
import type { FaultProxy } from "../../faults/fault_proxy.ts";
import { ofType } from "../../faults/wire_message.ts";
import { createPool } from "../../support/entry.ts";
import { assertAtRest, type Rig, rig, warm } from "./rig.ts";

/** Has a statement hang on the server until `free` is called, and be over by itself then. */
async function hang({ schema, db, proxy }: Rig) {
  const key = Math.trunc(Math.random() * 2 ** 30);
  const holder = createPool(schema.url, { max: 1 });
  const lease = await holder.acquire();
  await lease.sql`select pg_advisory_lock(${key}::int)`;
  const query = db
    .sql`insert into t select 1 from (select pg_advisory_xact_lock(${key}::int)) as l`;
  void query.execute();
  await proxy.statement("pg_advisory_xact_lock");
  const waiting =
    "select 1 from pg_locks where locktype = 'advisory' and objid = $1 and not granted";
  while ((await schema.query(waiting, [key])).length === 0);
  return {
    query,
    free: async (): Promise<void> => {
      lease.release();
      await holder.close();
    },
  };
}

for (
  const [name, arrange] of [
    ["is reset", (proxy: FaultProxy) => void (proxy.arrivals = "reset")],
    [
      "is taken, and its request lost",
      (proxy: FaultProxy) => {
        proxy.judge = (message) => ofType("client", "cancel")(message) ? "cut" : "pass";
      },
    ],
  ] as const
) {
  test(`DESIGN 5.5: a cancel whose connect ${name}, again and again, ends the wait all the same, and its connection`, async () => {
    await using parts = await rig({ max: 1 });
    const { schema, proxy, db } = parts;
    await warm(db, 1);
    const { query, free } = await hang(parts);
    arrange(proxy);
    query.cancel();
    const error = await assertRejects(async () => await query);
    assertEquals(Reflect.get(error as object, "outcome"), "unknown");
    proxy.heal();
    await proxy.accept();
    await free();
    await db.sql`insert into t values (2)`;
    assertEquals((await schema.column("t", "x")).includes(2), true);
    assertAtRest(db);
  });
}

test("DESIGN 5.5: a cancel whose request was lost is sent again", async () => {
  await using parts = await rig({ max: 1 });
  const { schema, proxy, db } = parts;
  await warm(db, 1);
  const { query, free } = await hang(parts);
  void proxy.strike(ofType("client", "cancel"), "cut");
  query.cancel();
  const error = await assertRejects(async () => await query);
  assertEquals(
    ["code", "outcome"].map((name) => Reflect.get(error as object, name)),
    ["57014", "refused"],
  );
  await free();
  assertEquals(await schema.column("t", "x"), []);
  assertAtRest(db);
});
