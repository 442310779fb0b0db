import { Pool } from "lightning-pool";
import type { Connection, Subject, SubjectKind } from "../subject.ts";

/** lightning-pool 4. */
export const kind: SubjectKind = {
  defaultTimeoutMs: Infinity,
  cancels: false,
  create({ max, acquireTimeoutMs }): Subject<Connection> {
    let count = 0;
    const pool = new Pool<Connection>(
      { create: () => Promise.resolve({ id: count++ }), destroy: () => Promise.resolve() },
      { max, maxQueue: 1_000_000, acquireTimeoutMillis: acquireTimeoutMs },
    );
    return {
      acquire: () => pool.acquire(),
      release: (connection) => pool.release(connection),
    };
  },
};
