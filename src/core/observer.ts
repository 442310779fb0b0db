/**
 * What a pool tells who watches it.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import { Counters } from "./counters.ts";
import type { LossScope, ResetLevel } from "./driver.ts";
import type { AcquirePhase } from "./errors.ts";
import type { SlotState } from "./slot.ts";
import { show } from "./validate.ts";

/** What all events have. No event holds a password or a value of a statement. */
export interface PoolEvent {
  /** Name of the pool. */
  readonly pool: string;
  /** When it happened, in milliseconds of the pool's clock; only differences mean anything. */
  readonly at: number;
}

/** Something happened to an open connection. */
export interface ConnectionEvent extends PoolEvent {
  /** Number of the connection, unique in its pool. */
  readonly epoch: number;
}

/** A connect began. */
export interface ConnectingEvent extends PoolEvent {
  /** Whether nobody waits for it: it fills the pool up. */
  readonly background: boolean;
}

/** A connection is open and set up. */
export interface ConnectedEvent extends ConnectionEvent {
  /** Whether nobody waited for it when it began. */
  readonly background: boolean;
  /** How long that took, in milliseconds. */
  readonly connectMs: number;
}

/** A connect failed. */
export interface ConnectFailedEvent extends PoolEvent {
  /** Whether nobody waited for it when it began. */
  readonly background: boolean;
  /** What failed: the connect, or the set-up of its session. */
  readonly phase: "connect" | "session";
  /** Why; `undefined` if the pool gave it up, as it is wanted no more. */
  readonly error: unknown;
  /** How long it had taken, in milliseconds. */
  readonly connectMs: number;
}

/** An acquire began to wait. */
export interface WaitingEvent extends PoolEvent {
  /** How many wait, this one included. */
  readonly waiters: number;
  /** The `label` of the acquire. */
  readonly label: string | undefined;
}

/** A connection was lent. */
export interface AcquiredEvent extends ConnectionEvent {
  /** How long the acquire had waited, in milliseconds; 0 if it had not. */
  readonly waitMs: number;
  /** Whether others may have the connection at the same time. */
  readonly shared: boolean;
  /** The `label` of the acquire. */
  readonly label: string | undefined;
}

/** A lease was given back or given up. */
export interface ReleasedEvent extends ConnectionEvent {
  /** How long it was held, in milliseconds. */
  readonly heldMs: number;
  /** Whether others may have had the connection at the same time. */
  readonly shared: boolean;
  /** The `label` of the acquire. */
  readonly label: string | undefined;
}

/** The deadline of an acquire passed. */
export interface TimedOutEvent extends PoolEvent {
  /** How long it had waited, in milliseconds. */
  readonly waitMs: number;
  /** What it was waiting for. */
  readonly phase: AcquirePhase;
  /** How many wait on. */
  readonly waiters: number;
  /** The `label` of the acquire. */
  readonly label: string | undefined;
}

/**
 * Why an acquire was refused before its deadline: it must not wait, the queue is full, the server cannot be had, it could
 * not make its deadline, it waits for itself, or the pool is closed.
 */
export type RefusalReason =
  | "no wait"
  | "queue full"
  | "unavailable"
  | "late"
  | "deadlock"
  | "closed";

/** An acquire was refused. */
export interface RefusedEvent extends PoolEvent {
  /** Why. */
  readonly reason: RefusalReason;
  /** What the caller gets. */
  readonly error: unknown;
  /** The `label` of the acquire. */
  readonly label: string | undefined;
}

/** An acquire was given up by its caller, such as by a signal. */
export interface GaveUpEvent extends PoolEvent {
  /** How long it had waited, in milliseconds. */
  readonly waitMs: number;
  /** How many wait on. */
  readonly waiters: number;
  /** The `label` of the acquire. */
  readonly label: string | undefined;
}

/** A connection was asked for a sign of life. */
export interface CheckedEvent extends ConnectionEvent {
  /** Why: somebody waits for it, or it is kept alive. */
  readonly purpose: "lend" | "keepalive";
  /** Whether the server answered; if not the connection is gone. */
  readonly ok: boolean;
  /** How long that took, in milliseconds. */
  readonly checkMs: number;
}

/** A connection was cleaned after use. */
export interface ResetEvent extends ConnectionEvent {
  /** How much. */
  readonly level: ResetLevel;
  /** Whether it is clean; if not it is closed. */
  readonly ok: boolean;
  /** How long that took, in milliseconds. */
  readonly resetMs: number;
}

/** An open connection was lost. */
export interface LostEvent extends ConnectionEvent {
  /** What that says about the others. */
  readonly scope: LossScope;
  /** What the pool was doing with it. */
  readonly state: SlotState;
  /** What is known of the cause. */
  readonly cause: unknown;
}

/**
 * Why the pool closes an open connection: idle for too long; more idle ones than wanted; too old or used too often; told
 * by `evict`; its generation has ended; busy, or not to be cleaned; silent when asked for a sign of life; the pool has
 * become smaller; the pool is closed; its borrower gave it up, or forgot it; or one of another kind is needed.
 */
export type CloseReason =
  | "idle"
  | "surplus"
  | "worn"
  | "evicted"
  | "condemned"
  | "dirty"
  | "unanswered"
  | "resized"
  | "closing"
  | "destroyed"
  | "collected"
  | "exchanged";

/** The pool began to close an open connection. A lost one is not closed. */
export interface ClosedEvent extends ConnectionEvent {
  /** Why. */
  readonly reason: CloseReason;
  /** How long it was open, in milliseconds. */
  readonly ageMs: number;
  /** How often it was lent. */
  readonly uses: number;
}

/** A generation ended: none of its connections is lent again. */
export interface CondemnedEvent extends PoolEvent {
  /** How many connections that concerns, those being opened included. */
  readonly connections: number;
}

/** A connect failed, and the server had been had before: connects are paced from now on. */
export interface OutageBeganEvent extends PoolEvent {
  /** Why it failed. */
  readonly error: unknown;
}

/** A connect succeeded again. */
export interface OutageEndedEvent extends PoolEvent {
  /** Time since the first that failed, in milliseconds. */
  readonly outageMs: number;
}

/** The limit of the pool was changed. */
export interface PoolResizedEvent extends PoolEvent {
  /** Most connections until now. */
  readonly from: number;
  /** Most connections from now on. */
  readonly to: number;
}

/** The pool begins to close. */
export interface PoolClosingEvent extends PoolEvent {
  /** How long what is lent is waited for, in milliseconds. */
  readonly timeoutMs: number;
}

/** Who had a lease. */
export interface HolderEvent extends ConnectionEvent {
  /** How long it has been held, in milliseconds. */
  readonly heldMs: number;
  /** The `label` of its acquire. */
  readonly label: string | undefined;
  /** Where it was acquired; only of some, and only with `leakAfterMs`. */
  readonly stack: string | undefined;
}

/** A scope ended before something in it did: that is rolled back. */
export interface LeftOpenEvent extends ConnectionEvent {
  /** Name of the scope. */
  readonly scope: string;
  /** What: a lease, the callback of a `use`, a transaction by `transaction()` or by hand. */
  readonly kind: "lease" | "callback" | "transaction";
  /** How long it has had the connection, in milliseconds; `undefined` for a transaction by hand. */
  readonly heldMs: number | undefined;
  /** The `label` it was asked for with. */
  readonly label: string | undefined;
  /** Where it was asked for, if a stack was taken: at most a hundredth of the time goes into them. */
  readonly stack: string | undefined;
}

/** Acquires wait for each other and can never be served; the one that closed the circle was refused. */
export interface DeadlockEvent extends PoolEvent {
  /** What its caller gets. */
  readonly error: unknown;
}

/** The events of a pool, by the names of the callbacks that receive them. */
export interface PoolEvents {
  /** A connect began. */
  connecting: ConnectingEvent;
  /** A connection is open and set up. */
  connected: ConnectedEvent;
  /** A connect failed. */
  connectFailed: ConnectFailedEvent;
  /** An acquire began to wait. */
  waiting: WaitingEvent;
  /** A connection was lent. */
  acquired: AcquiredEvent;
  /** A lease was given back or given up. */
  released: ReleasedEvent;
  /** The deadline of an acquire passed. */
  timedOut: TimedOutEvent;
  /** An acquire was refused before. */
  refused: RefusedEvent;
  /** An acquire was given up by its caller. */
  gaveUp: GaveUpEvent;
  /** A connection was asked for a sign of life. */
  checked: CheckedEvent;
  /** A connection was cleaned after use. */
  reset: ResetEvent;
  /** An open connection was lost. */
  lost: LostEvent;
  /** The pool began to close an open connection. */
  closed: ClosedEvent;
  /** Nobody knows what became of the idle connections: each is checked before it is lent. */
  doubted: PoolEvent;
  /** A generation ended: none of its connections is lent again. */
  condemned: CondemnedEvent;
  /** The server cannot be had. */
  outageBegan: OutageBeganEvent;
  /** It can be had again. */
  outageEnded: OutageEndedEvent;
  /** Nothing is lent from now on. */
  poolSuspended: PoolEvent;
  /** The pool lends again. */
  poolResumed: PoolEvent;
  /** The limit of the pool was changed. */
  poolResized: PoolResizedEvent;
  /** The pool begins to close. */
  poolClosing: PoolClosingEvent;
  /** The pool is closed. */
  poolClosed: PoolEvent;
  /** The pool was opened again. */
  poolOpened: PoolEvent;
  /** A lease has been held for longer than `leakAfterMs`. */
  leaked: HolderEvent;
  /**
   * A lease was forgotten: it was garbage-collected without release. Its connection is closed; that of a shared lease is
   * left to the others, as if it had been released.
   */
  collected: HolderEvent;
  /** Acquires wait for each other. */
  deadlock: DeadlockEvent;
  /** A scope ended before something in it did. */
  leftOpen: LeftOpenEvent;
}

/**
 * Watches a pool: an object of optional callbacks, each called with one plain object.
 *
 * Callbacks are called in the order of the events, in a microtask of their own, when the books are in order: they may
 * call whatever the pool offers. One that throws, or returns a promise that is rejected, hurts nobody.
 *
 * @example Tell when the server goes and comes
 * ```ts
 * import { Pool, type PoolObserver } from "@steady/pool";
 * import { FakeDriver } from "@steady/pool/testing";
 *
 * const observer: PoolObserver = {
 *   outageBegan: ({ pool, error }) => console.warn(pool, "is down", error),
 *   outageEnded: ({ pool, outageMs }) => console.warn(pool, "is back after", outageMs, "ms"),
 * };
 * await using pool = new Pool(new FakeDriver(), { observer });
 * ```
 */
export type PoolObserver = {
  readonly [Name in keyof PoolEvents]?: (event: PoolEvents[Name]) => unknown;
};

/** Names of the callbacks of a {@linkcode PoolObserver}. */
const POOL_EVENT_NAMES: ReadonlySet<string> = new Set<keyof PoolEvents>([
  "connecting",
  "connected",
  "connectFailed",
  "waiting",
  "acquired",
  "released",
  "timedOut",
  "refused",
  "gaveUp",
  "checked",
  "reset",
  "lost",
  "closed",
  "doubted",
  "condemned",
  "outageBegan",
  "outageEnded",
  "poolSuspended",
  "poolResumed",
  "poolResized",
  "poolClosing",
  "poolClosed",
  "poolOpened",
  "leaked",
  "collected",
  "deadlock",
  "leftOpen",
]);

/**
 * Checks an observer.
 *
 * @param action What is being done, for the message.
 * @param observer What was received.
 * @returns The observer, if there is one.
 * @throws {TypeError} If it is no object, or a callback is no function.
 */
export function checkObserver(
  action: string,
  observer: PoolObserver | undefined,
): PoolObserver | undefined {
  if (observer === undefined) return undefined;
  if (typeof observer !== "object" || observer === null || Array.isArray(observer)) {
    throw new TypeError(
      `Cannot ${action} as observer must be an object of callbacks: received ${show(observer)}`,
    );
  }
  const isLiteral = Object.getPrototypeOf(observer) === Object.prototype;
  const misspelt = Object.keys(observer).find((name) => !POOL_EVENT_NAMES.has(name));
  // Of a class it may be a field.
  if (isLiteral && misspelt !== undefined) {
    throw new TypeError(`Cannot ${action} as observer has no callback "${misspelt}"`);
  }
  for (const name of POOL_EVENT_NAMES) {
    const callback: unknown = observer[name as keyof PoolEvents];
    if (callback !== undefined && typeof callback !== "function") {
      throw new TypeError(
        `Cannot ${action} as observer.${name} must be a function: received ${show(callback)}`,
      );
    }
  }
  return observer;
}

/** What an event has beside what all have. */
export type EventDetails<Name extends keyof PoolEvents> = Omit<PoolEvents[Name], keyof PoolEvent>;

/** A callback, whatever it takes. */
type Callback = (event: PoolEvent) => unknown;

const READY: Promise<void> = Promise.resolve();

/** A list that had to be longer for once is not kept. */
const MOST_KEPT = 4_096;

/**
 * Tells the observer, if there is one. Events are told while the pool changes its books; so they are kept, in order, and
 * delivered in a microtask, when those are in order and nothing of the pool is on the stack: a callback that acquires,
 * releases or closes is then a caller like any other.
 */
export class Events {
  /** Whether anybody watches. Where events are frequent it is asked first, so that nothing is built for nobody. */
  readonly on: boolean;
  /** Whether anybody is told of each lease. */
  readonly ofLeases: boolean;
  /** How often things happened, whether anybody watches or not. */
  readonly counters: Counters = new Counters();
  readonly #observer: PoolObserver;
  readonly #pool: { readonly name: string };
  readonly #clock: Pick<Clock, "now">;
  readonly #root: ((fn: () => void) => void) | undefined;
  /** Callbacks that are to be called, and what with; longer than what is in it, as to grow anew each time costs more. */
  #kept: (Callback | PoolEvent | undefined)[] = [];
  #end = 0;

  /**
   * @param observer Who watches, if anybody does.
   * @param pool Has the pool's name.
   * @param clock Tells when.
   * @param root Runs a function in nobody's context, where the runtime can.
   */
  constructor(
    observer: PoolObserver | undefined,
    pool: { readonly name: string },
    clock: Pick<Clock, "now">,
    root?: (fn: () => void) => void,
  ) {
    this.on = observer !== undefined;
    this.ofLeases = observer?.acquired !== undefined || observer?.released !== undefined;
    this.#observer = observer ?? {};
    this.#pool = pool;
    this.#clock = clock;
    this.#root = root;
  }

  /**
   * Something happened.
   *
   * @param name What.
   * @param details All that is known of it.
   */
  tell<Name extends keyof PoolEvents>(name: Name, details: EventDetails<Name>): void {
    this.counters.count(name, details);
    const callback = this.#observer[name];
    if (callback === undefined) return;
    this.#keep(callback as Callback, { pool: this.#pool.name, at: this.#clock.now(), ...details });
  }

  /** The time, as events tell it. */
  now(): number {
    return this.#clock.now();
  }

  // What happens at every lease has a way of its own: to copy details would cost more than all the rest.

  /**
   * Somebody waits.
   *
   * @param waiters How many do.
   * @param label The `label` of the acquire.
   */
  tellWaiting(waiters: number, label: string | undefined): void {
    const callback = this.#observer.waiting;
    if (callback === undefined) return;
    const event: WaitingEvent = { pool: this.#pool.name, at: this.now(), waiters, label };
    this.#keep(callback as Callback, event);
  }

  /**
   * A lease begins.
   *
   * @param at When.
   * @param epoch Number of the connection.
   * @param waitMs How long it was waited for.
   * @param shared Whether it has its connection with others.
   * @param label The `label` of the acquire.
   */
  tellAcquired(
    at: number,
    epoch: number,
    waitMs: number,
    shared: boolean,
    label: string | undefined,
  ): void {
    const callback = this.#observer.acquired;
    if (callback === undefined) return;
    const event: AcquiredEvent = { pool: this.#pool.name, at, epoch, waitMs, shared, label };
    this.#keep(callback as Callback, event);
  }

  /**
   * A lease ends.
   *
   * @param at When.
   * @param epoch Number of the connection.
   * @param heldMs How long it was held.
   * @param shared Whether it had its connection with others.
   * @param label The `label` of the acquire.
   */
  tellReleased(
    at: number,
    epoch: number,
    heldMs: number,
    shared: boolean,
    label: string | undefined,
  ): void {
    const callback = this.#observer.released;
    if (callback === undefined) return;
    const event: ReleasedEvent = { pool: this.#pool.name, at, epoch, heldMs, shared, label };
    this.#keep(callback as Callback, event);
  }

  #keep(callback: Callback, event: PoolEvent): void {
    const end = this.#end;
    this.#kept[end] = callback;
    this.#kept[end + 1] = event;
    this.#end = end + 2;
    if (end === 0) void READY.then(this.#deliver);
  }

  readonly #deliver = (): void => {
    const root = this.#root;
    if (root === undefined) this.#call();
    else root(() => this.#call());
  };

  #call(): void {
    const kept = this.#kept;
    // What callbacks cause comes after what is there.
    for (let index = 0; index < this.#end; index += 2) {
      quietly(this.#observer, kept[index] as Callback, kept[index + 1] as PoolEvent);
      kept[index + 1] = undefined;
    }
    if (this.#end > MOST_KEPT) this.#kept = [];
    this.#end = 0;
  }
}

/** Calls a callback of somebody who must not hurt the pool, whatever it does. */
function quietly(observer: PoolObserver, callback: Callback, event: PoolEvent): void {
  try {
    const result = callback.call(observer, event);
    if (result !== undefined) Promise.resolve(result).catch(ignore);
  } catch {
    // What it throws is its own affair: nobody above could do anything about it.
  }
}

function ignore(): void {}
