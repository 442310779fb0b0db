/**
 * Exclusive use of a scope's connection.
 *
 * @module
 */

import { LeaseReleasedError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import { ScopeLine } from "./scope_line.ts";
import type { Site } from "./site.ts";

/** Where work within a scope stands: in the scope itself, or in the callback that has its connection. */
export interface ScopeNode<C> {
  /** What it stands in. */
  readonly parent: ScopeNode<C> | undefined;
  /** Whose turn it is among what is started there. */
  readonly line: ScopeLine;
  /** Whether it has ended: what is started there goes to what it stands in. */
  readonly over: boolean;
  /**
   * Tells why nothing may be started there, now or after its end.
   *
   * @returns The error, if nothing may.
   */
  refusal(): Error | undefined;
}

/** What has a scope's connection: a lease, a callback of `use`, a transaction. */
export type ScopeTurnKind = "lease" | "callback" | "transaction";

/** What a turn is made of. */
export interface ScopeTurnParts<C> {
  /** What has the connection. */
  readonly kind: ScopeTurnKind;
  /** The scope's lease. */
  readonly lease: Lease<C>;
  /** Whether a transaction by hand was open when it began. */
  readonly beganInside: boolean;
  /** Where it was started. */
  readonly parent: ScopeNode<C>;
  /** Since when. */
  readonly since: number;
  /** Where it was asked for, if that is known. */
  readonly site: Site | undefined;
  /** Told when it ends; passes the connection on. */
  readonly home: { ending(turn: ScopeTurn<C>, beganInside: boolean): void };
}

/** Exclusive use of a scope's connection; releasing it passes the connection on within the scope. */
export class ScopeTurn<C> implements Lease<C>, ScopeNode<C> {
  readonly parent: ScopeNode<C>;
  /** Made when something is started in it, which most are too short for. */
  #line: ScopeLine | undefined;
  /** What has the connection. */
  readonly kind: ScopeTurnKind;
  /** Since when. */
  readonly since: number;
  /** Where it was asked for, if that is known. */
  readonly site: Site | undefined;
  /** Called when the scope ends before it does; by default it is released then. */
  onAbandoned: ((error: Error) => void) | undefined = undefined;
  /** Called when what it stands in ends before it does, before anybody else has the connection. */
  onOutlived: (() => void) | undefined = undefined;
  /** Makes the error of what is started there after its end, where that must not go on outside. */
  lateError: (() => Error) | undefined = undefined;
  /**
   * What it has until its end. Not longer: a runtime may keep what stood in its context, and so the turn, for much longer
   * (Deno until the next full collection of garbage), and all that hangs on it.
   */
  #held: Pick<ScopeTurnParts<C>, "lease" | "home" | "beganInside"> | undefined;

  constructor(parts: ScopeTurnParts<C>) {
    this.parent = parts.parent;
    this.kind = parts.kind;
    this.since = parts.since;
    this.site = parts.site;
    this.#held = parts;
  }

  get line(): ScopeLine {
    return this.#line ??= new ScopeLine();
  }

  get over(): boolean {
    return this.#held === undefined;
  }

  get connection(): C {
    if (this.#held === undefined) throw new LeaseReleasedError();
    return this.#held.lease.connection;
  }

  get epoch(): number {
    if (this.#held === undefined) throw new LeaseReleasedError();
    return this.#held.lease.epoch;
  }

  get released(): boolean {
    return this.#held === undefined;
  }

  get lost(): boolean {
    return this.#held?.lease.lost ?? false;
  }

  refusal(): Error | undefined {
    return this.#held === undefined ? this.lateError?.() : undefined;
  }

  /**
   * Tells whether it was started in another, or in what that one has started.
   *
   * @param node The other.
   * @returns Whether; also if both are the same.
   */
  isWithin(node: ScopeNode<C>): boolean {
    return isWithin(this, node);
  }

  /**
   * The scope has ended.
   *
   * @param error What those get who use it later.
   */
  abandon(error: Error): void {
    if (this.onAbandoned === undefined) this.release();
    else this.onAbandoned(error);
  }

  /** What it stands in has ended. */
  outlive(): void {
    this.onOutlived?.();
    this.release();
  }

  release(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    held.home.ending(this, held.beganInside);
  }

  destroy(): void {
    if (this.#held === undefined) return;
    this.#held.lease.destroy();
    this.release();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release();
    return Promise.resolve();
  }
}

/**
 * Tells whether one node was started in another, or in what that one has started.
 *
 * @param inner The one.
 * @param outer The other.
 * @returns Whether; also if both are the same.
 */
export function isWithin<C>(inner: ScopeNode<C> | undefined, outer: ScopeNode<C>): boolean {
  for (let node = inner; node !== undefined; node = node.parent) if (node === outer) return true;
  return false;
}
