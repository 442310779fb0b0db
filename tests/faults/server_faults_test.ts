import { assert, assertEquals, assertRejects } from "@std/assert";
import postgres, { type Sql } from "postgres";
import { PostgresServer, query } from "../support/postgres_server.ts";
import { bounded as test } from "./bounded.ts";
import { FaultProxy } from "./fault_proxy.ts";
import {
  caughtUp,
  crash,
  exhaust,
  freezeBackends,
  freezeServer,
  makeReadOnly,
  promote,
  Recovery,
  startStandby,
} from "./server_faults.ts";

/** A plain client that tells what it was told. */
function plain(
  url: string,
  onnotice: (notice: { code?: string }) => void = () => {},
): Sql & AsyncDisposable {
  const sql = postgres(url, { max: 1, fetch_types: false, onnotice });
  return Object.assign(sql, { [Symbol.asyncDispose]: () => sql.end({ timeout: 0 }) });
}

async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return (await assertRejects(() => promise) as Error & { code?: string }).code;
}

async function pidOf(sql: Sql): Promise<number> {
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
  return row?.pid ?? 0;
}

test("A server can be frozen, crashed, made read-only, and held in its start-up", async (test) => {
  await using server = await PostgresServer.start({ config: { max_connections: "10" } });
  await server.query("create table t (x int)");
  const insert = "insert into t values (1)";

  await test.step("freezeServer() leaves sessions alone, and lets nobody in until it is over", async () => {
    await using sql = plain(server.url());
    await pidOf(sql);
    let over = false;
    let late: Promise<unknown>;
    {
      await using _ = await freezeServer(server);
      late = query(server.url(), "select 1").then(() => over = true);
      await sql`select pg_sleep(0.1)`;
      assertEquals(over, false);
    }
    await late;
  });

  await test.step("freezeBackends() stops those that it is told, and lets them go on", async () => {
    await using sql = plain(`${server.url()}?application_name=frozen`);
    await using other = plain(server.url());
    const pid = await pidOf(sql);
    let answered = false;
    let answer: Promise<unknown>;
    {
      await using _ = await freezeBackends(server, { applicationName: "frozen" });
      answer = sql`select 1`.then(() => answered = true);
      await other`select pg_sleep(0.1)`;
      assertEquals(answered, false);
    }
    await answer;
    assertEquals(await pidOf(sql), pid);
  });

  await test.step("exhaust() takes what a server has, and gives it back", async () => {
    {
      await using all = await exhaust(server.url());
      assertEquals(all.taken, 10);
      assertEquals(await codeOf(query(server.url(), "select 1")), "53300");
    }
    await using again = await exhaust(server.url());
    assert(again.taken > 0);
  });

  await test.step("exhaust() rejects with what else goes wrong", async () => {
    assertEquals(await codeOf(exhaust(server.url({ database: "nowhere" }))), "3D000");
  });

  await test.step("makeReadOnly() refuses writes, until it is over", async () => {
    {
      await using _ = await makeReadOnly(server);
      assertEquals(await codeOf(query(server.url(), insert)), "25006");
    }
    await query(server.url(), insert);
  });

  await test.step("crash() ends all sessions with 57P02, and keeps what was committed", async () => {
    const notices: unknown[] = [];
    await using witness = plain(server.url(), ({ code }) => notices.push(code));
    await using sql = plain(server.url());
    await pidOf(witness);
    const running = assertRejects(async () => await witness`select pg_sleep(60)`);
    await crash(server, await pidOf(sql));
    await running;
    assertEquals(notices, ["57P02"]);
    assertEquals(await query(server.url(), "select x from t"), [{ x: 1 }]);
  });

  for (const end of ["kill", "stop"] as const) {
    await test.step(`Recovery keeps a server in its start-up after ${end}()`, async () => {
      await server[end]();
      {
        await using recovery = await Recovery.hold(server);
        const started = server.start();
        await recovery.begun();
        assertEquals(await codeOf(query(server.url(), "select 1")), "57P03");
        await recovery.goOn();
        await started;
      }
      assertEquals(await server.query("select x from t"), [{ x: 1 }]);
      // The next start does not wait.
      await server.kill();
      await server.start();
    });
  }

  await test.step("Recovery that is not ended by hand ends with its block", async () => {
    await server.stop();
    let started: Promise<void>;
    {
      await using recovery = await Recovery.hold(server);
      started = server.start();
      await recovery.begun();
    }
    await started;
  });

  await test.step("Recovery that never began leaves no trace", async () => {
    await server.stop();
    {
      await using _ = await Recovery.hold(server);
    }
    await server.start();
  });

  await test.step("what is frozen can be stopped, killed and disposed of", async () => {
    for (const end of ["stop", "kill", "dispose"] as const) {
      await using sql = plain(server.url());
      await pidOf(sql);
      await server.freeze(await server.backends());
      await server.freeze();
      // Each of them is over when all processes are gone.
      if (end === "dispose") await server[Symbol.asyncDispose]();
      else {
        await server[end]();
        await server.start();
      }
    }
  });
});

test("A standby refuses writes with 25006, follows its primary, and can be promoted", async (test) => {
  await using primary = await PostgresServer.start();
  await primary.query("create table t (x int)");
  await using copy = await startStandby(primary, { following: false });
  await using standby = await startStandby(primary);
  const insert = "insert into t values (2)";

  await test.step("one that does not follow stays as it was", async () => {
    await primary.query("insert into t values (1)");
    assertEquals(await query(copy.url(), "select x from t"), []);
    assertEquals(await codeOf(query(copy.url(), insert)), "25006");
  });

  await test.step("one that follows has what its primary has", async () => {
    await caughtUp(standby, primary);
    assertEquals(await query(standby.url(), "select x from t"), [{ x: 1 }]);
    assertEquals(await codeOf(query(standby.url(), insert)), "25006");
  });

  await test.step("a proxy leads to the one that was promoted", async () => {
    await using proxy = await FaultProxy.start(primary.url());
    await primary.kill();
    await promote(standby);
    proxy.retarget(standby.url());
    await query(proxy.url(primary.url()), insert);
    assertEquals(await query(standby.url(), "select x from t order by x"), [{ x: 1 }, { x: 2 }]);
  });
});
