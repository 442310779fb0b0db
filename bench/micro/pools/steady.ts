import { type Driver, type Lease, Pool, type PoolOptions } from "../../../mod.ts";
import type { Connection, Subject, SubjectKind } from "../subject.ts";

/** A driver that is always ready and never loses anything: what is measured is the pool. */
export class InstantDriver implements Driver<Connection> {
  readonly name = "instant";
  readonly sharing = "exclusive";
  #count = 0;

  connect(): Promise<Connection> {
    return Promise.resolve({ id: this.#count++ });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  destroy(): void {}

  ping(): Promise<void> {
    return Promise.resolve();
  }

  reset(): Promise<void> {
    return Promise.resolve();
  }

  execute(): Promise<void> {
    return Promise.resolve();
  }

  cancel(): Promise<void> {
    return Promise.resolve();
  }

  status(): "idle" {
    return "idle";
  }

  onLost(): void {}

  evidence(): "sent" {
    return "sent";
  }

  classify(): "unknown" {
    return "unknown";
  }
}

/**
 * This module's pools.
 *
 * @param options What they have beside a limit and a deadline.
 * @returns How to make them.
 */
export function kindWith(options: PoolOptions<Connection>): SubjectKind {
  return {
    defaultTimeoutMs: 10_000,
    cancels: true,
    create({ max, acquireTimeoutMs }): Subject<Lease<Connection>> {
      const pool = new Pool(new InstantDriver(), { ...options, max, acquireTimeoutMs });
      return {
        acquire: () => pool.acquire(),
        acquireUntil: (signal) => pool.acquire({ signal }),
        release: (lease) => lease.release(),
      };
    },
  };
}

/** This module. */
export const kind: SubjectKind = kindWith({});
