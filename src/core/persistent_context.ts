/**
 * A connection that stays with its owner from scope to scope.
 *
 * @module
 */

import { withDeadline } from "./deadline.ts";
import type { Driver } from "./driver.ts";
import { ScopeError } from "./errors.ts";
import type { Lease } from "./lease.ts";
import type { Events } from "./observer.ts";
import { rollBack, type RollingBackParts } from "./rolling_back.ts";
import type { Scope, ScopeSource } from "./scope.ts";
import { Turns } from "./steady_turns.ts";

/** What a persistent context needs of its pool. */
export interface PersistentParts<C> extends RollingBackParts<C> {
  /** Talks to the server. */
  readonly driver: Pick<Driver<C>, "execute" | "status" | "ping">;
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** After how long without use the server is asked for a sign of life first, in milliseconds. */
  readonly checkAfterIdleMs: number;
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
 * connection of the pool, with whatever is set in its session. It counts against the pool's `max` from its first use until
 * {@linkcode PersistentContext.end}.
 *
 * Between two scopes nothing is left open on it; one that was lost is replaced, and so is one that was not used for
 * `checkAfterIdleMs` and does not answer when its next scope needs it. It belongs to this object and to nobody
 * else, whatever its name.
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
    lend: (lent, refused, label) => this.#lend(lent, refused, label),
    takeBack: (lease) => this.#takeBack(lease),
    over: () => this.#over(),
  };
  #lease: Lease<C> | undefined;
  #scope: Scope<C> | undefined;
  #cleaning: Promise<void> | undefined;
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
    if (this.#turns.taken) return;
    const lease = this.#lease;
    this.#lease = undefined;
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

  #lend(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    label: string,
  ): () => void {
    const lease = this.#lease;
    if (lease === undefined || lease.lost || lease.released) {
      return this.#lendAnother(lent, refused, label);
    }
    if (!this.#isInDoubt) {
      lent(lease);
      return nothing;
    }
    let cancel: (() => void) | undefined;
    let cancelled = false;
    this.#answers(lease).then((answers) => {
      if (cancelled) return;
      if (answers && !lease.lost && !lease.released) return lent(lease);
      lease.destroy();
      cancel = this.#lendAnother(lent, refused, label);
    });
    return () => {
      cancelled = true;
      cancel?.();
    };
  }

  get #isInDoubt(): boolean {
    const { clock, checkAfterIdleMs } = this.#parts;
    const idleMs = Math.max(clock.now() - this.#usedAt, clock.wallNow() - this.#usedAtWall);
    return idleMs >= checkAfterIdleMs;
  }

  /** Asks the server for a sign of life. Never rejects. */
  async #answers(lease: Lease<C>): Promise<boolean> {
    const { driver, clock, timeoutMs, events } = this.#parts;
    const { connection, epoch } = lease;
    const since = clock.now();
    let ok = true;
    try {
      await withDeadline((signal) => driver.ping(connection, { signal }), {
        clock,
        timeoutMs,
        timeoutError: () => new Error(`no answer within ${timeoutMs} ms`),
      });
    } catch {
      ok = false;
    }
    events.tell("checked", { epoch, purpose: "lend", ok, checkMs: clock.now() - since });
    return ok;
  }

  #lendAnother(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    label: string,
  ): () => void {
    this.#lease?.release();
    this.#lease = undefined;
    return this.#parts.source.lend(
      (lease) => {
        this.#lease = lease;
        lent(lease);
      },
      refused,
      label,
    );
  }

  #takeBack(lease: Lease<C>): void {
    const { driver, clock } = this.#parts;
    this.#usedAt = clock.now();
    this.#usedAtWall = clock.wallNow();
    if (lease.lost || lease.released) return;
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
  }

  #endedError(): ScopeError {
    return new ScopeError(`Cannot use the context "${this.name}" as it has ended`);
  }
}

function nothing(): void {}
