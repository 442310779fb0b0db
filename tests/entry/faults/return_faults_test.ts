import { assertEquals } from "@std/assert";
import { bounded as test } from "../../faults/bounded.ts";
import type { Break } from "../../faults/lane.ts";
import type { WireMessage } from "../../faults/wire_message.ts";
import { assertAtRest, rig } from "./rig.ts";

const BREAKS = [
  "cut",
  "reset",
  "half-close",
  "blackhole",
] as const satisfies readonly Break[];
const LEVELS = ["rollback", "session", "discard"] as const;

/** A client's statement, of either protocol. */
function isStatement({ from, type }: WireMessage): boolean {
  return from === "client" && (type === "Q" || type === "P");
}

for (const reset of LEVELS) {
  test(`DESIGN 5.4: a connection whose cleaning (${reset}) breaks is not lent again`, async () => {
    await using parts = await rig({ max: 1, reset });
    const { schema, proxy, db } = parts;
    for (const how of BREAKS) {
      const before = proxy.sessions;
      const lease = await db.acquire();
      await lease.sql`select set_config('my.word', 'secret', false)`;
      await lease.sql`begin`;
      await lease.sql`insert into t values (1)`;
      const { pid } = lease.connection;
      const struck = proxy.strike(isStatement, how);
      lease.release();
      await struck;
      const [row] = await db.sql`
        select pg_backend_pid() as pid, current_setting('my.word', true) as word`;
      assertEquals([row?.pid === pid, row?.word], [false, null], how);
      // The first time there was none before.
      assertEquals(proxy.sessions - before, before === 0 ? 2 : 1, how);
      proxy.open.filter((connection) => connection.pid === pid).forEach((old) => old.cut());
      await schema.terminate(pid);
      assertEquals(await schema.column("t", "x"), [], how);
      assertAtRest(db);
    }
  });
}

test("DESIGN 5.4: what was released with a statement in hand does not come back, whatever the network does", async () => {
  await using parts = await rig({ max: 1 });
  const { proxy, db } = parts;
  for (const from of ["client", "server", "both"] as const) {
    const before = proxy.sessions;
    const lease = await db.acquire();
    const { pid } = lease.connection;
    proxy.inflict((connection) => connection.hold(from), "open");
    const held = proxy.open;
    const pending = lease.sql`select 'late' as word`.then(
      () => "answered",
      ({ outcome }) => outcome,
    );
    await proxy.next(isStatement);
    lease.release();
    const [row] = await db.sql`select pg_backend_pid() as pid, 'mine' as word`;
    assertEquals([row?.pid === pid, row?.word], [false, "mine"]);
    held.forEach((connection) => connection.release());
    assertEquals(await pending, "unknown");
    assertEquals([...await db.sql`select 'mine' as word`], [{ word: "mine" }]);
    assertEquals(proxy.sessions - before, before === 0 ? 2 : 1);
    assertAtRest(db);
  }
});
