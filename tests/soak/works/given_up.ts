/**
 * Statements that are given up by the one who sent them, in time or too late.
 *
 * @module
 */

import { GivenUp } from "../fate.ts";
import type { Operation, Work } from "../operation.ts";

/** Most time that the server takes, in milliseconds. */
const LONGEST_MS = 60;

/**
 * How long the client has patience, in milliseconds: up to about twice as long as it takes at present, so that statements
 * are given up at every stage, also where a crowd waits for connections.
 */
function patienceOf({ chance, typicalMs }: Operation): number {
  return chance.unit() * (LONGEST_MS + 2 * typicalMs);
}

/** Calls back after a time, unless it is disposed of before. */
function after(ms: number, fn: () => void): Disposable {
  const timer = setTimeout(fn, ms);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

function abortAfter(operation: Operation): { signal: AbortSignal } & Disposable {
  const abort = new AbortController();
  const timer = after(
    patienceOf(operation),
    () => abort.abort(new GivenUp("the soak lost its patience")),
  );
  return { signal: abort.signal, [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

function secondsOf(operation: Operation): number {
  return operation.chance.unit() * LONGEST_MS / 1_000;
}

/** Under a deadline. */
export const deadline: Work = {
  kind: "insert, deadline",
  weight: 3,
  async run(operation) {
    const { id } = operation.write({ written: 1 });
    const timeoutMs = Math.ceil(patienceOf(operation) + 1);
    await operation.db.with({ timeoutMs }).sql`
      insert into written select ${id}, 0 from pg_sleep(${secondsOf(operation)})`;
  },
};

/** Under a deadline that is longer than most accidents. */
export const patient: Work = {
  kind: "insert, long deadline",
  weight: 3,
  async run(operation) {
    const { id } = operation.write({ written: 1 });
    await operation.db.with({ timeoutMs: 1_500 }).sql`insert into written values (${id}, 0)`;
  },
};

/** Under a signal. */
export const aborted: Work = {
  kind: "insert, signal",
  weight: 3,
  async run(operation) {
    const { id } = operation.write({ written: 1 });
    const abort = abortAfter(operation);
    try {
      await operation.db.with({ signal: abort.signal }).sql`
        insert into written select ${id}, 0 from pg_sleep(${secondsOf(operation)})`;
    } finally {
      abort[Symbol.dispose]();
    }
  },
};

/** Cancelled as porsager has it. */
export const cancelled: Work = {
  kind: "insert, cancel()",
  weight: 3,
  async run(operation) {
    const { id } = operation.write({ written: 1 });
    const query = operation.db.sql`
      insert into written select ${id}, 0 from pg_sleep(${secondsOf(operation)})`.execute();
    const timer = after(patienceOf(operation), () => query.cancel());
    try {
      await query;
    } finally {
      timer[Symbol.dispose]();
    }
  },
};

/** A transaction under a signal. */
export const abortedTransaction: Work = {
  kind: "transaction, signal",
  weight: 3,
  async run(operation) {
    const { id } = operation.write({ written: 1, lines: 2 });
    const abort = abortAfter(operation);
    try {
      await operation.db.transaction(async (sql) => {
        await sql`insert into written values (${id}, 0)`;
        await sql`insert into lines select ${id}, 1 from pg_sleep(${secondsOf(operation)})`;
        await sql`insert into lines values (${id}, 2)`;
      }, { signal: abort.signal });
    } finally {
      abort[Symbol.dispose]();
    }
  },
};
