/**
 * What is measured: one pool behind the least interface that all pools can be put behind.
 *
 * @module
 */

/** A pool. Adapters add a call, never work of their own. */
export interface Subject<L> {
  /** @returns Something that must be released. */
  acquire(): Promise<L>;
  /**
   * Gives it back.
   *
   * @param lease What {@linkcode Subject.acquire} gave.
   */
  release(lease: L): void;
  /**
   * The same as {@linkcode Subject.acquire} until the signal aborts; absent where a pool cannot cancel.
   *
   * @param signal Ends the wait.
   * @returns Something that must be released.
   */
  acquireUntil?(signal: AbortSignal): Promise<L>;
}

/** How a pool is set up. */
export interface SubjectOptions {
  /** Most connections. */
  readonly max: number;
  /** How long an acquire waits; as the pool does by itself when not given. */
  readonly acquireTimeoutMs?: number;
}

/** Makes pools of one kind. */
export interface SubjectKind {
  /** How long an acquire waits by itself: `Infinity` if it has no deadline unless asked, `undefined` if it never has one. */
  readonly defaultTimeoutMs: number | undefined;
  /** Whether waiters can be cancelled. */
  readonly cancels: boolean;
  /**
   * @param options Its limits.
   * @returns A new pool.
   */
  create(options: SubjectOptions): Subject<unknown>;
}

/** What the pools lend. */
export interface Connection {
  readonly id: number;
}

/**
 * @param count How many.
 * @returns New fake connections.
 */
export function fakeConnections(count: number): Connection[] {
  return Array.from({ length: count }, (_, id) => ({ id }));
}
