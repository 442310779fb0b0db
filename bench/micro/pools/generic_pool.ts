import { createPool } from "generic-pool";
import type { Connection, Subject, SubjectKind } from "../subject.ts";

/** generic-pool 3: pools of sequelize's past, redis clients and others. */
export const kind: SubjectKind = {
  defaultTimeoutMs: Infinity,
  cancels: false,
  create({ max, acquireTimeoutMs }): Subject<Connection> {
    let count = 0;
    const pool = createPool<Connection>(
      { create: () => Promise.resolve({ id: count++ }), destroy: () => Promise.resolve() },
      { max, acquireTimeoutMillis: acquireTimeoutMs },
    );
    return {
      // It returns a promise-like of its own class, which `await` takes like any other.
      acquire: () => pool.acquire(),
      release: (connection) => void pool.release(connection),
    };
  },
};
