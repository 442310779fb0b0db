/**
 * The pools that are compared. Each is imported only by the process that measures it.
 *
 * @module
 */

import type { SubjectKind } from "./subject.ts";

/** One row of the tables. */
export interface KindEntry {
  /** Its name. */
  readonly name: string;
  /** A deadline that is not the pool's default. */
  readonly acquireTimeoutMs?: number;
  /** The scenarios it takes part in; all when not given. */
  readonly scenarios?: readonly string[];
  /** Whether its numbers are those that the targets compare: they are worth more rounds. */
  readonly precise?: boolean;
  /** Imports it. */
  readonly load: () => Promise<{ readonly kind: SubjectKind }>;
}

/**
 * Pools that have no deadline unless asked are measured as they come, and, where it is cheap, once more with the
 * deadline that the others always have.
 */
const WITH_DEADLINE = {
  acquireTimeoutMs: 30_000,
  scenarios: ["uncontended", "contended", "heap"],
} as const;

const ideal = () => import("./pools/ideal.ts");
const idealFull = () => import("./pools/ideal_full.ts");
const steady = () => import("./pools/steady.ts");
const watched = () => import("./pools/steady_watched.ts");
const scoped = () => import("./pools/steady_scoped.ts");
const generic = () => import("./pools/generic_pool.ts");
const lightning = () => import("./pools/lightning_pool.ts");
const pg = () => import("./pools/pg_pool.ts");
const tarn = () => import("./pools/tarn.ts");

/** All of them, in the order of the tables. */
export const kinds: readonly KindEntry[] = [
  { name: "ideal", load: ideal, precise: true },
  { name: "ideal-full", load: idealFull, precise: true },
  { name: "steady", load: steady, precise: true },
  {
    name: "steady + observer",
    load: watched,
    scenarios: ["uncontended", "contended", "endurance"],
    precise: true,
  },
  {
    name: "steady + context",
    load: scoped,
    scenarios: ["uncontended", "contended", "scope"],
    precise: true,
  },
  { name: "generic-pool", load: generic },
  { name: "generic-pool + deadline", load: generic, ...WITH_DEADLINE },
  { name: "lightning-pool", load: lightning },
  { name: "lightning-pool + deadline", load: lightning, ...WITH_DEADLINE },
  { name: "pg-pool", load: pg },
  { name: "pg-pool + deadline", load: pg, ...WITH_DEADLINE },
  { name: "tarn", load: tarn },
];

/**
 * @param name Name of a row.
 * @returns How to make its pools.
 * @throws {TypeError} If there is none of that name.
 */
export async function loadKind(name: string): Promise<SubjectKind> {
  const entry = kinds.find((candidate) => candidate.name === name);
  if (entry === undefined) throw new TypeError(`Unknown pool: ${name}`);
  const { kind } = await entry.load();
  const { acquireTimeoutMs } = entry;
  if (acquireTimeoutMs === undefined) return kind;
  return { ...kind, create: (options) => kind.create({ acquireTimeoutMs, ...options }) };
}
