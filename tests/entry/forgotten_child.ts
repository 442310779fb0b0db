/**
 * A program that forgets leases, or keeps no more of them than what it works with, while garbage is collected.
 *
 * Arguments: what it does, URL.
 *
 * @module
 */

import process from "node:process";
import { Pool } from "../../mod.ts";
import { FakeDriver, VirtualClock } from "../../src/testing/mod.ts";
import { createPool } from "../support/entry.ts";

const { gc } = globalThis as { readonly gc?: () => void };
if (gc === undefined) throw new Error("needs --expose-gc");
const collect = gc;

const [what = "", url = ""] = process.argv.slice(2);
const collected = Promise.withResolvers<void>();
let count = 0;
const db = createPool(url, {
  max: 1,
  maxShared: 1,
  // What is lent is looked at as often.
  leakAfterMs: 20,
  acquireTimeoutMs: 60_000,
  observer: {
    collected: ({ label }) => {
      count++;
      print(`collected ${label}`);
      collected.resolve();
    },
  },
});

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const turn = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Lets the pool look at what is lent, and collects garbage, many times. */
async function collectALot(times = 10): Promise<void> {
  for (let i = 0; i < times; i++) {
    await turn(30);
    collect();
  }
}

/** In a function of its own, so that no variable holds it. */
async function forget(): Promise<void> {
  const lease = await db.acquire({ label: "forgetful" });
  await lease.sql`select 1`;
}

/** Forgets a share, and waits until that is found. */
async function forgetShare(): Promise<void> {
  const { length } = await (async () => {
    const lease = await db.acquireShared({ label: "forgetful" });
    return await lease.sql`select 1`;
  })();
  const before = count;
  while (count < before + length) await collectALot(1);
}

/** Forgets a scope with a connection, in a pool that takes no stacks. */
async function forgetScope(): Promise<void> {
  const clock = new VirtualClock();
  let isCollected = false;
  const observer = {
    collected: ({ label }: { label?: string }) => {
      isCollected = true;
      print(`collected ${label}`);
    },
  };
  const pool = new Pool(new FakeDriver({ clock }), { clock, max: 1, observer });
  await (async () => {
    await pool.openScope({ name: "forgetful" }).use(({ connection }) => connection.run("select 1"));
  })();
  const next = pool.acquire({ timeoutMs: Infinity });
  while (!isCollected) {
    await clock.advance(5_000);
    await collectALot(1);
  }
  await clock.settle();
  print(`served ${(await next).epoch}`);
}

const PROGRAMS: Record<string, () => Promise<unknown>> = {
  async "forgets a lease"() {
    await forget();
    const next = db.acquire();
    while (count === 0) await collectALot(1);
    await collected.promise;
    const lease = await next;
    print(`served ${lease.epoch}`);
    lease.release();
  },
  "forgets a scope": forgetScope,
  async "forgets shares"() {
    const other = await db.acquireShared();
    await forgetShare();
    const [row] = await other.sql`select 2 as left`;
    print(`${db.stats().sharedLeases} of ${row?.left}, ${other.lost ? "lost" : "not lost"}`);
    other.release();
    await forgetShare();
    print(`idle ${db.stats().idle}, connected ${db.stats().connectMs.count}`);
  },
  async "keeps the sql of a share"() {
    const { sql } = await db.acquireShared();
    await collectALot();
    await sql`select 1`;
  },
  async "keeps the query of a share"() {
    const slow = await (async () => {
      const lease = await db.acquireShared();
      return { query: lease.sql`select pg_sleep(0.4)`.execute() };
    })();
    await collectALot();
    await slow.query;
  },
  async "keeps the sql of a lease"() {
    const { sql } = await db.acquire();
    await collectALot();
    await sql`select 1`;
    sql.release();
  },
  async "keeps the query of a lease"() {
    const slow = await (async () => {
      const lease = await db.acquire();
      return { query: lease.sql`select pg_sleep(0.4)`.execute() };
    })();
    await collectALot();
    await slow.query;
  },
  async "keeps the cursor of a lease"() {
    const cursor = await (async () => {
      const lease = await db.acquire();
      return lease.sql`select n from generate_series(1, 3) n`.cursor(1)[Symbol.asyncIterator]();
    })();
    let rows = 0;
    while (!(await cursor.next()).done) {
      rows++;
      await collectALot(4);
    }
    print(`${rows} rows`);
  },
  async "keeps the stream of a lease"() {
    const stream = await (async () => {
      const lease = await db.acquire();
      return await lease.sql`copy (select generate_series(1, 3)) to stdout`.readable();
    })();
    await collectALot();
    let bytes = 0;
    for await (const chunk of stream) bytes += chunk.length;
    print(`${bytes} bytes`);
  },
  async "keeps the cursor of a single statement"() {
    let rows = 0;
    for await (const _ of db.sql`select n from generate_series(1, 3) n`.cursor(1)) {
      rows++;
      await collectALot(4);
    }
    print(`${rows} rows`);
  },
  async "pauses in a transaction"() {
    await db.transaction(async (sql) => {
      await sql`select 1`;
      await collectALot();
      await sql`select 1`;
    });
  },
  async "waits for a single statement"() {
    const query = db.sql`select pg_sleep(0.4)`.execute();
    await collectALot();
    await query;
  },
};

await PROGRAMS[what]?.();
await db.close({ timeoutMs: 0 });
print("over");
