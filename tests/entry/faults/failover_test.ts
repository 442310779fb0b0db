import { assertEquals, assertRejects } from "@std/assert";
import { CommitUnknownError } from "../../../src/core/errors.ts";
import { bounded as test } from "../../faults/bounded.ts";
import { FaultProxy } from "../../faults/fault_proxy.ts";
import { caughtUp, promote, startStandby } from "../../faults/server_faults.ts";
import { isCommitted } from "../../faults/wire_message.ts";
import { createPool } from "../../support/entry.ts";
import { PostgresServer } from "../../support/postgres_server.ts";
import { assertAtRest, leaveCheckpoint } from "./rig.ts";

test("DESIGN 5.5: a pool finds the server that takes writes, wherever it is", async (test) => {
  await using primary = await PostgresServer.start();
  await primary.query("create table t (x int)");
  await using standby = await startStandby(primary);
  await using proxy = await FaultProxy.start(primary.url());
  await using db = createPool(proxy.url(primary.url()), {
    max: 3,
    multiplex: "off",
    acquireTimeoutMs: 30_000,
  });
  const insert = (x: number) => db.sql`insert into t values (${x})`;

  await test.step("reads go on at a standby, and are no reason to leave it", async () => {
    proxy.retarget(standby.url());
    proxy.cut();
    await primary.query("insert into t values (1), (2), (3), (4)");
    await caughtUp(standby, primary);
    const before = proxy.connections;
    for (let count = 0; count < 5; count++) {
      assertEquals([...await db.sql`select count(*)::int as n from t`], [{
        n: 4,
      }]);
    }
    assertEquals(proxy.connections, before + 1);
  });

  await test.step("a COMMIT that another history may have is unknown", async () => {
    proxy.retarget(primary.url());
    db.evict();
    await db.sql`select 1`;
    await leaveCheckpoint(primary);
    proxy.strike(isCommitted, () => {
      proxy.refuse();
      return "cut";
    });
    const failing = assertRejects(
      () => db.transaction((sql) => sql`insert into t values (6)`),
      CommitUnknownError,
    );
    await proxy.message(isCommitted);
    await caughtUp(standby, primary);
    await primary.kill();
    await promote(standby);
    proxy.retarget(standby.url());
    await proxy.accept();
    assertEquals((await failing).outcome, "unknown");
  });

  await test.step("after the promotion all goes to the new primary", async () => {
    await Promise.all([7, 8, 9].map(insert));
    const rows = await standby.query("select x from t order by x");
    // The COMMIT of unknown outcome had been replicated.
    assertEquals(rows, [1, 2, 3, 4, 6, 7, 8, 9].map((x) => ({ x })));
    assertAtRest(db);
  });
});
