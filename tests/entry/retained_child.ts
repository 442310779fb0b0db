/**
 * A program that counts the stores of requests that are kept alive though all of them are over, while the pool they used goes
 * on.
 *
 * Arguments: what each request does, how many of them at a time, URL.
 *
 * @module
 */

import process from "node:process";
import { createPool, runtime } from "../support/entry.ts";

const { gc } = globalThis as { readonly gc?: () => void };
if (gc === undefined) throw new Error("needs --expose-gc");
const collect = gc;

/** How often garbage is collected before what is left counts as kept. */
const TRIES = 100;

const [what = "", count = "", url = ""] = process.argv.slice(2);
const db = createPool(url, {
  max: 2,
  // All that sets timers.
  keepaliveMs: 60_000,
  leakAfterMs: 60_000,
  session: (sql) => sql`set time zone 'UTC'`,
  observer: { acquired: () => {}, connected: () => {} },
  onnotice: () => {},
});

const request = runtime.contextVariable<object>();

const REQUESTS: Record<string, () => Promise<unknown>> = {
  "a statement": () => db.sql`select 1`,
  "a lease": async () => {
    const lease = await db.acquire();
    await lease.sql`select 1`;
    lease.release();
  },
  "a transaction": () => db.transaction((sql) => sql`select 1`),
  "a cursor": () => db.sql`select generate_series(1, 3)`.cursor(1, () => {}),
  "a callback for each row": () => db.sql`select generate_series(1, 3)`.forEach(() => {}),
  "a scope": () =>
    db.scope(async () => {
      await db.sql`select 1`;
      await db.transaction(async () => {
        await Promise.all([db.sql`select 1`, db.transaction(() => db.sql`select 1`)]);
      });
    }),
  "a scope that is one transaction": () =>
    db.scope(() => db.sql`select 1`, { transactional: true }),
  "a lost connection": () =>
    db.use(({ sql }) => sql`select pg_terminate_backend(pg_backend_pid())`).catch(() => {}),
  "an acquire that times out": () =>
    db.acquire({ timeoutMs: 1 }).then((l) => l.release(), () => {}),
};

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

/** In a function of its own, so that no variable holds a store. */
async function serve(): Promise<WeakRef<object>[]> {
  const stores = Array.from({ length: Number(count) }, (_, id) => ({ id }));
  await Promise.all(
    stores.map((store) => request.run(store, async () => await REQUESTS[what]?.())),
  );
  return stores.map((store) => new WeakRef(store));
}

const stores = await serve();
// A connection that came for them is there, and what it keeps counts.
await db.ready();
let kept = stores.length;
for (let tries = 0; kept > 0 && tries < TRIES; tries++) {
  await turn();
  collect();
  kept = stores.filter((store) => store.deref() !== undefined).length;
}
process.stdout.write(`${kept} of ${stores.length} kept\n`);
await db.close({ timeoutMs: 0 });
