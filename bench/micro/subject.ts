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
  /**
   * Makes one whose scopes are measured; absent where it has none.
   *
   * @param options Its limits.
   * @returns A new pool.
   */
  createScoped?(options: SubjectOptions): ScopedSubject;
}

/** A pool with scopes, and what they are built on. */
export interface ScopedSubject {
  /** Has a connection for as long as a function takes that does nothing. */
  use(): Promise<unknown>;
  /** The same, in a scope of its own. */
  useInScope(): Promise<unknown>;
  /** A scope in which nothing is done. */
  scope(): Promise<unknown>;
  /**
   * Runs something in a scope that has its connection already.
   *
   * @param fn What to run.
   */
  inScope(fn: () => Promise<void>): Promise<void>;
  /**
   * Looks the scope that runs up, in a loop of its own, as where a user does it.
   *
   * @param count How often.
   * @returns How often there was one.
   */
  find(count: number): number;
  /** Does nothing, where the runtime's own storage has a value of its own for it. */
  store(): Promise<unknown>;
  /**
   * One use, where the runtime's own storage has a value of its own for it.
   *
   * @returns What comes of it.
   */
  useInStore(): Promise<unknown>;
  /**
   * Runs something where the runtime's own storage has a value.
   *
   * @param fn What to run.
   */
  inStore(fn: () => Promise<void>): Promise<void>;
  /**
   * Looks that value up.
   *
   * @param count How often.
   * @returns How often there was one.
   */
  findBare(count: number): number;
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
