/**
 * A program that uses a pool, never closes it, and ends when nothing holds it any more.
 *
 * Arguments: what it does, URL.
 *
 * @module
 */

import process from "node:process";
import { createPool } from "../support/entry.ts";

const [what = "", url = ""] = process.argv.slice(2);
const db = createPool(url, { max: 1, acquireTimeoutMs: 300 });

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const PROGRAMS: Record<string, () => unknown> = {
  async "an idle connection"() {
    await db.sql`select 1`;
    print(`idle ${db.stats().idle}`);
  },
  async "an idle lease"() {
    const lease = await db.acquire();
    await lease.sql`select 1`;
    print(`used ${db.stats().used}`);
  },
  async "a stock of idle connections"() {
    const stocked = createPool(url, { minIdle: 2, keepaliveMs: 60_000 });
    await stocked.ready();
    print(`idle ${stocked.stats().idle}`);
  },
  async "a stock that is refilled in vain"() {
    const stocked = createPool("postgres://nobody@127.0.0.1:1/nothing", { minIdle: 2 });
    await stocked.ready({ timeoutMs: 100 }).catch(() => {});
    print(`idle ${stocked.stats().idle}`);
  },
  // From here on nobody awaits at the top level: only the pool can hold the process.
  "a cold statement"() {
    db.sql`select pg_sleep(0.2)`.then(() => print("over"));
  },
  async "a warm statement"() {
    await db.sql`select 1`;
    // Longer than an idle connection may hold the process.
    await new Promise((resolve) => setTimeout(resolve, 50));
    db.sql`select pg_sleep(0.2)`.then(() => print("over"));
  },
  async "a statement on a lease"() {
    const lease = await db.acquire();
    await new Promise((resolve) => setTimeout(resolve, 50));
    lease.sql`select pg_sleep(0.2)`.then(() => print("over"));
  },
  "a transaction"() {
    db.transaction(async (sql) => {
      await sql`select pg_sleep(0.1)`;
      await sql`select pg_sleep(0.1)`;
    }).then(() => print("over"));
  },
  // Nothing is executed when the server ends it.
  async "a transaction that waits"() {
    const lease = await db.acquire();
    await lease.sql`begin`;
    lease.connection.onLost(() => print("over"));
    await lease.sql.unsafe("set idle_in_transaction_session_timeout = 200");
  },
  "a cancelled statement"() {
    const query = db.sql`select pg_sleep(60)`.execute();
    query.catch(() => print("over"));
    setTimeout(() => query.cancel(), 100);
  },
  async "a waiter"() {
    await db.acquire();
    await new Promise((resolve) => setTimeout(resolve, 50));
    db.acquire().catch(({ name }) => print(`over ${name}`));
  },
  "a waiter for a server that is not there"() {
    createPool("postgres://nobody@127.0.0.1:1/nothing", { acquireTimeoutMs: 300 })
      .acquire().catch(({ name }) => print(`over ${name}`));
  },
  async "a close that waits"() {
    await db.acquire();
    await new Promise((resolve) => setTimeout(resolve, 50));
    db.close({ timeoutMs: 200 }).then(() => print("over"));
  },
  async "a close"() {
    await db.sql`select 1`;
    await new Promise((resolve) => setTimeout(resolve, 50));
    db.close().then(() => print("over"));
  },
};

await PROGRAMS[what]?.();
