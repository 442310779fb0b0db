import { IdealPool } from "../ideal.ts";
import { type Connection, fakeConnections, type Subject, type SubjectKind } from "../subject.ts";

/** Lower bound without features. */
export const kind: SubjectKind = {
  defaultTimeoutMs: undefined,
  cancels: false,
  create({ max }): Subject<Connection> {
    return new IdealPool(fakeConnections(max));
  },
};
