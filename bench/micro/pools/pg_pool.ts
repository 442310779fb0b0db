import { EventEmitter } from "node:events";
import type { Client, PoolClient } from "pg";
// @ts-types="@types/pg-pool"
import PgPool from "pg-pool";
import type { Subject, SubjectKind } from "../subject.ts";

/** The part of a `pg` client that its pool uses. */
class FakeClient extends EventEmitter {
  readonly _queryable = true;
  readonly _ending = false;
  connect(done: (error?: Error) => void): void {
    queueMicrotask(done);
  }

  end(done: () => void): void {
    queueMicrotask(done);
  }

  ref(): void {}

  unref(): void {}
}

/** pg-pool 3: the pool of `pg`. */
export const kind: SubjectKind = {
  defaultTimeoutMs: Infinity,
  cancels: false,
  create({ max, acquireTimeoutMs }): Subject<PoolClient> {
    const pool = new PgPool(
      { max, connectionTimeoutMillis: acquireTimeoutMs },
      FakeClient as unknown as new () => Client,
    );
    return {
      acquire: () => pool.connect(),
      release: (client) => client.release(),
    };
  },
};
