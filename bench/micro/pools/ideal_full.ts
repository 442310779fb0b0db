import { IdealFullPool, type IdealLease } from "../ideal_full.ts";
import { type Connection, fakeConnections, type Subject, type SubjectKind } from "../subject.ts";

/** Lower bound with deadlines, cancellation and leases. */
export const kind: SubjectKind = {
  defaultTimeoutMs: 10_000,
  cancels: true,
  create({ max, acquireTimeoutMs = 10_000 }): Subject<IdealLease<Connection>> {
    const pool = new IdealFullPool(fakeConnections(max), acquireTimeoutMs);
    return {
      acquire: () => pool.acquire(),
      acquireUntil: (signal) => pool.acquire(signal),
      release: (lease) => lease.release(),
    };
  },
};
