/**
 * Transactions that lose their connection at a bad moment, and what the pool's other options have to do with it.
 */

import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { CommitUnknownError, ConnectionLostError, SteadyError } from "../../src/core/errors.ts";
import { createPool, type CreatePoolOptions, type PostgresPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import {
  statementOf,
  type Verdict,
  type WireMessage,
  WireProxy,
} from "../driver/postgres/wire_proxy.ts";
import { PostgresServer, query } from "../support/postgres_server.ts";
import { test } from "../support/harness.ts";
import { fatalError, nth } from "../faults/wire_message.ts";
import { Buffer } from "node:buffer";

const TABLE = "create table t (x int)";

function isCommitted({ from, type, body }: WireMessage): boolean {
  return from === "server" && type === "C" && body.toString().startsWith("COMMIT");
}

/** Waits for the server's clock to leave the second of its last checkpoint. */
async function leaveCheckpoint(url: string) {
  const text =
    "select date_trunc('second', clock_timestamp()) > checkpoint_time as past from pg_control_checkpoint()";
  while ((await query(url, text))[0]?.past !== true);
}

async function rig(
  options: CreatePoolOptions,
  fn: (parts: { schema: Schema; proxy: WireProxy; db: PostgresPool }) => Promise<void>,
  setUp = TABLE,
): Promise<void> {
  await using schema = await Schema.create(setUp);
  await using proxy = await WireProxy.start(schema.url);
  await using db = createPool(schema.through(proxy), { max: 1, ...options });
  await leaveCheckpoint(schema.url);
  await fn({ schema, proxy, db });
}

function once(
  proxy: WireProxy,
  when: (message: WireMessage) => boolean,
  verdict: Verdict,
): void {
  let done = false;
  proxy.judge = (message) => {
    if (done || !when(message)) return "pass";
    done = true;
    return verdict;
  };
}

for (
  const [name, options] of Object.entries<CreatePoolOptions>({
    "of rows": { transform: { row: { from: (row: object) => Object.freeze({ row }) } } },
    "of rows, which fail on what they do not know": {
      transform: {
        row: {
          from: (row: object) => {
            if (!("x" in row)) throw new Error("not a row of mine");
            return row;
          },
        },
      },
    },
    "of columns and values": {
      transform: {
        column: { from: (name: string) => `${name}!` },
        value: { from: (value: unknown) => `<${value}>` },
      },
    },
  })
) {
  test(`A lost COMMIT is looked up whatever transforms the user has: ${name}`, () =>
    rig(options, async ({ schema, proxy, db }) => {
      once(proxy, isCommitted, "cut");
      await db.transaction((sql) => sql`insert into t values (1)`);
      assertEquals(await schema.column("t", "x"), [1]);
    }));
}

test("A transform of rows is the user's, and sees none of ours", async () => {
  const seen: object[] = [];
  const row = {
    from: (row: object) => {
      seen.push(row);
      return { ...row, seen: true };
    },
  };
  await rig({ transform: { row }, reset: "discard" }, async ({ proxy, db }) => {
    once(proxy, isCommitted, "cut");
    await db.transaction((sql) => sql`insert into t values (1)`);
    await db.use((lease) => lease.sql.unsafe("prepare mine as select 1"));
    assertEquals([...await db.sql`select x from t`], [{ x: 1, seen: true }]);
    assertEquals(seen, [{ x: 1 }]);
    assertEquals([...await db.sql`select x from t`.raw()].length, 1);
    assertEquals(seen.length, 2);
  });
});

test("A COMMIT that was refused is refused, and may be run again, though the session ends in the same breath", () =>
  rig(
    {},
    async ({ schema, proxy, db }) => {
      let refusals = 0;
      let calls = 0;
      proxy.judge = (message): Verdict => {
        if (message.from !== "server" || refusals !== 1 || message.type !== "Z") {
          if (message.from === "server" && message.type === "E") refusals++;
          return "pass";
        }
        refusals++;
        const ready = Buffer.of(0x5a, 0, 0, 0, 5, 0x49);
        return { instead: Buffer.concat([ready, fatalError("57P01", "good bye")]), then: "cut" };
      };
      await db.transaction(async (sql) => {
        calls++;
        await sql`insert into t values (${calls})`;
      }, { retries: 1 });
      assertEquals(calls, 2);
      assertEquals(await schema.column("t", "x"), [2]);
    },
    `
    ${TABLE};
    create function refuse() returns trigger language plpgsql as $$
      begin
        if new.x = 1 then raise exception 'not now' using errcode = '40001'; end if;
        return null;
      end $$;
    create constraint trigger refuses after insert on t deferrable initially deferred
      for each row execute function refuse();
  `,
  ));

test("PREPARE TRANSACTION with a name that is taken is not taken for the one that has it", async () => {
  await using server = await PostgresServer.start({ config: { max_prepared_transactions: "4" } });
  await server.query(TABLE);
  await using proxy = await WireProxy.start(server.url());
  await using db = createPool(server.url({ port: proxy.port }), { max: 1 });
  await leaveCheckpoint(server.url());
  await db.transaction(async (sql) => {
    await sql`insert into t values (1)`;
    await sql.prepare("taken");
  });
  // The refusal is lost.
  let prepares = 0;
  proxy.judge = (message): Verdict => {
    if (statementOf(message)?.startsWith("prepare transaction")) prepares++;
    return prepares > 0 && message.from === "server" ? "cut" : "pass";
  };
  const failing = db.transaction(async (sql) => {
    await sql`insert into t values (2)`;
    await sql.prepare("taken");
  });
  await proxy.statement("prepare transaction");
  const error = await assertRejects(async () => {
    await proxy.next(({ from, type }) => from === "server" && type === "E");
    proxy.judge = () => "pass";
    await failing;
  }, ConnectionLostError);
  assertEquals(error.outcome, "rolled-back");
  await server.query("rollback prepared 'taken'");
});

test("A signal ends a transaction that asks a dead peer which server it is", () =>
  rig({}, async ({ proxy, db }) => {
    const abort = new AbortController();
    const reason = new Error("the signal's own reason");
    once(
      proxy,
      (message) => statementOf(message)?.includes("system_identifier") ?? false,
      "blackhole",
    );
    const failing = db.transaction(() => {}, { signal: abort.signal });
    await proxy.statement("system_identifier");
    abort.abort(reason);
    assertStrictEquals(await assertRejects(() => failing), reason);
  }));

test("A lost COMMIT in a scope is asked for outside of it: its own connection is gone", () =>
  rig({}, async ({ schema, proxy, db }) => {
    const insert = async (x: number): Promise<void> => {
      await db.sql`insert into t values (${x})`;
    };
    once(proxy, isCommitted, "cut");
    await db.scope(() => db.transaction(() => insert(1)));
    once(proxy, isCommitted, "cut");
    await db.scope(() => insert(2), { transactional: true });
    once(proxy, isCommitted, "cut");
    await db.scope(async () => {
      const error = await assertRejects(
        () => db.transaction(() => insert(3), { commitResolution: "manual" }),
        CommitUnknownError,
      );
      assertEquals(await error.resolve(), "committed");
    });
    assertEquals(await schema.column("t", "x"), [1, 2, 3]);
  }));

test("The first write is asked behind though COMMIT waits behind it already", () =>
  rig({}, async ({ schema, proxy, db }) => {
    once(proxy, isCommitted, "cut");
    await db.transaction((sql) => {
      void sql`select 1`.execute();
      void sql`insert into t values (1)`.execute();
      return Promise.resolve();
    });
    assertEquals(await schema.column("t", "x"), [1]);
  }));

test("A statement that may end the transaction is noticed though COMMIT waits behind it already", () =>
  rig({}, async ({ schema, proxy, db }) => {
    for (const [x, which] of [[1, 1], [2, 2]] as const) {
      once(proxy, nth(which, isCommitted), "cut");
      let calls = 0;
      const failing = db.transaction((sql) => {
        calls++;
        void sql`select 1`.execute();
        void sql.unsafe(`insert into t values (${x}); commit; begin read write`).execute();
        return Promise.resolve();
      }, { readOnly: false, retries: 2 });
      const error = await assertRejects(() => failing, SteadyError);
      assertEquals([error.outcome, calls], ["unknown", 1]);
    }
    assertEquals(await schema.column("t", "x"), [1, 2]);
  }));

test("A READ ONLY transaction that notifies is not over with nothing to commit", () =>
  rig({}, async ({ proxy, db }) => {
    for (const text of ["notify news", "select pg_notify('news', 'none')"]) {
      once(proxy, (message) => statementOf(message) === "commit", "cut");
      await assertRejects(
        () => db.transaction((sql) => sql.unsafe(text), { readOnly: true }),
        CommitUnknownError,
      );
    }
  }));

test("Two transactions that lose their COMMIT at once are both looked up, with a pool of two", () =>
  rig({ max: 2, multiplex: "off" }, async ({ schema, proxy, db }) => {
    const both = Promise.withResolvers<Verdict>();
    let commits = 0;
    proxy.judge = (message): Verdict => {
      if (!isCommitted(message) || commits === 2) return "pass";
      if (++commits === 2) both.resolve("cut");
      return both.promise as Promise<"cut">;
    };
    await Promise.all([1, 2].map((x) =>
      db.transaction(async (sql) => {
        await sql`insert into t values (${x})`;
      })
    ));
    assertEquals(await schema.column("t", "x"), [1, 2]);
    assert(db.stats().total <= 2);
  }));

test("Another server behind the same address never says what became of a transaction of the first", async () => {
  await using first = await PostgresServer.start();
  await using second = await PostgresServer.start();
  for (const server of [first, second]) await server.query(TABLE);
  await using proxy = await WireProxy.start(first.url());
  await using db = createPool(first.url({ port: proxy.port }), { max: 1 });
  proxy.judge = (message): Verdict => {
    if (!isCommitted(message)) return "pass";
    proxy.retarget(second.url());
    return "cut";
  };
  await assertRejects(
    () => db.transaction((sql) => sql`insert into t values (1)`),
    CommitUnknownError,
  );
  assertEquals(await first.query("select x from t"), [{ x: 1 }]);
});

test("COMMIT is looked up behind other waiters, and not at all once the pool is closing", () =>
  rig({}, async ({ schema, proxy, db }) => {
    const waiting: Promise<unknown>[] = [];
    proxy.judge = (message): Verdict => {
      if (!isCommitted(message)) return "pass";
      for (let n = 0; n < 5; n++) waiting.push(db.use((lease) => lease.sql`select 1`));
      proxy.judge = () => "pass";
      return "cut";
    };
    await db.transaction((sql) => sql`insert into t values (1)`);
    await Promise.all(waiting);
    let closed: Promise<void> | undefined;
    proxy.judge = (message): Verdict => {
      if (!isCommitted(message)) return "pass";
      closed = db.close();
      return "cut";
    };
    await assertRejects(
      () => db.transaction((sql) => sql`insert into t values (2)`),
      CommitUnknownError,
    );
    await closed;
    assertEquals(await schema.column("t", "x"), [1, 2]);
  }));
