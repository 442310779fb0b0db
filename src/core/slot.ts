/**
 * The pool's place for one connection.
 *
 * @module
 */

import type { CloseReason } from "./observer.ts";
import type { PoolLease } from "./lease.ts";
import type { WatchedLease } from "./lease_watch.ts";
import type { Site } from "./site.ts";
import type { SteadyConnection } from "./steady_connection.ts";

/** What a slot's connection is doing. `gone`: it counts no more. */
export type SlotState =
  | "connecting"
  | "idle"
  | "used"
  | "checking"
  | "resetting"
  | "closing"
  | "gone";

/** The pool's place for one connection, with its state. Only the {@linkcode Bag} changes the state. */
export class Slot<C> {
  /** What the connection is doing. */
  state: SlotState = "connecting";
  /** The open physical connection; kept here because looking it up costs at every acquire. */
  connection: C | undefined = undefined;
  /** Owner of the physical connection. */
  steady: SteadyConnection<C> | undefined = undefined;
  /** When it became idle, or last gave a sign of life in idleness, by the pool's turn clock. */
  idleSince = 0;
  /** When it was last given back, or opened, by the pool's turn clock: asking it for a sign of life is no use. */
  usedAt = 0;
  /** Until when, by the pool's turn clock, nothing needs to be looked at when it comes back idle and trusted. */
  plainUntil = 0;
  /** How many doubts about its generation there had been when the server last gave a sign of life on it. */
  cleared = 0;
  /** Whether it is to be replaced as soon as it can be: it takes no more statements behind those it has. */
  retiring = false;
  /** How often it was lent. */
  uses = 0;
  /** Since when it is in use, by the pool's turn clock. */
  lentAt = 0;
  /** Who has it for itself, until that is watched in another way; a lease that is over may stay here until the next. */
  lease: PoolLease<C> | undefined = undefined;
  /** The lease that is watched. */
  watched: WatchedLease<C> | undefined = undefined;
  /** Since when it had been in use when it was reported last; -1 if it never was. */
  reported = -1;
  /** Where it was asked for by who has it, if that is known. */
  site: Site | undefined = undefined;
  /** Why it is to be closed, if it is. */
  reason: CloseReason = "worn";
  /** When its connect began, and when that was over, by the pool's turn clock. */
  bornAt = 0;
  openedAt = 0;
  /** When its connect, its check or its close began, by the pool's turn clock. */
  begunAt = 0;
  /** Whether nobody waited for its connect. */
  background = false;
  /** Whether it is lent to somebody of high priority. */
  high = false;
  /** Ends the set-up of its session after a cleaning. */
  cleaning: AbortController | undefined = undefined;
  /** How many single statements share the connection; 0 while one borrower has it for itself. */
  shares = 0;
  /** Of a shared connection: how many turns of all shared ones there had been when it last answered. */
  turn = 0;
  /** Of a shared connection: when it last answered a statement, in the clock's monotonic time. */
  answeredAt = 0;
  /** How many shared leases have the connection; 0 while nothing but one lease, or single statements, does. */
  holders = 0;
  /** Generation of the pool in which it was opened; one of an older, or of none, is not lent again. */
  generation: number;
  /** Whether the connection was opened read-only. */
  readonly reader: boolean;
  /** Neighbours in the ring of the shared. */
  left: Slot<C> | undefined = undefined;
  right: Slot<C> | undefined = undefined;
  /** Neighbours among the idle. */
  below: Slot<C> | undefined = undefined;
  above: Slot<C> | undefined = undefined;

  constructor(generation: number, reader = false) {
    this.generation = generation;
    this.reader = reader;
  }
}
