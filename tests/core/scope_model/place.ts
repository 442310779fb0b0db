/**
 * Where code runs: in no callback, or in one of a scope, of a lease, of `outside`, each in the place that it was called in.
 *
 * @module
 */

import type { Lease } from "../../../src/core/lease.ts";
import type { Scope } from "../../../src/core/scope.ts";
import { capture } from "../../../src/runtime/async_context.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import type { Party } from "./party.ts";
import type { Use } from "./use.ts";

/** A scope, and what is known of it without asking it. */
export interface ScopeRecord {
  readonly number: number;
  readonly party: Party;
  readonly scope: Scope<FakeConnection>;
  /** Whether it ends with the last callback that runs in it, and not only when it is told to. */
  readonly endsItself: boolean;
  /** Callbacks that keep it. */
  readonly entries: Set<Entry>;
  /** Whether it was told to end. */
  told: boolean;
  /** The connection it was seen with last. */
  connection: FakeConnection | undefined;
  /** Whether the server has answered on that. */
  answered: boolean;
  /** Whether a single statement began a transaction: that goes on over callbacks of the scope. */
  begun: boolean;
  /** Whether it has ended and given back what it had, when that was last looked at. */
  passed: boolean;
}

/** A callback that runs in a scope: of `scope`, `scoped` or a context. */
export interface Entry {
  readonly party: Party;
  /** The scope; unknown before the callback runs. */
  record: ScopeRecord | undefined;
  /** Whether the scope was current where it was entered. */
  within: boolean;
  /** Whether its callback was told to return, or to throw. */
  finished: boolean;
  settled: boolean;
}

/** What a place is. */
export type PlaceKind =
  | { readonly is: "anywhere" }
  | { readonly is: "use"; readonly use: Use }
  | { readonly is: "scope"; readonly entry: Entry }
  | { readonly is: "outside"; readonly party: Party };

/** A callback that runs, and can be told to do something as long as anybody likes: also when it is over. */
export class Place {
  /** Runs a function as if the callback had called it. */
  readonly run: <R>(fn: () => R) => R = capture();
  /** Where it was called. */
  readonly outer: Place | undefined;
  readonly kind: PlaceKind;
  /** Ends the callback. */
  readonly finish: ((error?: Error) => void) | undefined;
  isOver = false;

  /**
   * To be made in the callback itself.
   *
   * @param outer Where that was called.
   * @param kind What it is.
   * @param finish Ends it, where it does not end by itself.
   */
  constructor(outer: Place | undefined, kind: PlaceKind, finish?: (error?: Error) => void) {
    this.outer = outer;
    this.kind = kind;
    this.finish = finish;
  }
}

/**
 * Tells which scope of a pool code stands in.
 *
 * @param place Where.
 * @param party Of which pool.
 * @returns The scope, which may have ended.
 */
export function scopeAt(place: Place, party: Party): ScopeRecord | undefined {
  for (let at: Place | undefined = place; at !== undefined; at = at.outer) {
    const { kind } = at;
    if (kind.is === "outside" && kind.party === party) return undefined;
    if (kind.is === "scope" && kind.entry.party === party) return kind.entry.record;
    if (kind.is === "use" && kind.use.scope?.party === party) return kind.use.scope;
  }
  return undefined;
}

/**
 * Tells in which callback that has a scope's connection code stands.
 *
 * @param place Where.
 * @param record Which scope.
 * @returns The callback; `undefined` if in none.
 */
export function turnAt(place: Place, record: ScopeRecord): Use | undefined {
  const { party } = record;
  for (let at: Place | undefined = place; at !== undefined; at = at.outer) {
    const { kind } = at;
    if (kind.is === "outside" && kind.party === party) return undefined;
    if (kind.is === "scope" && kind.entry.party === party) {
      if (kind.entry.record !== record || !kind.entry.within) return undefined;
    }
    if (kind.is === "use" && kind.use.scope?.party === party) {
      if (kind.use.scope !== record) return undefined;
      // What is over has gone over into what it was asked for in.
      let turn: Use | undefined = kind.use;
      while (turn?.lease?.released) turn = turn.within;
      return turn;
    }
  }
  return undefined;
}

/**
 * Lists what callbacks have that code stands in.
 *
 * @param place Where.
 * @param party Of which pool.
 * @returns A lease, or a scope that has a connection, once each.
 */
export function heldAt(place: Place, party: Party): Set<unknown> {
  const held = new Set<unknown>();
  const add = (what: unknown, has: Pick<Lease<FakeConnection>, "released" | "lost">) => {
    if (!has.released && !has.lost) held.add(what);
  };
  for (let at: Place | undefined = place; at !== undefined; at = at.outer) {
    const { kind } = at;
    const record = kind.is === "scope"
      ? kind.entry.record
      : kind.is === "use"
      ? kind.use.scope
      : undefined;
    // One that has ended gives back what it has when its statements are over, whatever else waits.
    if (record?.party === party && !record.scope.ended) add(record, record.scope);
    if (kind.is === "use" && kind.use.scope === undefined && kind.use.party === party) {
      if (kind.use.lease !== undefined) add(kind.use, kind.use.lease);
    }
  }
  return held;
}
