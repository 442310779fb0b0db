/**
 * A scope: a stretch of work that has one connection, taken when it is first needed.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { ConnectionStatus, Driver } from "./driver.ts";
import {
  ConnectionLostError,
  messageOf,
  ScopeError,
  SteadyError,
  TooManyConnectionsError,
} from "./errors.ts";
import type { Lease } from "./lease.ts";
import type { Asker, Holding } from "./nesting.ts";
import { FewSet } from "./few_set.ts";
import type { Events } from "./observer.ts";
import { type AcquireOptions, checkAcquireOptions } from "./options.ts";
import { rollBack } from "./rolling_back.ts";
import { ScopeLine } from "./scope_line.ts";
import { type ScopeHolder, scopeTimeoutError, WaitingPlace } from "./scope_timeout.ts";
import { type ScopeNode, ScopeTurn, type ScopeTurnKind } from "./scope_turn.ts";
import { Visit, type VisitRequest } from "./scope_visit.ts";
import { settle } from "./settle.ts";
import { NamedSite, nameOf, type Site } from "./site.ts";
import type { PoolCounts } from "./stats.ts";

/** Of which nothing is in it; nothing is ever added to it. */
const NONE = new FewSet<never>();

/** Where a scope's connection comes from, and goes to. */
export interface ScopeSource<C> {
  /**
   * Notes where a connection is asked for.
   *
   * @param site The scope's own, for people.
   * @returns What is known; must not keep the scope from being collected.
   */
  note(site: Site): Site;
  /**
   * Lends a connection.
   *
   * @param lent Receives the lease; may be called before `lend` returns.
   * @param refused Receives the error; may be called before `lend` returns.
   * @param site Where it is asked for.
   * @param timeoutMs Deadline of the wait, in milliseconds; the source's own, when not given.
   * @param holding In whose callback it is asked for, if in any.
   * @returns Ends the wait.
   */
  lend(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    site: Site,
    timeoutMs: number | undefined,
    holding: Holding<C> | undefined,
  ): () => void;
  /**
   * Lends a connection that is free, where the source can tell at once.
   *
   * @param site Where it is asked for.
   * @returns The lease, or `undefined`.
   */
  lendAtOnce?(site: Site): Lease<C> | undefined;
  /**
   * Takes it back.
   *
   * @param lease The lease; what is left of a transaction on it is to be rolled back.
   */
  takeBack(lease: Lease<C>): void;
  /** The scope has ended, and nothing of it is under way. */
  over?(): void;
}

/** What scopes of one pool share. */
export interface ScopeParts<C> {
  /** Tells what connections are doing; rolls back. */
  readonly driver: Pick<Driver<C>, "execute" | "status" | "ping">;
  /** Source of timers. */
  readonly clock: Clock;
  /** Tells the time. */
  readonly turn: Pick<Clock, "now">;
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** Deadline of a wait in line, in milliseconds. */
  readonly lineTimeoutMs: number;
  /** Deadline of a rollback, in milliseconds. */
  readonly rollbackTimeoutMs: number;
  /** The pool's counts, for errors. */
  readonly stats: () => PoolCounts;
  /** Tells where the caller stands, if the runtime is known. */
  readonly standing: () => ScopeNode<C> | undefined;
  /** Tells in whose callback the caller asks. */
  readonly asking: () => Asker<C>;
  /** Tells in whose callback a scope that has no connection asks for one; the asker is the caller, when not given. */
  readonly opening: (scope: Scope<C>, asker: Asker<C> | undefined) => Holding<C> | undefined;
  /** Runs a callback such that what it starts stands in a node. */
  readonly run: <R>(scope: Scope<C>, node: ScopeNode<C>, fn: () => R) => R;
  /** Notes where a connection is asked for. */
  readonly note: (label: string | undefined) => Site | undefined;
}

/**
 * A stretch of work that has one connection. The first use takes it from the pool, all that follow find it without asking
 * the pool: single statements in the order written, all else in the order asked for, one at a time; what is started in the
 * callback of a {@linkcode Scope.use} has the connection within it.
 *
 * Its end commits nothing: what is still open is rolled back and told to the observer (`leftOpen`), the connection goes
 * back, and later uses are rejected. It is bound to one physical connection: once that has answered and is lost, later uses
 * are rejected, too.
 *
 * @example Without async-local storage
 * ```ts
 * import { Pool } from "@steady/pool";
 * import { FakeDriver } from "@steady/pool/testing";
 *
 * await using pool = new Pool(new FakeDriver(), { max: 2 });
 * using scope = pool.openScope({ name: "import" });
 * await scope.use((lease) => lease.connection.run("set k v"));
 * console.log(await scope.use((lease) => lease.connection.run("show k"))); // "v"
 * ```
 */
export class Scope<C> implements Disposable, AsyncDisposable {
  // There is one for each request: what few of them need is made when it is needed, and it is its own outermost node.

  readonly #name: string | number;
  #site: Site | undefined;
  /**
   * Whether it ends when nobody keeps it any more.
   *
   * @internal
   */
  endsItself = true;
  readonly #parts: ScopeParts<C>;
  readonly #source: ScopeSource<C>;
  #line: ScopeLine | undefined;
  #lease: Lease<C> | undefined;
  /** Whether anything was answered on the connection: another would not do any more. */
  #bound = false;
  #ended = false;
  /** Whether it has ended and nothing of it is under way. */
  #over = false;
  #holds = 0;
  /** Visits that are in line, or wait for the connection. */
  #waiting: FewSet<Visit<C>> = NONE;
  /** How many visits have, or are about to have, the connection. */
  #served = 0;
  #turns: FewSet<ScopeTurn<C>> = NONE;
  #cancelOpening: (() => void) | undefined;
  #isOpening = false;
  /** Where the connection was asked for that it does not have yet. */
  #askedAt: Site | undefined;

  /**
   * Made by a pool.
   *
   * @internal
   * @param name Its name, or its number.
   * @param parts What all scopes of the pool share.
   * @param source Where its connection comes from.
   */
  constructor(name: string | number, parts: ScopeParts<C>, source: ScopeSource<C>) {
    this.#name = name;
    this.#parts = parts;
    this.#source = source;
  }

  /** Its name, for people. */
  get name(): string {
    return nameOf(this.#name);
  }

  /**
   * What it is called where connections are.
   *
   * @internal
   */
  get site(): Site {
    return this.#site ??= new NamedSite(this.#name);
  }

  /**
   * Whose turn it is in it.
   *
   * @internal
   */
  get line(): ScopeLine {
    return this.#line ??= new ScopeLine();
  }

  /**
   * It stands in nothing.
   *
   * @internal
   */
  get parent(): undefined {
    return undefined;
  }

  /**
   * Whether what is started in it goes to what it stands in.
   *
   * @internal
   */
  get over(): boolean {
    return false;
  }

  /**
   * What may be said against a use of it is not said by the place.
   *
   * @internal
   * @returns Nothing.
   */
  refusal(): undefined {
    return undefined;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether it has no connection: none was needed so far, or it was given back, or given up. */
  get released(): boolean {
    return this.#lease?.released ?? true;
  }

  /** Whether its connection was lost. */
  get lost(): boolean {
    return this.#lease?.lost ?? false;
  }

  /** Number of its physical connection, unique in its pool; 0 while it has none. */
  get epoch(): number {
    const lease = this.#lease;
    return lease === undefined || lease.released ? 0 : lease.epoch;
  }

  /**
   * Lends its connection to `fn` alone, in turn, and takes it back in any case. What `fn` starts in the scope is done
   * within: it does not wait for `fn`.
   *
   * @param fn What to do with it.
   * @param options Signal, deadline and label of the wait.
   * @returns What `fn` returns.
   * @throws {ScopeError} If the scope has ended.
   * @throws What {@linkcode Pool.acquire} throws.
   */
  async use<R>(
    fn: (lease: Lease<C>) => R | PromiseLike<R>,
    options?: AcquireOptions,
  ): Promise<R> {
    const turn = await this.take("callback", options);
    try {
      return await this.runIn(turn, () => settle(fn(turn)));
    } finally {
      turn.release();
    }
  }

  /**
   * Lends its connection alone, in turn. Who holds such a lease and waits for another one of the same scope waits for
   * itself, until the deadline.
   *
   * @param options Signal, deadline and label of the wait.
   * @returns The lease; releasing it passes the connection on within the scope.
   * @throws {ScopeError} If the scope has ended.
   * @throws What {@linkcode Pool.acquire} throws.
   */
  acquire(options?: AcquireOptions): Promise<Lease<C>> {
    return this.take("lease", options);
  }

  /**
   * Lends its connection alone if that can be done without waiting and without opening one.
   *
   * @returns The lease, or `undefined`.
   * @throws {ScopeError} If the scope has ended.
   */
  tryAcquire(): Lease<C> | undefined {
    return this.tryTake();
  }

  /**
   * {@linkcode Scope.tryAcquire}, for who needs to know where that stands.
   *
   * @internal
   * @returns The turn, or `undefined`.
   */
  tryTake(): ScopeTurn<C> | undefined {
    if (this.#ended) throw this.#endedError();
    const lease = this.#lease;
    if (lease === undefined || isGone(lease)) return undefined;
    return this.#takeAtOnce("lease", this.here, undefined);
  }

  /**
   * Takes its connection alone, in turn.
   *
   * @internal
   * @param kind What for.
   * @param options Signal, deadline and label of the wait.
   * @param from Where it is asked for.
   * @returns The turn; has to be released.
   */
  take(
    kind: ScopeTurnKind,
    options?: AcquireOptions,
    from: ScopeNode<C> | undefined = this.#parts.standing(),
  ): Promise<ScopeTurn<C>> {
    if (options !== undefined) {
      try {
        checkAcquireOptions(options);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    const site = this.#parts.note(options?.label);
    const parent = this.nodeOf(from);
    // Most are alone in their scope, and then there need be no visit.
    const turn = options?.signal?.aborted ? undefined : this.#takeAtOnce(kind, parent, site);
    if (turn !== undefined) return Promise.resolve(turn);
    return new Promise((resolve, reject) => {
      let place: WaitingPlace | undefined;
      const visit = this.enter({
        alone: true,
        signal: options?.signal,
        timeoutMs: options?.timeoutMs,
        label: options?.label,
        served: (lease, { beganInside }) => {
          resolve(this.#newTurn(kind, lease, parent, site, beganInside));
        },
        refused: (error) => reject(place === undefined ? error : place.show(error)),
      }, parent);
      if (visit.state === "in line") place = new WaitingPlace();
    });
  }

  /** Takes its connection alone, if that needs no waiting for anything. */
  #takeAtOnce(
    kind: ScopeTurnKind,
    node: ScopeNode<C>,
    site: Site | undefined,
  ): ScopeTurn<C> | undefined {
    const { line } = node;
    if (this.#ended || node.refusal() !== undefined || !line.tryEnter(true)) return undefined;
    const lease = this.#leaseAtOnce();
    if (lease === undefined) {
      line.leave(true);
      return undefined;
    }
    this.#served++;
    return this.#newTurn(kind, lease, node, site, node === this && this.#isInTransaction(lease));
  }

  /** Where it asks for a connection: noted once for each, as stacks are taken now and then only. */
  get #asksAt(): Site {
    return this.#askedAt ??= this.#source.note(this.site);
  }

  /** Its connection, or one from the pool if one is free and it needs one. */
  #leaseAtOnce(): Lease<C> | undefined {
    const present = this.#lease;
    if (present !== undefined) return isGone(present) ? undefined : present;
    if (this.#isOpening) return undefined;
    const lease = this.#source.lendAtOnce?.(this.#asksAt);
    if (lease === undefined) return undefined;
    this.#askedAt = undefined;
    this.#bound = false;
    return this.#lease = lease;
  }

  /**
   * Runs a callback such that what it starts in this scope stands in a node.
   *
   * @internal
   * @param node Where; the scope itself, when not given.
   * @param fn The callback.
   * @returns What it returns.
   */
  runIn<R>(node: ScopeNode<C> | undefined, fn: () => R): R {
    return this.#parts.run(this, node ?? this, fn);
  }

  /**
   * Where the caller stands in it.
   *
   * @internal
   */
  get here(): ScopeNode<C> {
    return this.nodeOf(this.#parts.standing());
  }

  /**
   * Whether anything was answered on its connection: another would not do any more.
   *
   * @internal
   */
  get bound(): boolean {
    return this.#bound;
  }

  /**
   * Finds where something stands that is started in a node: there, or where that has gone over into.
   *
   * @internal
   * @param node Of this scope or not.
   * @returns One of this scope; the outermost for one of another.
   */
  nodeOf(node: ScopeNode<C> | undefined): ScopeNode<C> {
    let within = node;
    while (within !== undefined && within.over && within.refusal() === undefined) {
      within = within.parent;
    }
    let outermost = within;
    while (outermost?.parent !== undefined) outermost = outermost.parent;
    return within !== undefined && outermost === this ? within : this;
  }

  /**
   * Asks for the connection.
   *
   * @internal
   * @param request What wants it.
   * @param node Where it is asked for; one of this scope.
   * @returns The visit, to be left when it is over.
   */
  enter(request: VisitRequest<C>, node: ScopeNode<C>): Visit<C> {
    const { line } = node;
    const visit = new Visit<C>(this, request, line, node === this);
    const refusal = this.#ended ? this.#endedError() : node.refusal();
    if (refusal !== undefined || request.signal?.aborted) {
      visit.state = "over";
      request.refused(refusal ?? request.signal?.reason);
    } else if (line.tryEnter(request.alone)) this.entered(visit);
    else if (request.timeoutMs === 0) {
      visit.state = "over";
      request.refused(this.timeoutError(0));
    } else {
      this.#waits(visit);
      // Its turn may come in the callback of somebody else.
      visit.asker = this.#parts.asking();
      visit.waits(this.#parts.lineTimeoutMs);
      line.wait(visit);
    }
    return visit;
  }

  /**
   * Keeps it from ending by itself.
   *
   * @internal
   * @returns Lets it go; it ends when nobody keeps it any more, unless that is for who opened it to say. Idempotent.
   */
  hold(): () => void {
    this.keep();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.letGo();
    };
  }

  /**
   * Keeps it from ending by itself, until it is let go once for each time it was kept.
   *
   * @internal
   */
  keep(): void {
    this.#holds++;
  }

  /**
   * Ends it when nobody keeps it any more, unless that is for who opened it to say.
   *
   * @internal
   */
  letGo(): void {
    if (--this.#holds === 0 && this.endsItself) this.end();
  }

  /**
   * Ends it: rolls back and reports what is still open, gives the connection back as soon as statements that were begun
   * before are over, a cursor or a stream that is still read included. Later uses are rejected. Idempotent.
   */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#waiting.size === 0 && this.#turns.size === 0) return this.#look();
    for (const visit of [...this.#waiting]) {
      if (!(visit.outlasts && visit.isOutermost)) visit.refuse(this.#endedError());
    }
    // The innermost first: what they stand in ends with all that is in it.
    for (const turn of [...this.#turns].reverse()) {
      if (turn.over) continue;
      this.#tellLeftOpen(turn.kind, turn.since, turn.site);
      turn.abandon(this.#endedError());
    }
    this.#look();
  }

  /** {@inheritDoc Scope.end} */
  [Symbol.dispose](): void {
    this.end();
  }

  /** {@inheritDoc Scope.end} */
  [Symbol.asyncDispose](): Promise<void> {
    this.end();
    return Promise.resolve();
  }

  #newTurn(
    kind: ScopeTurnKind,
    lease: Lease<C>,
    parent: ScopeNode<C>,
    site: Site | undefined,
    beganInside: boolean,
  ): ScopeTurn<C> {
    const since = this.#parts.turn.now();
    const turn = new ScopeTurn<C>({ kind, lease, parent, since, site, beganInside, home: this });
    if (this.#turns === NONE) this.#turns = new FewSet();
    this.#turns.add(turn);
    return turn;
  }

  /**
   * A turn ends, and with it all that was started in it and has not ended.
   *
   * @internal
   * @param ending Which.
   * @param beganInside Whether a transaction by hand was open when it began.
   */
  ending(ending: ScopeTurn<C>, beganInside: boolean): void {
    this.#turns.delete(ending);
    if (this.#turns.size > 0 || this.#waiting.size > 0) this.#endWithin(ending);
    this.#leave(ending.parent.line, true, beganInside);
  }

  #endWithin(ending: ScopeTurn<C>): void {
    const within = [...this.#turns].filter((turn) => turn.isWithin(ending));
    // Before any is released: who waits for it would come to its turn.
    const lines = new Set([ending, ...within].map(({ line }) => line));
    for (const visit of [...this.#waiting]) {
      if (lines.has(visit.line)) visit.refuse(ending.refusal() ?? new ScopeError(ENDED_TURN));
    }
    for (const turn of within) turn.outlive();
  }

  // Visits

  /**
   * Source of timers of its visits.
   *
   * @internal
   */
  get clock(): Clock {
    return this.#parts.clock;
  }

  /**
   * It is a visit's turn.
   *
   * @internal
   * @param visit Which.
   */
  entered(visit: Visit<C>): void {
    this.#served++;
    const lease = this.#lease;
    if (lease !== undefined && !isGone(lease)) return this.#start(visit, lease);
    visit.state = "opening";
    if (lease !== undefined) {
      if (this.#bound || !visit.isOutermost) return visit.refuse(this.#lostError());
      this.#lease = undefined;
      lease.release();
    }
    const free = this.#leaseAtOnce();
    if (free !== undefined) return this.#start(visit, free);
    if (!this.#isOpening && this.#openAtOnce(visit)) return;
    this.#waits(visit);
    visit.waitsForConnection();
  }

  #waits(visit: Visit<C>): void {
    if (this.#waiting === NONE) this.#waiting = new FewSet();
    this.#waiting.add(visit);
  }

  #start(visit: Visit<C>, lease: Lease<C>): void {
    this.#waiting.delete(visit);
    if (visit.alone && visit.isOutermost) visit.beganInside = this.#isInTransaction(lease);
    visit.start(lease);
  }

  #isInTransaction(lease: Lease<C>): boolean {
    return isOpen(this.#parts.driver.status(lease.connection));
  }

  /**
   * Asks for a connection.
   *
   * @param first Who wants it; nobody else waits for it.
   * @returns Whether that is served, or refused, by now.
   */
  #openAtOnce(first: Visit<C>): boolean {
    this.#isOpening = true;
    let atOnce = true;
    // Not by what the scope says: who comes next may be opening one by then.
    let isAnswered = false;
    const cancel = this.#source.lend(
      (lease) => {
        isAnswered = true;
        this.#opened();
        this.#lease = lease;
        this.#bound = false;
        if (atOnce) return this.#start(first, lease);
        const only = this.#waiting.only;
        // Most scopes have but one use under way.
        if (only?.state === "opening") this.#start(only, lease);
        else for (const visit of this.#waitingForConnection()) this.#start(visit, lease);
      },
      (error) => {
        isAnswered = true;
        this.#opened();
        if (atOnce) return first.refuse(error);
        this.#waitingForConnection().forEach((visit, index) => {
          visit.refuse(index === 0 ? error : another(error));
        });
      },
      this.#asksAt,
      first.patienceMs(this.#parts.lineTimeoutMs),
      this.#parts.opening(this, first.asker),
    );
    atOnce = false;
    if (isAnswered) return true;
    this.#cancelOpening = cancel;
    return false;
  }

  #opened(): void {
    this.#isOpening = false;
    this.#cancelOpening = this.#askedAt = undefined;
  }

  #waitingForConnection(): Visit<C>[] {
    return [...this.#waiting].filter(({ state }) => state === "opening");
  }

  /**
   * A visit waits no more.
   *
   * @internal
   * @param visit Which.
   */
  gaveUp(visit: Visit<C>): void {
    this.#waiting.delete(visit);
    if (visit.state === "in line") {
      visit.line.giveUp(visit);
      return this.#look();
    }
    if (this.#isOpening && this.#waitingForConnection().length === 0) {
      this.#cancelOpening?.();
      this.#opened();
    }
    this.#passOn(visit.line, visit.alone);
  }

  /**
   * A visit that had the connection is over.
   *
   * @internal
   * @param visit Which.
   */
  left({ line, alone, beganInside }: Visit<C>): void {
    this.#leave(line, alone, beganInside);
  }

  /** What had the connection is over. */
  #leave(line: ScopeLine, alone: boolean, beganInside: boolean): void {
    const lease = this.#lease;
    // Within a transaction nothing is in force before its end.
    if (line === this.line && lease !== undefined && !isGone(lease)) {
      this.#bound = true;
      if (alone && !beganInside) {
        const { driver, clock, rollbackTimeoutMs: timeoutMs } = this.#parts;
        const status = driver.status(lease.connection);
        if (status === "busy" || isOpen(status)) {
          // Nobody of the scope is to find himself in the middle of it.
          const parts = { driver, clock, timeoutMs };
          return void rollBack(parts, lease).then(() => this.#passOn(line, alone));
        }
      }
    }
    this.#passOn(line, alone);
  }

  #passOn(line: ScopeLine, alone: boolean): void {
    line.leave(alone);
    this.#served--;
    this.#look();
  }

  /** Gives the connection back when it has ended and nothing of it is under way. */
  #look(): void {
    if (this.#ended && this.#served === 0 && this.#waiting.size === 0) this.#giveBack();
  }

  #giveBack(): void {
    if (this.#over) return;
    this.#over = true;
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease !== undefined) {
      if (!isGone(lease) && isOpen(this.#parts.driver.status(lease.connection))) {
        this.#tellLeftOpen("transaction", undefined, undefined, lease);
      }
      this.#source.takeBack(lease);
    }
    this.#source.over?.();
  }

  // Words

  #tellLeftOpen(
    kind: ScopeTurnKind,
    since: number | undefined,
    site: Site | undefined,
    lease = this.#lease,
  ): void {
    this.#parts.events.tell("leftOpen", {
      scope: this.name,
      kind,
      // What has it may have given it up.
      epoch: lease === undefined || lease.released ? 0 : lease.epoch,
      heldMs: since === undefined ? undefined : this.#parts.turn.now() - since,
      label: site?.label,
      stack: site?.stack,
    });
  }

  #endedError(): ScopeError {
    return new ScopeError(
      `Cannot use the scope "${this.name}" as it has ended: await what uses it before its function returns, or run what ` +
        "goes on after it in a scope of its own",
    );
  }

  #lostError(): ConnectionLostError {
    return new ConnectionLostError(
      `Cannot use the scope "${this.name}" any more as its connection was lost, or given up`,
      { outcome: "not-applied", retryable: false },
    );
  }

  /**
   * Makes the error of a visit that waited for too long.
   *
   * @internal
   * @param timeoutMs For how long, in milliseconds; 0 if it must not wait.
   * @param label What the visitor calls itself.
   * @returns The error.
   */
  timeoutError(timeoutMs: number, label?: string): Error {
    if (timeoutMs === 0) return new TooManyConnectionsError(this.#parts.stats());
    const holders = [...this.#turns].map((turn) => this.#holderOf(turn));
    return scopeTimeoutError(this.name, timeoutMs, this.#parts.stats(), holders, label);
  }

  #holderOf({ kind, since, site }: ScopeTurn<C>): ScopeHolder {
    const heldMs = this.#parts.turn.now() - since;
    return { kind, epoch: this.epoch, heldMs, label: site?.label, stack: site?.stack };
  }
}

const ENDED_TURN = "Cannot use the connection within a callback that has ended: await what uses it";

function isGone<C>(lease: Lease<C>): boolean {
  return lease.lost || lease.released;
}

function isOpen(status: ConnectionStatus): boolean {
  return status === "in transaction" || status === "failed";
}

/** Each of several who waited for the same gets an error of its own. */
function another(error: unknown): unknown {
  if (!(error instanceof SteadyError)) return error;
  const { code, outcome, retryable } = error;
  return new SteadyError(code, messageOf(error), { outcome, retryable, cause: error });
}
