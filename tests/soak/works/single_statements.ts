/**
 * Statements that are transactions of their own.
 *
 * @module
 */

import { failureOf } from "../fate.ts";
import type { Work } from "../operation.ts";

/** One row; the answer has to be its own. */
export const insert: Work = {
  kind: "insert",
  weight: 10,
  async run(operation) {
    const { id } = operation.write({ written: 1 });
    const [row] = await operation.db.sql<{ id: string }[]>`
      insert into written values (${id}, 0) returning id`;
    operation.expect(Number(row?.id) === id, `insert of ${id} was answered with ${row?.id}`);
  },
};

/** Several rows by one statement. */
export const insertSelect: Work = {
  kind: "insert, many rows",
  weight: 3,
  async run(operation) {
    const rows = operation.chance.integer(2, 200);
    const { id } = operation.write({ lines: rows });
    const { count } = await operation.db.sql`
      insert into lines select ${id}, part from generate_series(1, ${rows}) as part`;
    operation.expect(count === rows, `insert of ${rows} rows was answered with ${count}`);
  },
};

/** Several statements at once, which may share a connection; each is judged by itself. */
export const burst: Work = {
  kind: "inserts, pipelined",
  weight: 4,
  async run(operation) {
    const { sql } = operation.db;
    const statements = Array.from({ length: operation.chance.integer(2, 8) }, async () => {
      const write = operation.write({ written: 1 });
      const statement = sql<{ id: string }[]>`
        insert into written values (${write.id}, 0) returning id`;
      const [row] = await operation.settled(write, statement);
      operation.expect(
        Number(row?.id) === write.id,
        `pipelined insert of ${write.id} was answered with ${row?.id}`,
      );
    });
    const results = await Promise.allSettled(statements);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  },
};

/** Declared to be repeatable: the pool may send it again whatever happened. */
export const upsert: Work = {
  kind: "upsert, idempotent",
  weight: 6,
  async run(operation) {
    const { id } = operation.write({ upserted: 1 });
    await operation.db.with({ idempotent: true }).sql`
      insert into upserted values (${id}, 1)
      on conflict (id) do update set times = upserted.times + 1`;
  },
};

/** The server refuses it. */
export const violation: Work = {
  kind: "insert, refused",
  weight: 2,
  async run(operation) {
    const write = operation.write({ written: 1 });
    const { id } = write;
    const parts = [1, -1];
    await operation.db.sql`insert into written select ${id}, unnest(${parts}::int[])`;
    operation.expect(false, `a violated constraint was acknowledged (${id})`);
  },
};

/** Reads, and gets what it asked for. */
export const read: Work = {
  kind: "read",
  weight: 6,
  async run(operation) {
    const mark = `mark ${operation.chance.integer(1, 1_000_000_000)}`;
    const [row] = await operation.db.sql<{ mark: string }[]>`select ${mark}::text as mark`;
    operation.expect(row?.mark === mark, `"${mark}" was answered with "${row?.mark}"`);
  },
};

/** Reads in pieces; no piece may be missing, doubled, or from elsewhere. */
export const cursor: Work = {
  kind: "cursor",
  weight: 2,
  async run(operation) {
    const { chance, db } = operation;
    const first = chance.integer(1, 1_000_000);
    const count = chance.integer(1, 300);
    // Given up early every now and then: what is left must not get into anybody's way.
    const enough = chance.unit() < 0.2 ? Math.ceil(count / 2) : Infinity;
    const query = db.sql<{ i: number }[]>`
      select i::int from generate_series(${first}::int, ${first + count - 1}::int) as i`;
    let next = first;
    for await (const rows of query.cursor(chance.integer(1, 60))) {
      for (const { i } of rows) {
        operation.expect(i === next, `a cursor gave ${i} in place of ${next}`);
        next = i + 1;
      }
      if (next - first >= enough) return;
    }
    operation.expect(next === first + count, `a cursor gave ${next - first} rows of ${count}`);
  },
};

/** A read that waits for nothing but its server; where it is refused, nothing is lost. */
export const slowRead: Work = {
  kind: "slow read",
  weight: 1,
  async run(operation) {
    const seconds = operation.chance.unit() * 0.3;
    const [row] = await operation.db.sql<
      { id: number }[]
    >`select 7 as id from pg_sleep(${seconds})`;
    operation.expect(row?.id === 7, `a slow read was answered with ${row?.id}`);
  },
};

/** Says whether an error is the server's word for a table that is not there. */
export function isUndefinedTable(error: unknown): boolean {
  return failureOf(error).label.includes(" 42P01");
}
