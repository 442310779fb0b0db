/**
 * Explicit transactions.
 *
 * @module
 */

import { ChangeOfMind, failureOf } from "../fate.ts";
import { think, type Work } from "../operation.ts";
import { ACCOUNTS, OPENING_BALANCE } from "../schema.ts";

/** How often a transaction is run again. */
const RETRIES = 3;

/** Over several tables. */
export const severalTables: Work = {
  kind: "transaction",
  weight: 8,
  async run(operation) {
    const { chance, db } = operation;
    const lines = chance.integer(1, 5);
    const { id } = operation.write({ written: 1, lines });
    const pauseMs = chance.unit() < 0.2 ? chance.integer(1, 30) : 0;
    const [backend, sameBackend] = await db.transaction(async (sql) => {
      const [before] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
      await sql`insert into written values (${id}, 0)`;
      if (pauseMs > 0) await think(pauseMs);
      for (let part = 1; part <= lines; part++) {
        await sql`insert into lines values (${id}, ${part})`;
      }
      const [after] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
      return [before?.pid, after?.pid] as const;
    }, { retries: RETRIES });
    operation.expect(backend === sameBackend, "a transaction went on in another session");
  },
};

/** Its statements are sent at once. */
export const pipelinedTransaction: Work = {
  kind: "transaction, pipelined",
  weight: 4,
  async run(operation) {
    const { id } = operation.write({ written: 1, lines: 3 });
    await operation.db.transaction((sql) => [
      sql`insert into written values (${id}, 0)`,
      sql`insert into lines values (${id}, 1), (${id}, 2)`,
      sql`insert into lines values (${id}, 3)`,
    ], { retries: RETRIES });
  },
};

/** From one account to another; fails when others come in between, and is run again. */
export const transfer: Work = {
  kind: "transfer, serializable",
  weight: 8,
  async run(operation) {
    const { chance, db } = operation;
    const { id } = operation.write({ transfers: 1 });
    const source = chance.integer(1, ACCOUNTS);
    const target = 1 + (source + chance.integer(0, ACCOUNTS - 2)) % ACCOUNTS;
    const wish = chance.integer(1, 100);
    await db.transaction(async (sql) => {
      const [account] = await sql<{ balance: string }[]>`
        select balance from accounts where id = ${source}`;
      const amount = Math.min(wish, Number(account?.balance));
      if (amount < 1) throw new ChangeOfMind("The account is empty");
      await sql`update accounts set balance = balance - ${amount} where id = ${source}`;
      await sql`update accounts set balance = balance + ${amount} where id = ${target}`;
      await sql`insert into transfers values (${id}, ${source}, ${target}, ${amount})`;
    }, { isolation: "serializable", retries: RETRIES });
  },
};

/** All accounts as of one instant: the money in them is always the same. */
export const sums: Work = {
  kind: "sums, read only",
  weight: 1,
  async run(operation) {
    const total = await operation.db.transaction(async (sql) => {
      let cents = 0;
      for (const half of [0, 1]) {
        const [row] = await sql<{ sum: string }[]>`
          select sum(balance) as sum from accounts where id % 2 = ${half}`;
        cents += Number(row?.sum);
      }
      return cents;
    }, { isolation: "repeatable read", readOnly: true, retries: RETRIES });
    operation.expect(total === ACCOUNTS * OPENING_BALANCE, `the accounts came to ${total}`);
  },
};

/** A part of it fails, and is rolled back alone. */
export const savepoint: Work = {
  kind: "savepoint",
  weight: 4,
  async run(operation) {
    const outer = operation.write({ written: 1, lines: 1 });
    const inner = operation.write({ written: 1 });
    operation.settle(inner, "refused");
    await operation.db.transaction(async (sql) => {
      await sql`insert into written values (${outer.id}, 0)`;
      try {
        await sql.savepoint(async (sql) => {
          await sql`insert into written values (${inner.id}, 0)`;
          await sql`insert into written values (${inner.id}, -1)`;
        });
        operation.expect(false, "a savepoint with a violated constraint was released");
      } catch (error) {
        if (!failureOf(error).label.includes(" 23514")) throw error;
      }
      await sql.savepoint((sql) => sql`insert into lines values (${outer.id}, 1)`);
    }, { retries: RETRIES });
  },
};

/** The callback throws. */
export const changeOfMind: Work = {
  kind: "transaction, thrown",
  weight: 2,
  async run(operation) {
    const { id } = operation.write({ written: 1 });
    await operation.db.transaction(async (sql) => {
      await sql`insert into written values (${id}, 0)`;
      throw new ChangeOfMind("The soak does not want it any more");
    });
    operation.expect(false, `a transaction that threw was acknowledged (${id})`);
  },
};

/** The callback takes no notice of a failure and goes on: nothing of it may be in force, in no session. */
export const stubborn: Work = {
  kind: "transaction, stubborn",
  weight: 3,
  async run(operation) {
    const { chance, db } = operation;
    const before = operation.write({ written: 1 });
    const after = operation.write({ written: 1 });
    const failing = chance.unit() < 0.5;
    let failed = false;
    await db.transaction(async (sql) => {
      await sql`insert into written values (${before.id}, 0)`;
      try {
        if (failing) await sql`select 1 / 0`;
        else await sql`select pg_sleep(0.03)`;
      } catch {
        failed = true;
      }
      await think(chance.integer(0, 20));
      await sql`insert into written values (${after.id}, 0)`;
      operation.expect(!failed, `a transaction went on after a failure (${after.id})`);
    });
    operation.expect(!failing, `a transaction that failed was acknowledged (${before.id})`);
  },
};

/** Its `sql` is used after its end. */
export const late: Work = {
  kind: "transaction, used late",
  weight: 1,
  async run(operation) {
    const write = operation.write({ written: 1 });
    const tooLate = operation.write({ written: 1 });
    const send = await operation.db.transaction(async (sql) => {
      await sql`insert into written values (${write.id}, 0)`;
      return () => sql`insert into written values (${tooLate.id}, 0)`.execute();
    });
    operation.settle(write, "acknowledged");
    try {
      await send();
      operation.expect(false, `a statement was sent after its transaction (${tooLate.id})`);
    } catch (error) {
      operation.settle(tooLate, failureOf(error).fate);
    }
  },
};
