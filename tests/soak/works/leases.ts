/**
 * Connections taken and given back by hand.
 *
 * @module
 */

import type { PostgresLease } from "../../../src/entry/postgres_lease.ts";
import type { Operation, Work } from "../operation.ts";
import { isUndefinedTable } from "./single_statements.ts";

async function withLease(
  operation: Operation,
  fn: (lease: PostgresLease) => Promise<void>,
): Promise<void> {
  const lease = await operation.db.acquire();
  try {
    await fn(lease);
  } finally {
    // Some don't trust it any more, others leave it as it is.
    if (operation.chance.unit() < 0.05) lease.destroy();
    else lease.release();
  }
}

/** Statements one by one; each is judged by itself, and none reaches another session. */
export const statements: Work = {
  kind: "lease",
  weight: 4,
  run: (operation) =>
    withLease(operation, async ({ sql }) => {
      await sql`create temp table if not exists own (id bigint)`;
      for (let rest = operation.chance.integer(1, 4); rest > 0; rest--) {
        const write = operation.write({ written: 1 });
        try {
          await operation.settled(
            write,
            sql`
              with mine as (insert into own values (${write.id}))
              insert into written values (${write.id}, 0)`,
          );
        } catch (error) {
          operation.expect(!isUndefinedTable(error), "a lease went on in another session");
          throw error;
        }
      }
    }),
};

/** A transaction by hand; its COMMIT is the last thing sent. */
export const transactionByHand: Work = {
  kind: "lease, transaction by hand",
  weight: 4,
  run: (operation) =>
    withLease(operation, async ({ sql }) => {
      const kept = operation.write({ written: 1, lines: 1 });
      const undone = operation.write({ written: 1 });
      operation.settle(undone, "refused");
      let sent = false;
      try {
        await sql`begin`;
        await sql`insert into written values (${kept.id}, 0)`;
        await sql`savepoint a`;
        await sql`insert into written values (${undone.id}, 0)`;
        await sql`rollback to savepoint a`;
        await sql`insert into lines values (${kept.id}, 1)`;
        sent = true;
        await sql`commit`;
      } catch (error) {
        // Whatever the error says: without a COMMIT there is nothing.
        if (!sent) operation.settle(kept, "refused");
        throw error;
      }
    }),
};

/** Given back in the middle of a transaction: nothing of it may be in force. */
export const leftOpen: Work = {
  kind: "lease, left open",
  weight: 2,
  run: (operation) =>
    withLease(operation, async ({ sql }) => {
      const write = operation.write({ written: 1 });
      operation.settle(write, "refused");
      await sql`begin`;
      await sql`insert into written values (${write.id}, 0)`;
    }),
};

/** A transaction on a lease, as the pool has it. */
export const transactionOnLease: Work = {
  kind: "lease, transaction",
  weight: 3,
  run: (operation) =>
    withLease(operation, async (lease) => {
      const { id } = operation.write({ written: 1, lines: 1 });
      await lease.transaction(async (sql) => {
        await sql`insert into written values (${id}, 0)`;
        await sql`insert into lines values (${id}, 1)`;
      });
    }),
};
