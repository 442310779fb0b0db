/**
 * The pools of this process, by name.
 *
 * @module
 */

import type { ConnectionInfo } from "./inspection.ts";
import type { CloseOptions, PoolReadyOptions } from "./options.ts";
import type { PoolStats } from "./stats.ts";

/** A pool as its administrator sees it, whatever its connections are. */
export interface ManagedPool {
  /** Its name, unique in this process. */
  readonly name: string;
  /** Counts connections and waiters. */
  stats(): PoolStats;
  /** Shows its connections. */
  inspect(): ConnectionInfo[];
  /** Opens what is kept idle, at least one connection. */
  ready(options?: PoolReadyOptions): Promise<void>;
  /** Changes the limit. */
  resize(max: number): void;
  /** Lends nothing for the time being. */
  suspend(): void;
  /** Lends again. */
  resume(): void;
  /** Condemns connections. */
  evict(filter?: (connection: ConnectionInfo) => boolean): void;
  /** Closes the pool. */
  close(options?: CloseOptions): Promise<void>;
  /** Opens it again. */
  open(): Promise<void>;
}

/** By name; weakly, as a pool that nobody has any more shall be collected. */
type Registry = Map<string, WeakRef<ManagedPool>>;

// Of the process and not of the module, which may be loaded twice: by a hot reload, or in two versions.
const KEY = Symbol.for("@steady/pool/registry/1");

function registry(): Registry {
  const holder = globalThis as { [KEY]?: Registry };
  if (holder[KEY] === undefined) Object.defineProperty(holder, KEY, { value: new Map() });
  return holder[KEY] ?? new Map();
}

/**
 * Lists the pools of this process that are not closed, also those of another copy of this module.
 *
 * @returns The pools, in the order in which they were made. They are held weakly: one that nobody uses may be missing.
 *
 * @example Drop all connections of all pools
 * ```ts
 * import { pools } from "@steady/pool";
 *
 * for (const pool of pools()) {
 *   console.log(pool.name, pool.stats());
 *   pool.evict();
 * }
 * ```
 */
export function pools(): ManagedPool[] {
  return [...registry().values()].flatMap((held) => held.deref() ?? []);
}

/**
 * Enters a pool under a name of its own.
 *
 * @param pool The pool.
 * @param wanted The name it should have; `undefined` for the next number.
 * @param last The name it had before it was closed, which it keeps if nobody has got it meanwhile.
 * @returns The name it got: where another pool has it, a number is added.
 */
export function enter(pool: ManagedPool, wanted: string | undefined, last?: string): string {
  const known = registry();
  for (const [name, held] of known) if (held.deref() === undefined) known.delete(name);
  const name = last !== undefined && !known.has(last) ? last : freeName(known, wanted);
  // Old versions of workerd have none; there pools belong to one request, and are not listed anyway.
  if (typeof WeakRef !== "undefined") known.set(name, new WeakRef(pool));
  return name;
}

function freeName(known: ReadonlyMap<string, unknown>, wanted: string | undefined): string {
  const base = wanted ?? "pool";
  if (wanted !== undefined && !known.has(wanted)) return wanted;
  let number = wanted === undefined ? 1 : 2;
  while (known.has(`${base}-${number}`)) number++;
  return `${base}-${number}`;
}

/**
 * A pool is listed no more.
 *
 * @param pool The pool.
 */
export function leave(pool: ManagedPool): void {
  const known = registry();
  if (known.get(pool.name)?.deref() === pool) known.delete(pool.name);
}
