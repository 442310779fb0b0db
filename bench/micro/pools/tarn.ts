import { Pool } from "tarn";
import type { Connection, Subject, SubjectKind } from "../subject.ts";

/** tarn 3: pools of knex and others. */
export const kind: SubjectKind = {
  defaultTimeoutMs: 30_000,
  cancels: true,
  create({ max, acquireTimeoutMs }): Subject<Connection> {
    let count = 0;
    const pool = new Pool<Connection>({
      create: () => Promise.resolve({ id: count++ }),
      destroy: () => {},
      min: 0,
      max,
      acquireTimeoutMillis: acquireTimeoutMs,
    });
    return {
      acquire: () => pool.acquire().promise,
      // Its own means is `abort()` of the pending operation; this is what a caller with a signal writes.
      acquireUntil(signal) {
        const pending = pool.acquire();
        signal.addEventListener("abort", () => pending.abort(), { once: true });
        return pending.promise;
      },
      release: (connection) => void pool.release(connection),
    };
  },
};
