/**
 * One use of a connection: what was asked for, what came of it, and whether that is just.
 *
 * @module
 */

import { SteadyError } from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { ScopeNode } from "../../../src/core/scope_turn.ts";
import type { FakeConnection } from "../../../src/testing/mod.ts";
import type { Party } from "./party.ts";
import type { Place, ScopeRecord } from "./place.ts";

/** How a connection is asked for: for a callback, as a lease, for one statement behind others, for one statement alone. */
export type UseKind = "callback" | "lease" | "statement" | "cursor";

/** How far it is. */
export type UseState = "waiting" | "served" | "over" | "refused";

/** What is known when it is asked for. */
export interface UseParts {
  readonly number: number;
  readonly kind: UseKind;
  readonly party: Party;
  /** Of which scope; of the pool itself, when not given. */
  readonly scope: ScopeRecord | undefined;
  readonly place: Place;
  /** The callback of the scope that it was asked for in. */
  readonly within: Use | undefined;
  /** The same, as the scope sees it. */
  readonly node: ScopeNode<FakeConnection> | undefined;
  /** What the callbacks had in which it was asked for. */
  readonly held: ReadonlySet<unknown>;
  readonly calledAt: number;
  readonly timeoutMs: number | undefined;
  /** Whether the scope had ended. */
  readonly late: boolean;
}

/** What a callback throws that is told to fail. */
export class Mine extends Error {}

/** One use of a connection. */
export class Use {
  readonly parts: UseParts;
  readonly abort = new AbortController();
  state: UseState = "waiting";
  lease: Lease<FakeConnection> | undefined;
  /** What that lent. */
  connection: FakeConnection | undefined;
  /** Where its callback runs. */
  inner: Place | undefined;
  /** Whether its promise has settled, or its statement has ended. */
  settled = false;
  /** Whether a transaction by hand was open when it began. */
  beganInside = false;
  /** Whether it is over and its connection idle, when that was last looked at. */
  passed = false;

  constructor(parts: UseParts) {
    this.parts = parts;
  }

  get number(): number {
    return this.parts.number;
  }

  get party(): Party {
    return this.parts.party;
  }

  get scope(): ScopeRecord | undefined {
    return this.parts.scope;
  }

  get within(): Use | undefined {
    return this.parts.within;
  }

  /** Whether nothing else may use the connection at the same time. */
  get alone(): boolean {
    return this.parts.kind !== "statement";
  }

  /** Whether it is one statement. */
  get isStatement(): boolean {
    return this.parts.kind === "statement" || this.parts.kind === "cursor";
  }

  /** Whether it has the connection now. */
  get has(): boolean {
    if (this.state !== "served") return false;
    return this.isStatement || this.lease?.released === false;
  }

  /** Whether it has ended, or what it is within. */
  get hasEnded(): boolean {
    return this.lease?.released === true || (this.within?.hasEnded ?? false);
  }

  /** The outermost callback of its scope that it is within; itself, if it is in none. */
  get outermost(): Use {
    return this.within?.outermost ?? this;
  }

  /**
   * Tells whether it may be refused so.
   *
   * @param error Why it was refused.
   * @param now The time.
   * @returns Whether; what a deadlock is, is judged elsewhere.
   */
  isJust(error: unknown, now: number): boolean {
    const { calledAt, timeoutMs, scope, party, within, late } = this.parts;
    const { signal } = this.abort;
    if (late) return error instanceof SteadyError && error.code === "OUT_OF_SCOPE";
    if (error === signal.reason && signal.aborted) return true;
    if (!(error instanceof SteadyError)) return false;
    switch (error.code) {
      case "OUT_OF_SCOPE":
        return scope !== undefined && (scope.scope.ended || (within?.hasEnded ?? false));
      case "ACQUIRE_TIMEOUT":
        // Who joined others waits no longer for the connection than the first of them.
        if (this.parts.kind === "statement" && scope !== undefined) return true;
        if (timeoutMs !== undefined) return timeoutMs > 0 && now === calledAt + timeoutMs;
        return now >= calledAt + party.options.acquireTimeoutMs;
      case "TOO_MANY_CONNECTIONS":
        return timeoutMs === 0 || party.options.acquireTimeoutMs === 0;
      case "POOL_DEADLOCK":
        return party.deadlocks > 0;
      case "CONNECTION_ENDED":
        return party.closedAt >= calledAt;
      case "CONNECT_FAILED":
        return party.mayRefuse;
      case "CONNECTION_CLOSED":
        return scope !== undefined && (isGone(scope.connection) || isGone(within?.connection));
      default:
        return false;
    }
  }
}

/** Whether a connection was lost, or given up; also one that was lost before anybody saw it. */
function isGone(connection: FakeConnection | undefined): boolean {
  return connection?.gone ?? true;
}
