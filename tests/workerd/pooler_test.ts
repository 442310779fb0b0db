import { assertEquals } from "@std/assert";
import { Schema } from "../driver/postgres/schema.ts";
import { WireProxy } from "../driver/postgres/wire_proxy.ts";
import { type Outcome, sessionsGone, WORKER } from "./worker_client.ts";
import { Workerd } from "./workerd.ts";

interface Pooled {
  readonly rows: unknown[];
  readonly prepared: number;
  readonly cancelled: Outcome;
}

Deno.test('A worker with pooler: "transaction" names no statement and no backend', async () => {
  await using schema = await Schema.create("create table t (x int)");
  await using proxy = await WireProxy.start(schema.url);
  await using workerd = await Workerd.start({
    worker: WORKER,
    env: { DATABASE_URL: schema.through(proxy) },
  });
  const { rows, prepared, cancelled } = await workerd.get<Pooled>("/pooled?x=1");
  assertEquals(rows, [1, 2, 3].map((y) => ({ y, list: [y] })));
  assertEquals(prepared, 0);
  assertEquals([cancelled.code, cancelled.outcome], ["57014", "unknown"]);
  assertEquals(await schema.column("t", "x"), [1]);
  const parsed = proxy.messages.filter(({ type, from }) => type === "P" && from === "client");
  assertEquals(parsed.filter(({ body }) => body[0] !== 0), []);
  assertEquals(proxy.messages.filter(({ type }) => type === "cancel"), []);
  await schema.terminate();
  await sessionsGone(schema);
  assertEquals(workerd.log, "");
});
