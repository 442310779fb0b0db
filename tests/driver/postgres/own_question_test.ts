/**
 * The question behind the first write of a transaction, however its answer arrives.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Runtime } from "../../../src/core/runtime.ts";
import { CommitWatch, ServerClock } from "../../../src/driver/postgres/commit_watch.ts";
import type { PostgresConnection } from "../../../src/driver/postgres/connection.ts";
import { PostgresDriver } from "../../../src/driver/postgres/driver.ts";
import { resolvePostgresOptions } from "../../../src/driver/postgres/options.ts";
import { Session } from "../../../src/driver/postgres/session.ts";
import { createSql } from "../../../src/driver/postgres/sql.ts";
import { runtime } from "../../support/entry.ts";
import { test } from "../../support/harness.ts";
import { Schema } from "./schema.ts";

/** How the server's bytes are handed on: what comes is kept until so many ReadyForQuery are in it, and then cut. */
interface Cut {
  ends: number;
  at: number;
}

/** How many ReadyForQuery messages are in whole messages. */
function endsIn(bytes: Buffer): number {
  let ends = 0;
  for (let at = 0; at + 5 <= bytes.length; at += 1 + bytes.readInt32BE(at + 1)) {
    if (bytes[at] === 0x5a && at + 6 <= bytes.length) ends++;
  }
  return ends;
}

/** A runtime whose sockets cut what comes as they are told. */
function cutting(): { cutting: Runtime; cut(how: Cut): Promise<number> } {
  let next: Cut | undefined;
  let done: (length: number) => void = () => {};
  return {
    cut: (how) => {
      next = how;
      return new Promise((resolve) => done = resolve);
    },
    cutting: {
      ...runtime,
      connect(address, options) {
        const socket = runtime.connect(address, options);
        const receive = socket.receive.bind(socket);
        let held = Buffer.alloc(0);
        socket.receive = (handlers) =>
          receive({
            data(bytes) {
              if (next === undefined) return handlers.data(bytes);
              held = Buffer.concat([held, bytes]);
              if (endsIn(held) < next.ends) return;
              const all = held;
              const { at } = next;
              held = Buffer.alloc(0);
              next = undefined;
              if (at > 0) handlers.data(all.subarray(0, at));
              // What is between two packets may run now.
              setTimeout(() => {
                if (at < all.length) handlers.data(all.subarray(at));
                done(all.length);
              });
            },
            drain: () => handlers.drain(),
            close: (error) => handlers.close(error),
          });
        return socket;
      },
    },
  };
}

function newWatch({ pid }: PostgresConnection): CommitWatch {
  return new CommitWatch({
    readOnly: false,
    learns: true,
    pid,
    server: { system: "1", timeline: "1" },
    clock: new ServerClock(),
  });
}

const STATEMENTS = {
  "with rows": {
    strings: ["insert into t values (1 / ", ") returning x, 'one' as name"],
    value: 1,
  },
  "without rows": { strings: ["insert into t values (1 / ", ")"], value: 1 },
  "that fails": { strings: ["insert into t values (1 / ", ")"], value: 0 },
} as const;

const WAYS = ["simple", "prepared", "known"] as const;

for (const [kind, { strings, value }] of Object.entries(STATEMENTS)) {
  for (const way of WAYS) {
    test(`The answers of a ${way} statement ${kind} and of the question behind it, cut at every byte`, async () => {
      await using schema = await Schema.create("create table t (x int)");
      const { cutting: cut, cut: arm } = cutting();
      const driver = new PostgresDriver(cut, resolvePostgresOptions(schema.url, {}));
      const connection = await driver.connect();
      try {
        const sql = createSql(driver.template, new Session(() => connection));
        const template = Object.freeze(Object.assign([...strings], { raw: strings }));
        const text = strings.join(`${value}`);
        if (way === "known") await sql(template, 1);
        const start = {
          simple: () => sql.unsafe(text),
          // Without parameters, as those are described first, and their answer would be kept back.
          prepared: () => sql(Object.assign([text], { raw: [text] })),
          known: () => sql(template, value),
        }[way];
        for (let at = 0, length = 1; at <= length; at++) {
          await connection.run("begin");
          const watch = connection.commitWatch = newWatch(connection);
          const cutTo = arm({ ends: way === "simple" ? 2 : 1, at });
          const running = start();
          const fails = kind === "that fails";
          if (fails) await assertRejects(async () => await running, Error, "division by zero");
          else {
            const rows = await running;
            assertEquals(rows.count, 1, `cut at ${at}`);
            assertEquals([...rows], kind === "with rows" ? [{ x: 1, name: "one" }] : []);
          }
          // Sent before the rest of the answers came, or after.
          const behind = sql.unsafe("select 7 as seven");
          if (fails) await assertRejects(async () => await behind, Error, "aborted");
          else assertEquals([...await behind], [{ seven: 7 }]);
          length = await cutTo;
          assertEquals(watch.ticket === undefined, fails, `cut at ${at}`);
          assertEquals(connection.status, fails ? "failed" : "in transaction");
          connection.commitWatch = undefined;
          await connection.run("rollback");
        }
      } finally {
        connection.destroy();
      }
    });
  }
}

test("The question goes behind statements of any size, described first or not, many in one, and those of savepoints", async () => {
  await using schema = await Schema.create("create table t (x text)");
  for (const options of [{}, { prepare: false, fetch_types: false }]) {
    const driver = new PostgresDriver(runtime, resolvePostgresOptions(schema.url, options));
    const connection = await driver.connect();
    try {
      const sql = createSql(driver.template, new Session(() => connection));
      const long = "x".repeat(5_000);
      const writes: (() => PromiseLike<unknown>)[] = [
        () => sql`insert into t values (${long})`,
        () => sql`insert into t values (${"short"})`,
        () => sql.unsafe(`insert into t values ('${long}')`),
        () => sql.unsafe(`insert into t values ('a'); select 1; insert into t values ('b')`),
        () => sql.unsafe("savepoint a; insert into t values ('a'); rollback to savepoint a"),
        () => sql`insert into t values (${"a"})`.values(),
        () => sql`insert into t values (${"a"}) returning x`.raw(),
        () => sql`insert into t values (${"a"}) returning x`.forEach(() => {}),
        () => sql`select x from t for update`,
        () => sql`lock table t`.then(() => sql`/* written */ delete from t`),
      ];
      for (const [index, write] of writes.entries()) {
        await sql`insert into t values ('there')`;
        await connection.run("begin");
        const watch = connection.commitWatch = newWatch(connection);
        await write();
        const [row] = await sql`select pg_current_xact_id_if_assigned()::text as xid`;
        assert(watch.ticket !== undefined, `write ${index}`);
        assertEquals(watch.ticket.xid, row?.xid, `write ${index}`);
        connection.commitWatch = undefined;
        await connection.run("rollback");
      }
    } finally {
      connection.destroy();
    }
  }
});

test("Nothing is asked behind what takes no id, so that a transaction may still choose its isolation level", async () => {
  await using schema = await Schema.create("create table t (x int)");
  const driver = new PostgresDriver(runtime, resolvePostgresOptions(schema.url, {}));
  const connection = await driver.connect();
  try {
    const sql = createSql(driver.template, new Session(() => connection));
    await connection.run("begin");
    const watch = connection.commitWatch = newWatch(connection);
    await sql.unsafe("/* who: /me */ set local work_mem = '1MB'");
    await sql.unsafe("-- who\n set local work_mem = '2MB'");
    await sql.unsafe("set transaction isolation level serializable");
    await sql`/* first */ -- and
      insert into t values (1)`;
    await sql`select 1`;
    assert(watch.ticket !== undefined);
  } finally {
    connection.destroy();
  }
});
