/**
 * A pool and its server, as far as scopes are concerned.
 *
 * @module
 */

import type { ResetLevel } from "../../../src/core/driver.ts";
import { Nesting } from "../../../src/core/nesting.ts";
import type { PersistentContext } from "../../../src/core/persistent_context.ts";
import { Pool } from "../../../src/core/pool.ts";
import type { PoolStats } from "../../../src/core/stats.ts";
import { contextVariable, root } from "../../../src/runtime/async_context.ts";
import {
  type FakeConnection,
  FakeDriver,
  FakeError,
  type FakeOperation,
  type VirtualClock,
} from "../../../src/testing/mod.ts";
import { demand } from "../model/demand.ts";
import { heldAt, type ScopeRecord } from "./place.ts";
import type { Use } from "./use.ts";

/** What a pool is told. */
export interface PartyOptions {
  readonly max: number;
  readonly acquireTimeoutMs: number;
  readonly checkAfterIdleMs: number;
  readonly maxUses: number;
  readonly reset: ResetLevel;
}

/** An owner of a connection, and the scope of it that runs. */
export interface ContextRecord {
  readonly party: Party;
  readonly context: PersistentContext<FakeConnection>;
  present: ScopeRecord | undefined;
  /** When it was first seen to have ended. */
  endedAt?: number;
}

/** For how long a rollback may take. */
const ROLLBACK_MS = 300;

/** Whose acquires are refused as circles: worlds come one after the other. */
let present: readonly Party[] = [];
const { refusal } = Nesting.prototype;
Nesting.prototype.refusal = function (this: Nesting<unknown>, holding) {
  const error = refusal.call(this, holding);
  if (error !== undefined) Party.onDeadlock();
  return error;
};

/** A pool and its server. */
export class Party {
  readonly driver: FakeDriver;
  readonly pool: Pool<FakeConnection>;
  readonly options: PartyOptions;
  readonly scopes: ScopeRecord[] = [];
  readonly contexts: ContextRecord[] = [];
  /** Uses that may still have a connection, or get one. */
  readonly uses = new Set<Use>();
  max: number;
  /** Whether the limit was lowered: that may close a circle, too. */
  wasLowered = false;
  closedAt = -Infinity;
  /** Whether connects may have failed, or got no answer. */
  mayRefuse = false;
  deadlocks = 0;
  violation: string | undefined;
  #total = 0;
  readonly #clock: VirtualClock;

  /**
   * @param options What the pool is told.
   * @param clock Source of time.
   */
  constructor(options: PartyOptions, clock: VirtualClock) {
    this.options = options;
    this.max = options.max;
    this.#clock = clock;
    this.driver = new FakeDriver({ clock });
    this.pool = new Pool(this.driver, {
      ...options,
      clock,
      context: { contextVariable, root },
      connectTimeoutMs: 900,
      checkTimeoutMs: ROLLBACK_MS,
    });
  }

  /**
   * Says whose acquires are refused as circles from now on.
   *
   * @param parties The pools of the world that runs.
   */
  static watch(parties: readonly Party[]): void {
    present = parties;
  }

  /** An acquire is refused as it would close a circle: there must be one in one of the pools. */
  static onDeadlock(): void {
    const parties = present.filter((party) => party.#isCircle(party.waiting()));
    for (const party of parties) party.deadlocks++;
    if (parties.length > 0) return;
    for (const each of present) each.violation ??= "a circle was seen where there is none";
  }

  /** Uses that wait for the pool: their own, or their scope's. */
  waiting(): Use[] {
    return [...this.uses].filter(({ state, scope }) =>
      state === "waiting" && (scope === undefined || scope.scope.epoch === 0)
    );
  }

  #isCircle(waiting: readonly Use[]): boolean {
    const { total, max } = this.pool.stats();
    return total >= max && this.#held(waiting).size >= total;
  }

  #held(waiting: readonly Use[]): Set<unknown> {
    const held = new Set<unknown>();
    for (const { parts } of waiting) for (const each of heldAt(parts.place, this)) held.add(each);
    return held;
  }

  /** Whether there was a circle when the last of these was asked for, and is. */
  #wasCircle(waiting: readonly Use[]): boolean {
    const then = new Set(waiting.flatMap(({ parts }) => [...parts.held]));
    const { total, max } = this.pool.stats();
    return total >= max &&
      [...this.#held(waiting)].filter((each) => then.has(each)).length >= total;
  }

  /**
   * Makes the next call of an operation go wrong.
   *
   * @param operation Which.
   * @param kind How: answered late, never, or refused.
   * @param rejects Whether a connect is refused for good.
   */
  fail(operation: FakeOperation, kind: "delay" | "hold" | "refuse", rejects: boolean): void {
    const { driver } = this;
    if (operation === "connect" && kind !== "delay") this.mayRefuse = true;
    if (kind === "delay") return driver.delay(operation, 60, 1);
    if (kind === "hold") return driver.hold(operation, 1);
    const why = rejects ? "rejected" : "unavailable";
    driver.refuse(operation, 1, operation === "connect" ? new FakeError(why, why) : undefined);
  }

  /** Checks the books; everything has settled, if they are quiet. */
  check(quiet: boolean): void {
    const { pool, driver } = this;
    const stats = pool.stats();
    demand(this.violation === undefined, this.violation ?? "");
    demand(stats.max === this.max, `the limit is ${this.max}, not ${stats.max}`);
    const most = Math.max(this.max, this.#total);
    demand(stats.total <= most, `nothing is above max: ${stats.total} of ${this.max}`);
    this.#total = stats.total;
    demand(driver.open <= stats.total, `${driver.open} are open, of ${stats.total} in the books`);
    if (quiet) this.#checkQuiet(stats);
  }

  #checkQuiet({ used, waiters }: PoolStats): void {
    const epochs = this.#lent();
    demand(new Set(epochs).size === epochs.length, `a connection has two owners: ${epochs}`);
    const owners = this.contexts.filter((record) => this.#mayHaveOne(record)).length;
    demand(
      used >= epochs.length && used <= epochs.length + owners,
      `${epochs.length} are lent and ${owners} may be kept, the books say ${used}`,
    );
    const waiting = this.waiting();
    const own = waiting.filter(({ scope }) => scope === undefined);
    const scopes = new Set(waiting.flatMap(({ scope }) => scope ?? []));
    demand(
      waiters >= own.length && waiters <= own.length + scopes.size,
      `${own.length} wait, and ${scopes.size} scopes, the books say ${waiters}`,
    );
    if (this.wasLowered || waiters < own.length + scopes.size) return;
    const firsts = [...scopes].flatMap((record) =>
      waiting.find(({ scope }) => scope === record) ?? []
    );
    // One that joined others waits for what those asked for, where they were: that is not looked through.
    if (firsts.some(({ alone }) => !alone)) return;
    demand(!this.#wasCircle([...own, ...firsts]), "nobody was told of a circle");
  }

  /** A context may have one for a scope that is still to come, or roll back on it what its last one has left open. */
  #mayHaveOne(record: ContextRecord): boolean {
    if (!record.context.ended) return true;
    const now = this.#clock.now();
    record.endedAt ??= now;
    return now - record.endedAt <= ROLLBACK_MS;
  }

  /** Epochs of what is lent and not lost. */
  #lent(): number[] {
    const epochs: number[] = [];
    for (const { scope } of this.scopes) {
      if (!scope.released && !scope.lost) epochs.push(scope.epoch);
    }
    for (const use of this.uses) {
      if (use.scope !== undefined || use.lease === undefined) continue;
      if (!use.lease.released && !use.lease.lost) epochs.push(use.lease.epoch);
    }
    return epochs;
  }
}
