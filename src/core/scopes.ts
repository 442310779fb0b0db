/**
 * The scopes of one pool: how they are opened, found, and left.
 *
 * @module
 */

import { ScopeError } from "./errors.ts";
import { inPlaceOf } from "./in_place_of.ts";
import type { Keeping } from "./keeping.ts";
import type { Holding } from "./nesting.ts";
import { PersistentContext } from "./persistent_context.ts";
import type { ContextVariable } from "./runtime.ts";
import { Scope, type ScopeParts, type ScopeSource } from "./scope.ts";
import { untilRead } from "./scope_body.ts";
import {
  checkOpenScopeOptions,
  checkScopedOptions,
  checkScopeOptions,
  type OpenScopeOptions,
  type ScopedOptions,
  type ScopeOptions,
} from "./scope_options.ts";
import type { ScopeNode } from "./scope_turn.ts";
import { settle } from "./settle.ts";
import { show } from "./validate.ts";

/** What scopes need of their pool. */
export interface ScopesParts<C>
  extends Omit<ScopeParts<C>, "standing" | "asking" | "opening" | "run"> {
  /** Tells where the caller stands, where the runtime is known. */
  readonly current: ContextVariable<Holding<C>> | undefined;
  /** The pool as the source of connections. */
  readonly source: ScopeSource<C>;
  /** Whether the pool is open. */
  readonly isOpen: () => boolean;
  /** Judges the connections that stay with contexts. */
  readonly keeping: Keeping<C>;
}

/** The scopes of one pool. */
export class Scopes<C> {
  readonly #current: ContextVariable<Holding<C>> | undefined;
  readonly #source: ScopeSource<C>;
  readonly #parts: ScopeParts<C>;
  readonly #isOpen: () => boolean;
  readonly #keeping: Keeping<C>;
  readonly #persistent = new Set<PersistentContext<C>>();
  #count = 0;

  /** @param parts What they need of their pool. */
  constructor(parts: ScopesParts<C>) {
    const { current } = parts;
    this.#current = current;
    this.#source = parts.source;
    this.#isOpen = parts.isOpen;
    this.#keeping = parts.keeping;
    this.#parts = {
      ...parts,
      standing: () => current?.get()?.node,
      asking: () => ({ holding: current?.get() }),
      opening: (scope, asker) => {
        const holding = asker === undefined ? current?.get() : asker.holding;
        // What has nothing keeps nobody waiting: only what it was opened in may.
        return holding?.lease === scope ? holding.outer : holding;
      },
      run: (scope, node, fn) => this.#runAt(scope, node, fn),
    };
  }

  /** The scope that the caller is in, if in any; it may have ended. */
  get current(): Scope<C> | undefined {
    return this.#current?.get()?.scope;
  }

  /** Where in it the caller stands. */
  get node(): ScopeNode<C> | undefined {
    return this.#current?.get()?.node;
  }

  /**
   * Opens a scope.
   *
   * @param options Its name.
   * @param source Where its connection comes from; the pool, when not given.
   * @returns The scope; has to be ended.
   */
  open(options: OpenScopeOptions | undefined, source: ScopeSource<C> = this.#source): Scope<C> {
    checkOpenScopeOptions("open a scope", options);
    const scope = this.#open(options?.name, source);
    // Who opened it ends it, and not what joins it.
    scope.endsItself = false;
    return scope;
  }

  #open(name: string | undefined, source: ScopeSource<C> = this.#source): Scope<C> {
    return new Scope<C>(name ?? ++this.#count, this.#parts, source);
  }

  /**
   * Makes an owner of a connection.
   *
   * @param options Its name.
   * @returns The owner; has to be ended.
   */
  persistent(options: OpenScopeOptions | undefined): PersistentContext<C> {
    checkOpenScopeOptions("make a context", options);
    const { driver, clock, rollbackTimeoutMs: timeoutMs } = this.#parts;
    const name = options?.name ?? `context-${++this.#count}`;
    const context = new PersistentContext<C>(name, {
      driver,
      clock,
      timeoutMs,
      keeping: this.#keeping,
      source: this.#source,
      open: (name, source) => this.#open(name, source),
      current: () => this.current,
      runIn: (scope, fn) => this.runIn(scope, fn),
      isOpen: this.#isOpen,
      ended: (context) => this.#persistent.delete(context),
    });
    this.#persistent.add(context);
    return context;
  }

  /** The pool closes: who has a connection and does not use it gives it back. */
  stop(): void {
    for (const context of this.#persistent) context.giveBack();
  }

  /**
   * Something has changed for what is kept: who has a connection and does not use it gives back what may not be. Who has not
   * used its own for longest is asked first.
   */
  reconsider(): void {
    if (this.#persistent.size === 0) return;
    const contexts = [...this.#persistent].sort((one, other) => other.idleMs - one.idleMs);
    for (const context of contexts) context.reconsider();
  }

  /**
   * Runs `fn` in a scope: in that of the caller, as long as that lasts, else in a new one, which ends with `fn`.
   *
   * @param fn What to run; is given the scope.
   * @param options Its name, whether it is to be a new one.
   * @returns What `fn` returns.
   */
  async run<R>(
    fn: (scope: Scope<C>) => R | PromiseLike<R>,
    options: ScopeOptions | undefined,
  ): Promise<R> {
    requireFunction("open a scope", "fn", fn);
    checkScopeOptions("open a scope", options);
    const scope = this.#join(options) ?? this.#open(options?.name);
    scope.keep();
    try {
      return await this.#within(scope, () => settle(fn(scope)));
    } finally {
      scope.letGo();
    }
  }

  /**
   * Runs `fn` in a scope, which does not end before.
   *
   * @param scope Which.
   * @param fn What to run.
   * @returns What it returns.
   */
  async runIn<R>(scope: Scope<C>, fn: (scope: Scope<C>) => R | PromiseLike<R>): Promise<R> {
    scope.keep();
    try {
      return await this.#within(scope, () => settle(fn(scope)));
    } finally {
      scope.letGo();
    }
  }

  /**
   * Wraps a handler so that each call runs in a scope.
   *
   * @param handler Called with the arguments of the result.
   * @param options Names of the scopes, how long they last.
   * @returns The function to be called instead.
   */
  scoped<Args extends unknown[], R>(
    handler: (...args: Args) => R,
    options: ScopedOptions | undefined,
  ): (...args: Args) => Promise<Awaited<R>> {
    requireFunction("wrap a handler", "handler", handler);
    checkScopedOptions("wrap a handler", options);
    if (this.#current === undefined) {
      throw new ScopeError(
        "Cannot wrap a handler as the pool knows no runtime: give it a context, or open scopes and use them by themselves",
      );
    }
    return inPlaceOf(handler, (...args) => this.#call(options, () => handler(...args)));
  }

  async #call<R>(options: ScopedOptions | undefined, handler: () => R): Promise<Awaited<R>> {
    const scope = this.#join(options) ?? this.#open(options?.name);
    const leave = scope.hold();
    try {
      // What is returned is awaited within: a query is sent when that is done.
      const result = await this.#within(scope, async () => await handler());
      if (options?.untilRead) return untilRead(result, (fn) => this.#within(scope, fn), leave);
      leave();
      return result;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /**
   * Runs `fn` as if it were in no scope.
   *
   * @param fn What to run.
   * @returns What it returns.
   */
  outside<R>(fn: () => R): R {
    const variable = this.#current;
    const holding = variable?.get();
    const scope = holding?.scope;
    if (variable === undefined || holding === undefined || scope === undefined) return fn();
    return variable.run({ ...holding, site: scope.site, scope: undefined, node: undefined }, fn);
  }

  /** The caller's scope, if it is to be used, and can be. */
  #join(options: ScopeOptions | undefined): Scope<C> | undefined {
    if (options?.fresh) return undefined;
    const { current } = this;
    return current === undefined || current.ended ? undefined : current;
  }

  /** Runs `fn` where the caller stands, if that is in the scope, else in its outermost place. */
  #within<R>(scope: Scope<C>, fn: () => R): R {
    const variable = this.#current;
    const outer = variable?.get();
    if (variable === undefined || outer?.scope === scope) return fn();
    return this.#stand(variable, outer, scope, scope, fn);
  }

  #runAt<R>(scope: Scope<C>, node: ScopeNode<C>, fn: () => R): R {
    const variable = this.#current;
    return variable === undefined ? fn() : this.#stand(variable, variable.get(), scope, node, fn);
  }

  #stand<R>(
    variable: ContextVariable<Holding<C>>,
    outer: Holding<C> | undefined,
    scope: Scope<C>,
    node: ScopeNode<C>,
    fn: () => R,
  ): R {
    const isWithin = outer?.scope === scope;
    const standing: Holding<C> = {
      lease: scope,
      since: isWithin ? outer.since : this.#parts.turn.now(),
      // The scope's own, made when it is asked for.
      site: undefined,
      outer: isWithin ? outer.outer : outer,
      scope,
      node,
    };
    return variable.run(standing, fn);
  }
}

function requireFunction(action: string, name: string, value: unknown): void {
  if (typeof value === "function") return;
  throw new TypeError(`Cannot ${action} as ${name} must be a function: received ${show(value)}`);
}
