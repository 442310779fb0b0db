import { assertEquals } from "@std/assert";
import { SteadyConnection } from "../../src/core/steady_connection.ts";
import { postgresDriver } from "../../src/driver/postgres/driver.ts";
import { createPool, runtime } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { test } from "../support/harness.ts";

const user = runtime.contextVariable<string>();

/** Who is served where something of the pool's own runs. */
class Witness {
  readonly seen: Set<string> = new Set();

  see(what: string): void {
    this.seen.add(`${what} for ${user.get() ?? "nobody"}`);
  }

  /** Options for a URL, whose functions are the pool's own affair. */
  options(url: string) {
    const { password } = new URL(url);
    return {
      password: () => {
        this.see("password");
        return decodeURIComponent(password);
      },
      onnotice: () => this.see("onnotice"),
      onparameter: () => this.see("onparameter"),
      onclose: () => this.see("onclose"),
      debug: () => this.see("debug"),
    };
  }
}

const NOTICE = "do $$ begin raise notice 'hello'; end $$";

test("createPool()'s hooks are called in nobody's context, whoever uses the pool: password, session, notices, observers (X-14)", async () => {
  await using schema = await Schema.create();
  const witness = new Witness();
  const db = createPool(schema.url, {
    ...witness.options(schema.url),
    max: 2,
    reset: "session",
    session: async (sql) => {
      witness.see("session");
      await sql`select 1`;
      witness.see("session, later");
    },
    observer: {
      connected: () => witness.see("connected"),
      acquired: () => witness.see("acquired"),
      waiting: () => witness.see("waiting"),
      closed: () => witness.see("closed"),
    },
  });
  const names = Array.from({ length: 8 }, (_, index) => `user ${index}`);
  await Promise.all(names.map((name) =>
    user.run(name, async () => {
      await db.sql.unsafe(NOTICE);
      await db.use(({ sql }) => sql`select 1`);
      await db.transaction((sql) => sql`select set_config('TimeZone', 'UTC', false)`);
    })
  ));
  await user.run("ada", async () => {
    const lease = await db.acquire();
    lease.destroy();
  });
  await user.run("grace", () => db.close());
  assertEquals(
    [...witness.seen].sort(),
    [
      "acquired",
      "closed",
      "connected",
      "debug",
      "onclose",
      "onnotice",
      "onparameter",
      "password",
      "session",
      "session, later",
      "waiting",
    ].map((what) => `${what} for nobody`),
  );
});

test("callbacks of users run in their own context, on a cold pool and on a busy one (X-14)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 2 });
  const names = Array.from({ length: 10 }, (_, index) => `user ${index}`);
  const seen = await Promise.all(names.map((name) =>
    user.run(name, async () => {
      const seen = new Set<string | undefined>();
      const see = (): void => void seen.add(user.get());
      await db.use(async ({ sql }) => {
        see();
        await sql`select 1`;
        see();
      });
      await db.transaction(async (sql) => {
        see();
        await sql.savepoint(async (sql) => {
          see();
          await sql`select 1`.forEach(see);
        });
        await sql`select generate_series(1, 4)`.cursor(2, see);
        for await (const rows of sql`select generate_series(1, 4)`.cursor(2)) rows.forEach(see);
      });
      await db.sql`select generate_series(1, 4)`.forEach(see);
      await db.sql`select generate_series(1, 4)`.cursor(2, async () => {
        see();
        await Promise.resolve();
        see();
      });
      for await (const rows of db.sql`select generate_series(1, 4)`.cursor(3)) rows.forEach(see);
      const lease = await db.acquire();
      see();
      const stream = await lease.sql`copy (select generate_series(1, 1000)) to stdout`.readable();
      for await (const _ of stream) see();
      lease.release();
      see();
      return [...seen];
    })
  ));
  assertEquals(seen, names.map((name) => [name]));
});

test("what a forEach() or a cursor's callback throws or returns is the same in its caller's context (X-14)", async () => {
  await using schema = await Schema.create();
  await using db = createPool(schema.url, { max: 1 });
  const rows: unknown[] = [];
  await db.sql`select generate_series(1, 3) as x`.forEach((row, result) => {
    rows.push([row.x, result.command]);
  });
  assertEquals(rows.map((row) => (row as unknown[])[0]), [1, 2, 3]);
  const batches: number[] = [];
  await db.sql`select generate_series(1, 100) as x`.cursor(10, (rows) => {
    batches.push(rows.length);
    return batches.length === 2 ? db.sql.CLOSE : undefined;
  });
  assertEquals(batches, [10, 10]);
  const error = new Error("mine");
  const failed = await db.sql`select generate_series(1, 100) as x`.cursor(10, () => {
    throw error;
  }).catch((error) => error);
  assertEquals(failed, error);
});

test("a steady connection's password, notices and closing are nobody's, whoever opens it (X-14)", async () => {
  await using schema = await Schema.create();
  const witness = new Witness();
  const driver = postgresDriver({ runtime, url: schema.url, ...witness.options(schema.url) });
  const connection = new SteadyConnection(driver, {});
  await user.run("ada", () => connection.run(({ sql }) => sql.unsafe(NOTICE)));
  await user.run("grace", () => connection.close());
  const hooks = ["debug", "onclose", "onnotice", "onparameter", "password"];
  assertEquals([...witness.seen].sort(), hooks.map((what) => `${what} for nobody`));
});

test("in a scope, too, callbacks and hooks of users run in their own context, and those of the pool in nobody's (X-14)", async () => {
  await using schema = await Schema.create();
  const witness = new Witness();
  const inScope = new Set<unknown>();
  const db = createPool(schema.url, {
    ...witness.options(schema.url),
    max: 4,
    session: (): void => {
      witness.see("session");
      inScope.add(db.current());
    },
  });
  const names = Array.from({ length: 6 }, (_, index) => `user ${index}`);
  const seen = await Promise.all(
    names.map((name) =>
      user.run(name, () =>
        db.scope(async (scope) => {
          const seen = new Set<unknown>();
          const see = (): void => void seen.add(user.get()).add(db.current()?.name === scope.name);
          await db.sql`select generate_series(1, 3)`.forEach(see);
          await db.transaction(async () => {
            see();
            db.afterCommit(see);
            await Promise.all([
              db.sql`select generate_series(1, 3)`.cursor(1, see),
              db.transaction(async (sql) => {
                see();
                db.afterRollback(see);
                await sql`select generate_series(1, 3)`.forEach(see);
                throw new Error("changed my mind");
              }).catch(see),
            ]);
          });
          return [...seen];
        }))
    ),
  );
  await db.close();
  assertEquals(seen, names.map((name) => [name, true]));
  assertEquals([...witness.seen].filter((line) => !line.endsWith(" for nobody")), []);
  assertEquals([...inScope], [undefined]);
});
