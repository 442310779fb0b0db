/**
 * Acquires that wait for each other.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import { DeadlockError } from "./errors.ts";
import type { Holder } from "./holders.ts";
import type { Lease } from "./lease.ts";
import type { ContextVariable } from "./runtime.ts";
import type { Scope } from "./scope.ts";
import type { ScopeNode } from "./scope_turn.ts";
import { type Site, Sites } from "./site.ts";
import type { TurnClock } from "./turn_clock.ts";
import type { Waiter } from "./waiter.ts";

/**
 * How often a stack is taken of who may come to wait for itself, in milliseconds: most never do, and with a transaction's
 * many frames one takes as long as a statement.
 */
const STACK_EVERY_MS = 1_000;
/** So many acquires that do not wait any more may be remembered beside twice as many as do. */
const FEW = 16;

/** A call of `use`, or a scope, with the connection that it has until its callback is over. */
export interface Holding<C> {
  /** What it has; of a scope, the scope itself, which may have ended. */
  readonly lease: Pick<Lease<C>, "epoch" | "released" | "lost"> & { readonly ended?: boolean };
  /** Since when. */
  readonly since: number;
  /** Where it was called, if that is known; a scope has that itself. */
  readonly site: Site | undefined;
  /** The call in whose callback it was made. */
  readonly outer: Holding<C> | undefined;
  /** The scope whose callback runs, if it is one's; then what it has is the scope's. */
  readonly scope: Scope<C> | undefined;
  /** Where in that it runs. */
  readonly node: ScopeNode<C> | undefined;
}

/** In whose callback somebody asked for a connection. */
export interface Asker<C> {
  /** The call; not given for who asked in none. */
  readonly holding: Holding<C> | undefined;
}

/** What is asked about the pool. */
export interface NestingParts<C> {
  /** Tells in whose callback the caller runs. */
  readonly current: ContextVariable<Holding<C>>;
  /** Source of time. */
  readonly turn: Pick<TurnClock, "now">;
  /** Tells how long a stack takes. */
  readonly clock: Pick<Clock, "now">;
  /** The books. */
  readonly bag: { readonly total: number };
  /** The limit. */
  readonly sizes: { readonly max: number };
  /** Who waits. */
  readonly queue: { readonly size: number; has(waiter: Waiter<C>): boolean };
}

/**
 * Finds acquires that can never be served: made in the callback of a `use` that does not give its own connection back
 * before it has another, while all connections are held by callbacks that wait so. The one that would close the circle is
 * refused. Costs nothing where no acquire in such a callback has to wait.
 */
export class Nesting<C> {
  readonly #parts: NestingParts<C>;
  readonly #sites: Sites;
  /** Whether somebody asks for another, and in whose callback that one did. */
  #asksAs = false;
  #asker: Holding<C> | undefined;
  /** Acquires that wait, made in the callbacks of these calls; those that do not wait any more are dropped now and then. */
  readonly #waits = new Map<Waiter<C>, Holding<C>>();

  /** @param parts What is asked about the pool. */
  constructor(parts: NestingParts<C>) {
    this.#parts = parts;
    this.#sites = new Sites(parts.turn, parts.clock, STACK_EVERY_MS);
  }

  /**
   * Runs a callback that has a connection until it is over.
   *
   * @param lease What it has.
   * @param site Where that was asked for.
   * @param fn The callback.
   * @returns What it returns.
   */
  run<R>(lease: Lease<C>, site: Site | undefined, fn: () => R): R {
    const { current, turn } = this.#parts;
    const outer = current.get();
    return current.run(
      { lease, since: turn.now(), site, outer, scope: undefined, node: undefined },
      fn,
    );
  }

  /**
   * Notes where `use` is called.
   *
   * @param label What the caller says.
   * @returns What is known.
   */
  note(label: string | undefined): Site | undefined {
    return this.#sites.note(label);
  }

  /** In whose callback was asked for what is being asked for, if in any. */
  get current(): Holding<C> | undefined {
    return this.#asksAs ? this.#asker : this.#parts.current.get();
  }

  /**
   * Asks for a connection as somebody else, who asked before.
   *
   * @param holding In whose callback, if in any.
   * @param fn Asks.
   * @returns What that returns.
   */
  askAs<R>(holding: Holding<C> | undefined, fn: () => R): R {
    const asked = this.#asksAs;
    const asker = this.#asker;
    this.#asksAs = true;
    this.#asker = holding;
    try {
      return fn();
    } finally {
      this.#asksAs = asked;
      this.#asker = asker;
    }
  }

  /**
   * An acquire begins to wait.
   *
   * @param waiter What waits.
   * @param holding In whose callback it was made.
   */
  waits(waiter: Waiter<C>, holding: Holding<C>): void {
    this.#waits.set(waiter, holding);
    if (this.#waits.size > 2 * this.#parts.queue.size + FEW) this.#drop();
  }

  /** Drops those that do not wait any more: they would keep what they had from being collected. */
  #drop(): void {
    for (const waiter of this.#waits.keys()) {
      if (!this.#parts.queue.has(waiter)) this.#waits.delete(waiter);
    }
  }

  /**
   * Tells why an acquire must not wait.
   *
   * @param holding In whose callback it was made.
   * @returns The error, if it would close a circle.
   */
  refusal(holding: Holding<C>): DeadlockError | undefined {
    const { bag, sizes } = this.#parts;
    // Who has nothing keeps nobody waiting, as all the scopes that wait for their first connection.
    if (bag.total < sizes.max || !hasAny(holding)) return undefined;
    const blocked = this.#blocked();
    addCalls(blocked, holding);
    if (blocked.size < bag.total) return undefined;
    return new DeadlockError([...blocked.values()].map((each) => this.#holderOf(each)));
  }

  /** The calls that have a connection and wait for another. */
  #blocked(): Blocked<C> {
    this.#drop();
    const blocked: Blocked<C> = new Map();
    for (const holding of this.#waits.values()) addCalls(blocked, holding);
    return blocked;
  }

  #holderOf({ lease, since, scope, site = scope?.site }: Holding<C>): Holder {
    const heldMs = this.#parts.turn.now() - since;
    return { epoch: lease.epoch, heldMs, label: site?.label, stack: site?.stack };
  }
}

/** Calls that wait for a connection, by what they have: a scope may have several that wait. */
type Blocked<C> = Map<Holding<C>["lease"], Holding<C>>;

/** Adds a call, and those in whose callbacks it was made: they wait for it. */
function addCalls<C>(calls: Blocked<C>, holding: Holding<C>): void {
  for (let call: Holding<C> | undefined = holding; call !== undefined; call = call.outer) {
    if (has(call) && !calls.has(call.lease)) calls.set(call.lease, call);
  }
}

function hasAny<C>(holding: Holding<C>): boolean {
  for (let call: Holding<C> | undefined = holding; call !== undefined; call = call.outer) {
    if (has(call)) return true;
  }
  return false;
}

/**
 * Whether a call has a connection: not one that has given back, or lost, what it had; nor a scope that has ended, as that
 * gives it back when its statements are over, whatever its callbacks wait for.
 */
function has<C>({ lease }: Holding<C>): boolean {
  return !lease.released && !lease.lost && lease.ended !== true;
}
