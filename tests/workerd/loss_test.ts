import { assertEquals, assertRejects } from "@std/assert";
import { PostgresServer } from "../support/postgres_server.ts";
import { countSessions, type Outcome, sessionsGone, withWorker, WORKER } from "./worker_client.ts";
import { Workerd } from "./workerd.ts";

Deno.test("A client that hangs up amid a statement leaves its request to end, and others alone", () =>
  withWorker(async (workerd, schema) => {
    const gone = new AbortController();
    const asked = [1, 3, 5].map((x) => workerd.get(`/slow?x=${x}`, { signal: gone.signal }));
    const stays = workerd.get("/slow?x=7");
    while (await countSessions(schema, "PgSleep") < 4);
    gone.abort();
    for (const request of asked) await assertRejects(() => request, DOMException);
    assertEquals(await stays, "done");
    await sessionsGone(schema);
    assertEquals(await schema.column("t", "x"), [1, 2, 3, 4, 5, 6, 7, 8]);
    assertEquals(await workerd.get("/select"), [{ one: 1, list: [1, 2] }]);
  }));

Deno.test("A worker outlives its server's restart", async (test) => {
  await using server = await PostgresServer.start();
  await server.query("create table t (x int)");
  await using workerd = await Workerd.start({
    worker: WORKER,
    env: { DATABASE_URL: `${server.url()}?application_name=worker` },
  });
  const rows = async (): Promise<unknown[]> =>
    (await server.query("select x from t order by x")).map(({ x }) => x);

  await test.step("what runs when it goes down is unknown, and is not sent again", async () => {
    const running = workerd.get<Outcome>("/running?x=1");
    const sleeping = "select 1 from pg_stat_activity where wait_event = 'PgSleep'";
    while ((await server.query(sleeping)).length === 0);
    await server.stop("immediate");
    const { name, outcome } = await running;
    assertEquals([name, outcome], ["ConnectionLostError", "unknown"]);
  });

  await test.step("who comes while it is down is served when it is back", async () => {
    const waiting = [2, 3, 4].map((x) => workerd.get(`/insert?x=${x}`));
    await server.start();
    assertEquals(await Promise.all(waiting), ["inserted", "inserted", "inserted"]);
    assertEquals(await rows(), [2, 3, 4]);
  });

  await test.step("requests before, between and after a fast restart lose nothing they were told of", async () => {
    await server.query("truncate t");
    const acknowledged: number[] = [];
    let restarting = true;
    const client = async (first: number): Promise<void> => {
      for (let x = first; restarting; x += 4) {
        await workerd.get(`/insert?x=${x}`).then(() => acknowledged.push(x), () => {});
      }
    };
    const clients = [0, 1, 2, 3].map(client);
    while (acknowledged.length < 10) await new Promise((resolve) => setTimeout(resolve, 1));
    await server.restart();
    const { length } = acknowledged;
    while (acknowledged.length < length + 10) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    restarting = false;
    await Promise.all(clients);
    const present = new Set(await rows());
    assertEquals(acknowledged.filter((x) => !present.has(x)), []);
  });

  const open = "select 1 from pg_stat_activity where application_name = 'worker'";
  while ((await server.query(open)).length > 0);
});
