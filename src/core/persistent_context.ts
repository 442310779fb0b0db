/**
 * A connection that stays with its owner from scope to scope.
 *
 * @module
 */

import type { Timer } from "./clock.ts";
import { ScopeError } from "./errors.ts";
import type { Keeping } from "./keeping.ts";
import type { Lease } from "./lease.ts";
import { rollBack, type RollingBackParts } from "./rolling_back.ts";
import type { Scope, ScopeSource } from "./scope.ts";
import { Turns } from "./steady_turns.ts";

/** What a persistent context needs of its pool. */
export interface PersistentParts<C> extends RollingBackParts<C> {
  /** Judges its connection. */
  readonly keeping: Keeping<C>;
  /** The pool as the source of connections. */
  readonly source: ScopeSource<C>;
  /** Opens a scope whose connection comes from another source. */
  readonly open: (name: string, source: ScopeSource<C>) => Scope<C>;
  /** The scope that the caller is in. */
  readonly current: () => Scope<C> | undefined;
  /** Runs a function in a scope, which ends with it. */
  readonly runIn: <R>(scope: Scope<C>, fn: (scope: Scope<C>) => R | PromiseLike<R>) => Promise<R>;
  /** Whether the pool is open. */
  readonly isOpen: () => boolean;
  /** It has ended. */
  readonly ended: (context: PersistentContext<C>) => void;
}

/**
 * An owner of a connection, such as a worker or an actor: its scopes, one at a time in the order asked for, all have the same
 * connection of the pool, with whatever is set in its session. It counts against the pool's `max`, as `used`, from its first
 * use until {@linkcode PersistentContext.end}, and is neither `idleTimeoutMs`' nor `keepaliveMs`' concern.
 *
 * Between two scopes nothing is left open on it. It is then what an idle connection is to the pool, never under a scope: one
 * that has reached `maxLifetimeMs` or `maxUses` (each scope that needs it is a use) is closed, and so is one that `evict` names,
 * one of a generation that has ended, one that is too much after `resize` (first that of the context that has not used its own
 * for longest), and each at `close`. One that was not used for `checkAfterIdleMs`, or is in doubt since another was lost, has
 * to give a sign of life first. The next scope that needs one gets another, without what was set in the session; it waits for
 * that as every acquire does. While the pool is suspended a context goes on with what it has, and gets no other. What
 * each of its connections has to have belongs into the pool's `session`.
 *
 * It belongs to this object and to nobody else, whatever its name.
 *
 * @example A worker's own connection
 * ```ts
 * import { Pool } from "@steady/pool";
 * import { FakeDriver } from "@steady/pool/testing";
 *
 * await using pool = new Pool(new FakeDriver(), { max: 2 });
 * await using worker = pool.persistent({ name: "worker" });
 * await worker.scope((scope) => scope.use((lease) => lease.connection.run("set k v")));
 * const answer = await worker.scope((scope) => scope.use((lease) => lease.connection.run("show k")));
 * console.log(answer); // "v"
 * ```
 */
export class PersistentContext<C> implements Disposable, AsyncDisposable {
  /** Its name, and that of its scopes. */
  readonly name: string;
  readonly #parts: PersistentParts<C>;
  readonly #turns = new Turns();
  readonly #source: ScopeSource<C> = {
    note: (site) => this.#parts.source.note(site),
    lend: (...wish) => this.#lend(...wish),
    takeBack: (lease) => this.#takeBack(lease),
    over: () => this.#over(),
  };
  #lease: Lease<C> | undefined;
  #scope: Scope<C> | undefined;
  #cleaning: Promise<void> | undefined;
  /** The sign of life that is being waited for. */
  #check: Promise<boolean> | undefined;
  /** When its connection will be too old. */
  #worn: Timer | undefined;
  /** When it was used last, by both clocks: the one that stands still while the machine sleeps, and the other. */
  #usedAt = 0;
  #usedAtWall = 0;
  #ended = false;

  /**
   * Made by a pool.
   *
   * @internal
   * @param name Its name.
   * @param parts What it needs of the pool.
   */
  constructor(name: string, parts: PersistentParts<C>) {
    this.name = name;
    this.#parts = parts;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Runs `fn` in a scope with this owner's connection, when its scopes before are over. Within one of them `fn` is part of
   * that.
   *
   * @param fn What to run; is given the scope.
   * @returns What `fn` returns.
   * @throws {ScopeError} If the context has ended.
   */
  async scope<R>(fn: (scope: Scope<C>) => R | PromiseLike<R>): Promise<R> {
    const { open, runIn, current } = this.#parts;
    const present = this.#scope;
    if (present !== undefined && !present.ended && current() === present) {
      return await runIn(present, fn);
    }
    if (this.#ended) throw this.#endedError();
    await this.#turns.take();
    if (this.#ended) {
      this.#pass();
      throw this.#endedError();
    }
    const scope = this.#scope = open(this.name, this.#source);
    return await runIn(scope, fn);
  }

  /** Ends it, and the scope of it that runs: its connection goes back to the pool. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#turns.refuse(() => this.#endedError());
    this.#scope?.end();
    this.giveBack();
    this.#parts.ended(this);
  }

  /**
   * Gives its connection back, if no scope has it.
   *
   * @internal
   */
  giveBack(): void {
    if (!this.#turns.taken) this.#release();
  }

  /**
   * Gives its connection back if no scope has it and it may not be kept.
   *
   * @internal
   */
  reconsider(): void {
    const lease = this.#lease;
    if (lease === undefined || this.#turns.taken) return;
    const { keeping } = this.#parts;
    if (!keeping.mayStay(lease)) return this.#release();
    this.#worn ??= keeping.whenWorn(lease, () => {
      this.#worn = undefined;
      this.reconsider();
    });
  }

  /**
   * For how long no scope has had its connection, in milliseconds: the monotonic clock stands still while the machine sleeps.
   *
   * @internal
   */
  get idleMs(): number {
    const { clock } = this.#parts;
    return Math.max(clock.now() - this.#usedAt, clock.wallNow() - this.#usedAtWall);
  }

  #release(): void {
    const lease = this.#lease;
    this.#lease = this.#check = undefined;
    this.#worn?.cancel();
    this.#worn = undefined;
    lease?.release();
  }

  /** {@inheritDoc PersistentContext.end} */
  [Symbol.dispose](): void {
    this.end();
  }

  /** {@inheritDoc PersistentContext.end} */
  [Symbol.asyncDispose](): Promise<void> {
    this.end();
    return Promise.resolve();
  }

  #lend(...wish: Parameters<ScopeSource<C>["lend"]>): () => void {
    const [lent] = wish;
    const { keeping } = this.#parts;
    const lease = this.#lease;
    if (lease === undefined || !keeping.mayStay(lease)) return this.#lendAnother(...wish);
    if (this.#check === undefined && !keeping.isInDoubt(lease, this.idleMs)) {
      keeping.usedAgain(lease);
      lent(lease);
      return nothing;
    }
    let cancel: (() => void) | undefined;
    let cancelled = false;
    this.#answers(lease).then((answers) => {
      if (cancelled) return;
      if (answers && keeping.mayStay(lease)) {
        keeping.usedAgain(lease);
        lent(lease);
      } else cancel = this.#lendAnother(...wish);
    });
    return () => {
      cancelled = true;
      cancel?.();
    };
  }

  /** Asks the server for a sign of life, if that is not being done, be it for a scope that has ended meanwhile. */
  #answers(lease: Lease<C>): Promise<boolean> {
    const asked = this.#check ??= this.#parts.keeping.check(lease).then((answers) => {
      if (this.#check === asked) this.#check = undefined;
      return answers;
    });
    return asked;
  }

  #lendAnother(...[lent, ...wish]: Parameters<ScopeSource<C>["lend"]>): () => void {
    this.#release();
    return this.#parts.source.lend((lease) => {
      this.#lease = lease;
      lent(lease);
    }, ...wish);
  }

  #takeBack(lease: Lease<C>): void {
    const { driver, clock, keeping } = this.#parts;
    this.#usedAt = clock.now();
    this.#usedAtWall = clock.wallNow();
    if (lease.lost || lease.released) return;
    keeping.rests(lease);
    const status = driver.status(lease.connection);
    // What nobody can tell the state of is for the pool to judge.
    if (status === "unknown") lease.release();
    else if (status !== "idle") this.#cleaning = rollBack(this.#parts, lease);
  }

  #over(): void {
    this.#scope = undefined;
    const cleaning = this.#cleaning;
    this.#cleaning = undefined;
    if (cleaning === undefined) this.#pass();
    else void cleaning.then(() => this.#pass());
  }

  #pass(): void {
    this.#turns.pass();
    if (this.#ended || !this.#parts.isOpen()) this.giveBack();
    else this.reconsider();
  }

  #endedError(): ScopeError {
    return new ScopeError(`Cannot use the context "${this.name}" as it has ended`);
  }
}

function nothing(): void {}
