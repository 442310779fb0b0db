import { assertEquals } from "@std/assert";
import { bounded as test } from "../../faults/bounded.ts";
import { FaultProxy } from "../../faults/fault_proxy.ts";
import { startStandby } from "../../faults/server_faults.ts";
import { createPool } from "../../support/entry.ts";
import { PostgresServer } from "../../support/postgres_server.ts";
import { assertAtRest, failure, warm } from "./rig.ts";

test("DESIGN 5.5: a pool leaves a server that has become read-only", async (test) => {
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

  await test.step("writes that reach a standby (25006) are refused; one is enough to know", async () => {
    proxy.retarget(standby.url());
    await warm(db, 3);
    // What is behind the address is another server now, but the connections stay.
    proxy.retarget(primary.url());
    assertEquals(await failure(insert(1)), {
      code: "25006",
      outcome: "refused",
    });
    await Promise.all([2, 3, 4, 5].map(insert));
    const rows = await primary.query("select x from t order by x");
    assertEquals(rows, [2, 3, 4, 5].map((x) => ({ x })));
    assertAtRest(db);
  });
});
