/**
 * The pool: its public face, and how its parts work together.
 *
 * Each part does its one thing and is told of no more than it needs. All changes of the books are synchronous and made
 * before any wait; input and output happen on slots that already have a state, and whatever a wait brings is judged anew
 * by that state.
 *
 * @module
 */

import { Bag } from "./bag.ts";
import { Checking } from "./checking.ts";
import { cleaningNeeded } from "./cleaning.ts";
import { Closing } from "./closing.ts";
import { Commons } from "./commons.ts";
import { Demand } from "./demand.ts";
import type { Driver } from "./driver.ts";
import { PoolClosedError } from "./errors.ts";
import { Exchange } from "./exchange.ts";
import { Expiry } from "./expiry.ts";
import { Generations, scopeOfFailure } from "./generations.ts";
import { type ConnectionInfo, inspect, inspectSlot } from "./inspection.ts";
import { Keeping } from "./keeping.ts";
import type { Lease } from "./lease.ts";
import { engineRegistry, LeaseWatch } from "./lease_watch.ts";
import { Lending } from "./lending.ts";
import { Losses } from "./losses.ts";
import { Maintenance } from "./maintenance.ts";
import { Multiplexer } from "./multiplexer.ts";
import { type CloseReason, Events } from "./observer.ts";
import { type Holding, Nesting } from "./nesting.ts";
import { Opening } from "./opening.ts";
import {
  type AcquireOptions,
  checkAcquireOptions,
  checkReadyOptions,
  type CloseOptions,
  type PoolOptions,
  type PoolReadyOptions,
  resolveCloseTimeout,
  type ResolvedPoolOptions,
  resolvePoolOptions,
} from "./options.ts";
import { Outage } from "./outage.ts";
import { Patience } from "./patience.ts";
import type { PersistentContext } from "./persistent_context.ts";
import { Readiness } from "./readiness.ts";
import { Refusal } from "./refusal.ts";
import { tellRefused } from "./refusal_reason.ts";
import { enter, leave, type ManagedPool } from "./registry.ts";
import { Removal } from "./removal.ts";
import { Returning } from "./returning.ts";
import { inNoContext } from "./root_options.ts";
import type { ContextVariable } from "./runtime.ts";
import type { Scope } from "./scope.ts";
import type { OpenScopeOptions, ScopedOptions, ScopeOptions } from "./scope_options.ts";
import { Scopes } from "./scopes.ts";
import { ServiceRate } from "./service_rate.ts";
import { ShareWatch } from "./share_watch.ts";
import { PoolSharedLease, type SharedLease } from "./shared_lease.ts";
import { mostConnections } from "./sharing.ts";
import { type Site, Sites } from "./site.ts";
import { Shrinking, Sizing } from "./sizing.ts";
import type { Slot } from "./slot.ts";
import { SlowStart } from "./slow_start.ts";
import type { PoolCounts, PoolStats } from "./stats.ts";
import { Stock } from "./stock.ts";
import { Suspension } from "./suspension.ts";
import { Trust } from "./trust.ts";
import { TurnClock } from "./turn_clock.ts";
import { Usage } from "./usage.ts";
import { checkBoolean, checkFunction } from "./validate.ts";
import { Waiter } from "./waiter.ts";
import { WaiterQueue } from "./waiter_queue.ts";
import { Waiting } from "./waiting.ts";
import {
  FOR_MANY,
  FOR_ONE,
  FOR_STATEMENT,
  PROMISED,
  PROMISED_TO_ONE,
  READER_FOR_MANY,
  READER_FOR_ONE,
  type Wish,
  type Wishes,
} from "./wish.ts";

/** Deadline of a wait for a scope's own connection in a pool that never queues, in milliseconds. */
const LINE_TIMEOUT_MS = 10_000;
/** A connection that is lost so soon after it became idle is a setback, in milliseconds. */
const SHORT_LIVED_MS = 1_000;

/**
 * A bounded set of connections, lent one borrower at a time.
 *
 * Waiters are served in the order they came, idle connections in the reverse order of their use. Connects belong to the
 * pool: who leaves early wastes nothing, and a connection that is given back serves the waiter a connect was started
 * for. What cannot be trusted any more (busy, unknown, not to be cleaned) is closed, never lent again; what has been idle
 * for a while, or is older than a loss, is checked before it is lent.
 *
 * @example Ten lines
 * ```ts
 * import { Pool } from "@steady/pool";
 * import { FakeDriver } from "@steady/pool/testing";
 *
 * await using pool = new Pool(new FakeDriver(), { max: 10, acquireTimeoutMs: 2_000 });
 * const answer = await pool.use((lease) => lease.connection.run("select 1"));
 * console.log(answer, pool.stats());
 * ```
 */
export class Pool<C> implements ManagedPool, AsyncDisposable {
  readonly #options: ResolvedPoolOptions<C>;
  #name: string;
  /** What a single statement wants, and who shares. */
  readonly #forStatement: Wishes;
  readonly #forShared: Wishes;
  readonly #commons: Commons<C>;
  /** Makes room where some connections are read-only. */
  readonly #exchange: Exchange<C> | undefined;
  readonly #sizes: Sizing;
  readonly #suspension = new Suspension();
  readonly #bag = new Bag<C>();
  readonly #driver: Driver<C>;
  readonly #events: Events;
  /** Notes where connections are asked for, if leaks are looked for. */
  readonly #sites: Sites | undefined;
  /** Finds acquires that wait for each other, where the runtime is known. */
  readonly #nesting: Nesting<C> | undefined;
  /** Tells in whose callback, and in which scope, the caller runs, where the runtime is known. */
  readonly #current: ContextVariable<Holding<C>> | undefined;
  /** Made with the first scope: a pool without any asks for none. */
  #scopes: Scopes<C> | undefined;
  readonly #usage = new Usage<C>(this.#bag);
  readonly #queue: WaiterQueue<C>;
  readonly #generations: Generations;
  readonly #turn: TurnClock;
  readonly #outage: Outage;
  readonly #slowStart: SlowStart;
  readonly #multiplexer: Multiplexer<C> | undefined;
  readonly #rate: ServiceRate | undefined;
  readonly #trust: Trust<C>;
  readonly #removal: Removal<C>;
  readonly #closing: Closing<C>;
  readonly #losses: Losses<C>;
  readonly #waiting: Waiting<C>;
  readonly #refusal: Refusal<C>;
  readonly #lending: Lending<C>;
  #returning: Returning<C> | undefined;
  readonly #checking: Checking<C>;
  readonly #opening: Opening<C>;
  readonly #shrinking: Shrinking<C>;
  readonly #maintenance: Maintenance<C>;
  readonly #readiness: Readiness<C>;
  readonly #stock: Stock<C>;
  readonly #watch: LeaseWatch<C>;
  /** Ends the waits of who could share, where connections are shared. */
  readonly #patience: Patience<C> | undefined;

  /**
   * Makes a pool; nothing is opened before the first acquire, but for what `minIdle` says, in the background.
   *
   * @param driver Opens, watches and closes the connections.
   * @param options Limits and deadlines.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   */
  constructor(driver: Driver<C>, options?: PoolOptions<NoInfer<C>>) {
    const resolved = this.#options = inNoContext<C, ResolvedPoolOptions<C>>(
      resolvePoolOptions<C>(options, mostConnections(driver)),
    );
    const { clock, context, acquireTimeoutMs, maxWaiters, maxUses, reset } = resolved;
    const root = context === undefined ? undefined : (fn: () => void): void => context.root(fn);
    this.#acquireTimeoutMs = acquireTimeoutMs;
    this.#alwaysQueues = acquireTimeoutMs !== 0 && maxWaiters === Infinity &&
      resolved.unavailable === "wait" && resolved.lateWaiters === "queue";
    const canShare = driver.sharing === "multiplex";
    const packs = resolved.multiplex === "auto" && canShare;
    const shares = resolved.maxShared > 0 && canShare;
    const hasReaders = driver.readers === true;
    this.#forStatement = packs ? FOR_STATEMENT : FOR_ONE;
    this.#forShared = shares
      ? hasReaders ? READER_FOR_MANY : FOR_MANY
      : hasReaders
      ? READER_FOR_ONE
      : FOR_ONE;
    const sizes = this.#sizes = new Sizing(resolved, mostConnections(driver));
    const suspension = this.#suspension;
    const multiplexer = this.#multiplexer = packs
      ? new Multiplexer(driver, clock, resolved)
      : undefined;
    const countsUses = maxUses !== Infinity;
    const stats = (): PoolCounts => this.#counts();
    const usage = this.#usage;
    const freed = (): void => this.#freed();
    const grow = (): void => this.#grow();
    const isLendable = (slot: Slot<C>): boolean => this.#losses.isLendable(slot);
    const close = (slot: Slot<C>, reason?: CloseReason): void => this.#removal.close(slot, reason);
    const answered = (slot: Slot<C>, doubts: number): void => this.#answered(slot, doubts);

    // What time and trouble tell.
    this.#driver = driver;
    const turn = this.#turn = new TurnClock(clock, (gapMs) => {
      generations.doubt();
      this.#maintenance.slept(gapMs);
    }, () => watch.pace());
    this.#name = enter(this, resolved.name);
    const events = this.#events = new Events(resolved.observer, this, turn, root);
    const generations = this.#generations = new Generations(clock, events);
    const slowStart = this.#slowStart = new SlowStart(sizes);
    const outage = this.#outage = new Outage(clock, acquireTimeoutMs, grow, events);
    const trust = this.#trust = new Trust<C>(turn, generations, outage, {
      checkAfterIdleMs: resolved.checkAfterIdleMs,
      idleTimeoutMs: resolved.idleTimeoutMs,
      looksTwice: countsUses || cleaningNeeded(reset, "idle", false) !== "none",
    });

    // Who waits.
    const bag = this.#bag;
    const queue = this.#queue = new WaiterQueue<C>(clock, () => expiry.run());
    const emptied = (): void => this.#emptied();
    // Who shares may be served without anybody giving back.
    const advanced = (): void => this.#lending.serveShared();
    const setsUp = resolved.session !== undefined;
    const expiry = new Expiry<C>({
      clock,
      queue,
      bag,
      setsUp,
      suspension,
      outage,
      stats,
      events,
      emptied,
      advanced,
    });
    this.#waiting = new Waiting<C>(turn, queue, events, emptied, advanced);
    const readiness = this.#readiness = new Readiness<C>({
      clock,
      sizes,
      bag,
      isLendable,
      timeoutError: (timeoutMs) => expiry.error(timeoutMs),
      emptied,
    });
    const commons = this.#commons = new Commons<C>({
      driver,
      maxShared: resolved.maxShared,
      checkTimeoutMs: resolved.checkTimeoutMs,
      clock: turn,
      trust,
      outage,
      generations,
      events,
      changed: grow,
      adopted: (slot, ok) => {
        if (!ok) return this.#losses.unanswered(slot);
        generations.answered();
        this.#returning?.takeBackAsked(slot);
      },
    });
    const patience = this.#patience = shares
      ? new Patience<C>({
        clock: turn,
        sizes,
        bag,
        lastConnectMs: () => usage.lastConnectMs,
        over: grow,
      })
      : undefined;
    const demand = new Demand<C>({ sizes, suspension, bag, queue, commons, patience });
    const rate = this.#rate = resolved.lateWaiters === "refuse" ? new ServiceRate(turn) : undefined;
    this.#refusal = new Refusal<C>({
      options: resolved,
      sizes,
      suspension,
      bag,
      queue,
      commons,
      rate,
      readiness,
      outage,
      isLendable,
      room: () => this.#opening.room,
      leave: (waiter) => this.#waiting.leave(waiter),
      events,
      stats,
    });

    // How connections leave.
    const removal = this.#removal = new Removal<C>({
      clock: turn,
      bag,
      shared: multiplexer,
      usage,
      commons,
      events,
      freed,
    });
    const life = this.#closing = new Closing<C>({
      clock,
      bag,
      queue,
      removal,
      events,
      stop: () => this.#stop(),
      closed: () => {
        watch.stop();
        turn.stop();
        leave(this);
      },
      opened: () => this.#begin(),
    });
    this.#shrinking = new Shrinking<C>({ sizes, bag, removal });
    this.#losses = new Losses<C>({
      driver,
      life,
      bag,
      generations,
      slowStart,
      removal,
      events,
      ended: () => this.#scopes?.reconsider(),
      freed,
    });

    // How they are kept.
    const maintenance = this.#maintenance = new Maintenance<C>({
      clock: turn,
      options: resolved,
      sizes,
      life,
      bag,
      trust,
      outage,
      room: () => this.#opening.room,
      replace: (slot) => this.#opening.replace(slot.reader),
      close,
      check: (slot) => this.#checking.check(slot, "keepalive"),
      closed: grow,
    });
    const stock = this.#stock = new Stock<C>({ clock, sizes, bag, demand, retry: grow });

    // How they are lent and come back.
    const shareWatch = new ShareWatch<C>({
      clock: turn,
      leakAfterMs: resolved.leakAfterMs,
      driver,
      events,
      registry: engineRegistry,
      wake: () => {
        if (!watch.isOn) watch.begin();
      },
    });
    const watch = this.#watch = new LeaseWatch<C>({
      clock: turn,
      leakAfterMs: resolved.leakAfterMs,
      driver,
      bag,
      events,
      leases: () => usage.acquires,
      looked: (now) => usage.look(now, events.counters.inVain, queue.size),
      shares: shareWatch,
      forgotten: (slot) => removal.destroy(slot, "collected"),
      registry: engineRegistry,
    });
    this.#sites = resolved.leakAfterMs === Infinity ? undefined : new Sites(turn, clock);
    const current = this.#current = context?.contextVariable<Holding<C>>();
    this.#nesting = current && new Nesting<C>({ current, turn, clock, bag, sizes, queue });
    this.#isPlain = context === undefined && !hasReaders && !events.on && this.#sites === undefined;
    const lending = this.#lending = new Lending<C>({
      sizes,
      countsUses,
      life,
      suspension,
      bag,
      queue,
      demand: resolved.reserved > 0 ? demand : undefined,
      kinds: hasReaders ? demand : undefined,
      commons,
      mayCome: (reader, waiter) => {
        const { top, readerTop, counts, total } = bag;
        if (patience?.isOver(reader, waiter) === true) return false;
        if (bag.checking(reader) > 0 || (reader ? readerTop : top) !== undefined) return true;
        // What is being opened fails as the last did, for all that is known. Those of the other kind can make room.
        return !outage.on &&
          (bag.coming(reader) > 0 || total < sizes.max || counts.closing > 0 || top !== undefined ||
            readerTop !== undefined);
      },
      rate,
      trust,
      turn,
      multiplexer,
      home: (lending) =>
        this.#returning = new Returning<C>({
          driver,
          options: resolved,
          clock: turn,
          bag,
          trust,
          generations,
          removal,
          lending,
          usage,
          events,
          isLendable: (slot) => this.#isKept(slot),
          answered,
          left: resolved.reserved > 0 ? grow : noop,
          replaceLater: (reader) => this.#opening.replaceLater(reader),
        }),
      maintenance,
      close,
      watch,
      shares: shareWatch,
      usage,
      events,
      low: () => this.#opening.grow(),
      replaceLater: (reader) => this.#opening.replaceLater(reader),
      emptied,
      wanted: grow,
    });

    this.#exchange = hasReaders
      ? new Exchange<C>({ life, bag, demand, commons, removal })
      : undefined;

    // How they come, and come again.
    this.#checking = new Checking<C>({
      checkTimeoutMs: resolved.checkTimeoutMs,
      clock: turn,
      life,
      bag,
      demand,
      lending,
      generations,
      events,
      answered,
      unanswered: (slot) => this.#losses.unanswered(slot),
    });
    this.#opening = new Opening<C>({
      driver,
      options: resolved,
      clock: turn,
      root,
      sizes,
      life,
      bag,
      demand,
      stock,
      readiness,
      generations,
      outage,
      slowStart,
      removal,
      usage,
      events,
      home: {
        opened: (slot) => {
          // First: where nothing is kept idle it is closed at once.
          readiness.changed();
          this.#answered(slot, generations.doubts);
          maintenance.look();
          this.#grow();
        },
        rejected: (slot, error) => {
          stock.failed(error);
          this.#refusal.rejected(error, slot.reader);
        },
        failed: (slot, error) => {
          this.#losses.note(slot, scopeOfFailure(driver, error));
          this.#refusal.failed(error);
        },
        lost: (slot, cause) => {
          // Else a server that ends what nobody uses would be connected to without a pause.
          const isShortLived = slot.state === "idle" && turn.now() - slot.usedAt < SHORT_LIVED_MS;
          if (isShortLived) stock.failed(cause);
          this.#losses.lost(slot, cause);
        },
        freed,
      },
    });
    // Not before who makes the pool has had the chance to close it.
    if (sizes.minIdle > 0) queueMicrotask(grow);
  }

  /** The pool's name, unique among those of this process that are not closed. */
  get name(): string {
    return this.#name;
  }

  /**
   * Lends a connection: an idle one at once, else as soon as one is given back, checked or opened.
   *
   * @param options Signal, deadline and priority of this acquire.
   * @returns The lease; the borrower must release it.
   * @throws {AcquireTimeoutError} If the deadline passed.
   * @throws {TooManyConnectionsError} If none is free and the timeout is 0.
   * @throws {TooManyWaitersError} If the queue is full.
   * @throws {ConnectError} If the server refuses the pool for good, if the session's set-up failed, or, with
   * `unavailable: "fail-fast"`, if the server cannot be had.
   * @throws {PoolClosedError} If the pool is closed or closing.
   */
  acquire(options?: AcquireOptions): Promise<Lease<C>> {
    if (this.#scopes !== undefined) {
      const scope = this.#scopes.current;
      if (scope !== undefined) return scope.acquire(options);
    }
    const site = this.#sites === undefined ? undefined : this.#sites.note(options?.label);
    if (options === undefined) {
      const lease = this.#lending.lendIdle(site);
      if (lease !== undefined) return Promise.resolve(lease);
      if (this.#alwaysQueues && this.#closing.isOpen) {
        if (!this.#isPlain) this.#site = site;
        return new Promise(this.#queueUp);
      }
    }
    const promise = new Promise<Lease<C>>(this.#executor);
    const lent = this.#lent;
    const refused = this.#refused;
    // Kept, they would keep the lease from being collected.
    this.#lent = this.#refused = noop;
    this.#lend(lent, refused, options, PROMISED_TO_ONE, site);
    return promise;
  }

  /**
   * Lends a connection together with others, for single statements: `maxShared` connections at most are shared so. As long
   * as there are fewer, one more is, idle or newly opened; then, or when opening takes too long, the one with the fewest
   * leases, never one that is in a transaction, in doubt, or to be replaced. Where nothing can be shared it is a lease of
   * its own, as `stats().sharing` and the lease's `shared` tell.
   *
   * Who waits for such a lease and who waits for another are served in the order they came; but who waits until a shared
   * connection in doubt has answered holds up nobody who wants another.
   *
   * @param options Signal, deadline and priority of this acquire.
   * @returns The lease; the borrower must release it.
   * @throws What {@linkcode Pool.acquire} throws.
   */
  async acquireShared(options?: AcquireOptions): Promise<SharedLease<C>> {
    const wishes = this.#forShared;
    const lease = await new Promise<Lease<C>>((lent, refused) => {
      this.#lend(lent, refused, options, wishes);
    });
    return new PoolSharedLease(lease, wishes.normal.use === "shared");
  }

  readonly #acquireTimeoutMs: number;
  /** Whether nothing can be said against one more waiter. */
  readonly #alwaysQueues: boolean;
  /** Whether nobody but the queue has to know of one. */
  readonly #isPlain: boolean;
  readonly #queueUp = (
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
  ): void => {
    const timeoutMs = this.#acquireTimeoutMs;
    if (!this.#isPlain) {
      const site = this.#site;
      this.#site = undefined;
      this.#enqueue(lent, refused, timeoutMs, undefined, PROMISED, site);
      return;
    }
    // What that does for most pools, in fewer steps: each shows where a thousand wait at a time.
    const now = this.#turn.now();
    this.#queue.append(
      new Waiter<C>(lent, refused, timeoutMs, now + timeoutMs, PROMISED, now, undefined),
    );
    const bag = this.#bag;
    if (bag.total < this.#sizes.max || bag.counts.idle > 0) this.#grow();
  };

  // One executor for all promises: a closure for each waiter of a hundred thousand would be memory for nothing.
  /** Where the acquire that is about to wait was made, if that is known. */
  #site: Site | undefined;
  #lent: (lease: Lease<C>) => void = noop;
  #refused: (error: unknown) => void = noop;
  readonly #executor = (
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
  ): void => {
    this.#lent = lent;
    this.#refused = refused;
  };

  /**
   * Lends an idle connection that needs no check, or none; never waits, opens nothing.
   *
   * @returns The lease, or `undefined`.
   * @throws {PoolClosedError} If the pool is closed or closing.
   */
  tryAcquire(): Lease<C> | undefined {
    if (!this.#closing.isOpen) throw new PoolClosedError();
    const scope = this.#scopes?.current;
    if (scope !== undefined) return scope.tryAcquire();
    return this.#lending.lendIdle(this.#sites?.note(undefined));
  }

  /**
   * {@linkcode Pool.acquire} with callbacks instead of a promise, for drivers' front ends: no turn of the event loop
   * comes between a connection that is free and its next borrower.
   *
   * @param lent Receives the lease; may be called before `lend` returns. Must not throw.
   * @param refused Receives the error; may be called before `lend` returns. Must not throw.
   * @param options Signal, deadline and priority of this acquire.
   * @returns Ends the wait: no callback is called any more. Does nothing once one was.
   */
  lend(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    options?: AcquireOptions,
  ): () => void {
    const waiter = this.#lend(lent, refused, options, FOR_ONE);
    return waiter === undefined ? noop : () => this.#waiting.giveUp(waiter);
  }

  /**
   * {@linkcode Pool.lend} for one single statement outside of any transaction, which may be sent behind those of others:
   * the connection is shared while statements are short, as `multiplex` says. Such a lease must neither be destroyed nor
   * used for anything but that statement, and has to be released as soon as it is over.
   *
   * @param lent Receives the lease; may be called before `share` returns. Must not throw.
   * @param refused Receives the error; may be called before `share` returns. Must not throw.
   * @param options Signal, deadline and priority of this acquire.
   * @returns Ends the wait: no callback is called any more. Does nothing once one was.
   */
  share(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    options?: AcquireOptions,
  ): () => void {
    const waiter = this.#lend(lent, refused, options, this.#forStatement);
    return waiter === undefined ? noop : () => this.#waiting.giveUp(waiter);
  }

  /** Lends, refuses, or queues; only then there is a waiter. */
  #lend(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    options: AcquireOptions | undefined,
    wishes: Wishes,
    noted: Site | undefined = this.#siteOf(options?.label),
  ): Waiter<C> | undefined {
    let timeoutMs = this.#options.acquireTimeoutMs;
    let signal: AbortSignal | undefined;
    let label: string | undefined;
    let wish = wishes.normal;
    if (options !== undefined) {
      try {
        checkAcquireOptions(options);
      } catch (error) {
        return void refused(error);
      }
      timeoutMs = options.timeoutMs ?? timeoutMs;
      signal = options.signal ?? undefined;
      if (options.priority === "high") wish = wishes.high;
      label = options.label;
      if (signal?.aborted) return void refused(signal.reason);
    }
    const site = noted ?? (label === undefined ? undefined : { label, stack: undefined });
    if (!this.#closing.isOpen) return this.#refuse(refused, new PoolClosedError(), site);
    const lease = this.#lending.lend(wish, site);
    if (lease !== undefined) {
      lent(lease);
      // Who waits to share may have it, too, though not a connection of the reserved ones.
      if (wish.use === "shared" && this.#queue.size > 0) this.#lending.serveShared();
      return;
    }
    const refusal = this.#refusal.ofNewcomer(timeoutMs, wish);
    if (refusal !== undefined) return this.#refuse(refused, refusal, site);
    return this.#enqueue(lent, refused, timeoutMs, signal, wish, site);
  }

  /** What is known of who is asking now. */
  #siteOf(label: string | undefined): Site | undefined {
    return this.#sites?.note(label);
  }

  #refuse(
    refused: (error: unknown) => void,
    error: Error,
    site: Site | undefined,
  ): undefined {
    tellRefused(this.#events, error, site);
    refused(error);
  }

  #enqueue(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    wish: Wish,
    site: Site | undefined,
  ): Waiter<C> | undefined {
    const nesting = this.#nesting;
    const holding = nesting?.current;
    const deadlock = holding && nesting?.refusal(holding);
    if (deadlock !== undefined) {
      this.#events.tell("deadlock", { error: deadlock });
      return this.#refuse(refused, deadlock, site);
    }
    const waiter = this.#waiting.begin(lent, refused, timeoutMs, signal, wish, site);
    const bag = this.#bag;
    const mayServe = bag.total < this.#sizes.max || bag.counts.idle > 0;
    // Others may have to make room for it, or have to be asked for a sign of life.
    if (mayServe || this.#exchange !== undefined || wish.use === "shared") this.#grow();
    if (holding !== undefined) nesting?.waits(waiter, holding);
    return waiter;
  }

  /**
   * Lends a connection to `fn` and takes it back in any case.
   *
   * @param fn What to do with it.
   * @param options Signal, deadline and priority of the acquire.
   * @returns What `fn` returns.
   * @throws What {@linkcode Pool.acquire} throws, and what `fn` throws.
   * @throws {DeadlockError} Where the pool knows the runtime (`context`): from an acquire in `fn` that could never be served,
   * as all connections are held by callbacks that wait for another.
   */
  use<R>(
    fn: (lease: Lease<C>) => R | PromiseLike<R>,
    options?: AcquireOptions,
  ): Promise<R> {
    const scope = this.#scopes?.current;
    return scope === undefined ? this.#use(fn, options) : scope.use(fn, options);
  }

  async #use<R>(
    fn: (lease: Lease<C>) => R | PromiseLike<R>,
    options: AcquireOptions | undefined,
  ): Promise<R> {
    const nesting = this.#nesting;
    const site = nesting?.note(options?.label);
    const lease = await this.acquire(options);
    try {
      return await (nesting === undefined ? fn(lease) : nesting.run(lease, site, () => fn(lease)));
    } finally {
      lease.release();
    }
  }

  /**
   * Runs `fn` such that all it does has one connection, taken when it is first needed: {@linkcode Pool.use} and
   * {@linkcode Pool.acquire} find it, in whatever function they are called below, one at a time, in the order they came. In
   * a scope already, that one is used. Where the pool does not know the runtime (`context`), only what goes through the
   * scope that `fn` is given does so.
   *
   * @param fn What to run; is given the scope.
   * @param options Its name; whether it is a new scope in any case.
   * @returns What `fn` returns. Nothing is committed, what is left open is rolled back.
   * @throws What `fn` throws.
   *
   * @example One connection
   * ```ts
   * import { Pool } from "@steady/pool";
   * import { runtime } from "@steady/pool/deno";
   * import { FakeDriver } from "@steady/pool/testing";
   *
   * await using pool = new Pool(new FakeDriver(), { context: runtime });
   * await pool.scope(async () => {
   *   await pool.use((lease) => lease.connection.run("set k v"));
   *   console.log(await pool.use((lease) => lease.connection.run("show k"))); // "v"
   * });
   * ```
   */
  scope<R>(
    fn: (scope: Scope<C>) => R | PromiseLike<R>,
    options?: ScopeOptions,
  ): Promise<R> {
    return this.#scopesMade.run(fn, options);
  }

  /**
   * Wraps a handler so that each call runs in a scope: one connection for a request, taken when it is first needed.
   *
   * @param handler Called with the arguments of the result: of a server, or any function.
   * @param options Names of the scopes, how long they last.
   * @returns A function to be called instead.
   * @throws {ScopeError} If the pool does not know the runtime (`context`).
   *
   * @example A server
   * ```ts
   * import { Pool } from "@steady/pool";
   * import { runtime } from "@steady/pool/deno";
   * import { FakeDriver } from "@steady/pool/testing";
   *
   * const pool = new Pool(new FakeDriver(), { context: runtime });
   * const handler = pool.scoped(async (request: Request) =>
   *   new Response(await pool.use((lease) => lease.connection.run(`select ${request.method}`)))
   * );
   * console.log(await handler(new Request("http://localhost/")));
   * ```
   */
  scoped<Args extends unknown[], R>(
    handler: (...args: Args) => R,
    options?: ScopedOptions,
  ): (...args: Args) => Promise<Awaited<R>> {
    return this.#scopesMade.scoped(handler, options);
  }

  /**
   * Opens a scope to be used by itself, without async-local storage: by its own methods, not by those of the pool.
   *
   * @param options Its name.
   * @returns The scope; has to be ended, such as by `using`.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   */
  openScope(options?: OpenScopeOptions): Scope<C> {
    return this.#scopesMade.open(options);
  }

  /**
   * Makes an owner of a connection, such as for a worker or an actor: all its scopes have the same one, from its first use
   * until it is ended, or the pool has it replaced between two scopes.
   *
   * @param options Its name.
   * @returns The owner; has to be ended, such as by `using`.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   */
  persistent(options?: OpenScopeOptions): PersistentContext<C> {
    return this.#scopesMade.persistent(options);
  }

  /**
   * Runs `fn` as if it were in no scope: what it does has connections of its own, such as what is to stay whatever becomes of
   * a transaction around.
   *
   * @param fn What to run.
   * @returns What `fn` returns.
   */
  outside<R>(fn: () => R): R {
    return this.#scopes === undefined ? fn() : this.#scopes.outside(fn);
  }

  /**
   * Finds the scope that the caller is in.
   *
   * @returns The scope, which may have ended; `undefined` outside of any.
   */
  current(): Scope<C> | undefined {
    return this.#current?.get()?.scope;
  }

  get #scopesMade(): Scopes<C> {
    if (this.#scopes !== undefined) return this.#scopes;
    const sites = new Sites(this.#turn, this.#options.clock);
    return this.#scopes = new Scopes<C>({
      current: this.#current,
      driver: this.#driver,
      clock: this.#options.clock,
      turn: this.#turn,
      events: this.#events,
      lineTimeoutMs: this.#acquireTimeoutMs || LINE_TIMEOUT_MS,
      rollbackTimeoutMs: this.#options.checkTimeoutMs,
      keeping: new Keeping<C>({
        driver: this.#driver,
        clock: this.#turn,
        options: this.#options,
        trust: this.#trust,
        generations: this.#generations,
        suspension: this.#suspension,
        isKept: (slot) => this.#isKept(slot),
        losses: this.#losses,
        watch: this.#watch,
        usage: this.#usage,
        events: this.#events,
      }),
      stats: () => this.#counts(),
      isOpen: () => this.#closing.isOpen,
      note: (label) => sites.note(label),
      source: {
        note: (site) => this.#sites?.note(site.label) ?? site,
        lend: (lent, refused, site, timeoutMs, holding) => {
          const options = timeoutMs === undefined ? undefined : { timeoutMs };
          const lend = () => this.#lend(lent, refused, options, FOR_ONE, site);
          const nesting = this.#nesting;
          const waiter = nesting === undefined ? lend() : nesting.askAs(holding, lend);
          return waiter === undefined ? noop : () => this.#waiting.giveUp(waiter);
        },
        // While it closes, connections are idle that nobody is to have.
        lendAtOnce: (site) => this.#closing.isOpen ? this.#lending.lendIdle(site) : undefined,
        takeBack: (lease) => lease.release(),
      },
    });
  }

  /**
   * Takes a connection back; the same as the lease's own `release`.
   *
   * @param lease The lease. Idempotent.
   */
  release(lease: Lease<C>): void {
    lease.release();
  }

  /**
   * Counts connections and waiters, and gives what was counted and measured since the pool was made.
   *
   * @returns The counts at this instant, counters that never fall, times, and the `max` that the demand asks for.
   */
  stats(): PoolStats {
    const usage = this.#usage;
    const { counters } = this.#events;
    usage.look(this.#turn.now(), counters.inVain, this.#queue.size);
    const { acquires, waits, releases, ...times } = usage.stats();
    return {
      ...this.#counts(),
      counters: { ...counters.snapshot(), acquires, waits, releases },
      ...times,
    };
  }

  /**
   * Looks at each connection.
   *
   * @returns One element for each, by number: what the pool does with it, since when, who has it.
   *
   * @example Who has had a connection for longer than a minute?
   * ```ts
   * import { Pool } from "@steady/pool";
   * import { FakeDriver } from "@steady/pool/testing";
   *
   * await using pool = new Pool(new FakeDriver());
   * for (const { epoch, heldMs, label } of pool.inspect()) {
   *   if (heldMs > 60_000) console.log(epoch, heldMs, label);
   * }
   * ```
   */
  inspect(): ConnectionInfo[] {
    return inspect(this.#driver, this.#bag.slots(), this.#turn.now());
  }

  #counts(): PoolCounts {
    const { connecting, idle, used, checking, resetting, closing } = this.#bag.counts;
    return {
      state: this.#suspension.on ? "suspended" : this.#closing.state,
      max: this.#sizes.max,
      total: this.#bag.total,
      connecting,
      idle,
      used,
      checking,
      resetting,
      closing,
      waiters: this.#queue.size,
      shared: this.#commons.connections,
      sharedLeases: this.#commons.leases,
      sharing: this.#forShared.normal.use === "shared",
    };
  }

  /**
   * Waits until the pool is ready: until as many connections are open as `minIdle` says, at least one, lent or not. What is
   * missing is opened.
   *
   * @param options Signal and deadline of this wait.
   * @returns Resolved when they are open.
   * @throws {AcquireTimeoutError} If the deadline passed.
   * @throws {ConnectError} If the server refuses the pool for good, if the session's set-up failed, or, with
   * `unavailable: "fail-fast"` or a timeout of 0, if the server cannot be had.
   * @throws {PoolClosedError} If the pool is closed or closing.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   *
   * @example Serve only when the database can be had
   * ```ts
   * import { Pool } from "@steady/pool";
   * import { FakeDriver } from "@steady/pool/testing";
   *
   * await using pool = new Pool(new FakeDriver(), { minIdle: 2 });
   * await pool.ready({ timeoutMs: 5_000 });
   * console.log(pool.stats().idle); // 2
   * ```
   */
  async ready(options: PoolReadyOptions = {}): Promise<void> {
    checkReadyOptions(options);
    const { timeoutMs = this.#options.acquireTimeoutMs, signal } = options;
    signal?.throwIfAborted();
    if (!this.#closing.isOpen) {
      throw new PoolClosedError("Cannot get the pool ready as it is closed");
    }
    const refusal = this.#refusal.ofReadiness();
    if (refusal !== undefined) throw refusal;
    const ready = this.#readiness.wait(timeoutMs, signal);
    this.#grow();
    await ready;
  }

  /**
   * Changes `max`; `maxIdle` and `maxPendingConnects` follow if they were not given. Who waits is served at once as far as
   * there is room now; of what is too much, connections that nobody has are closed at once, then those of contexts that are
   * between two scopes, and those that are lent when they come back.
   *
   * @param max Most connections from now on; integer, at least 1 and at least `minIdle`.
   * @throws {TypeError} If it is not a number.
   * @throws {RangeError} If it is out of range.
   */
  resize(max: number): void {
    const from = this.#sizes.max;
    this.#sizes.resize(max);
    this.#events.tell("poolResized", { from, to: max });
    this.#multiplexer?.resize(max);
    this.#shrinking.shrink();
    this.#scopes?.reconsider();
    if (this.#queue.size === 0) this.#shrinking.trim();
    this.#grow();
  }

  /**
   * Lends nothing until {@linkcode Pool.resume}: acquires wait within their deadlines, `tryAcquire` gives `undefined`, and
   * who must not queue is refused. What is lent, a context's connection included, goes on and comes back, what is idle is
   * looked after. Does nothing unless
   * the pool is open.
   */
  suspend(): void {
    if (!this.#closing.isOpen || this.#suspension.on) return;
    this.#suspension.on = true;
    // How fast those were served who waited is no measure for who waits now.
    this.#rate?.forget();
    this.#events.tell("poolSuspended", {});
    this.#refusal.suspended();
  }

  /** Lends again, first to who waits. Does nothing unless the pool is suspended. */
  resume(): void {
    if (!this.#suspension.on) return;
    this.#suspension.on = false;
    this.#events.tell("poolResumed", {});
    // What was worn was better than none.
    this.#scopes?.reconsider();
    this.#grow();
  }

  /**
   * Condemns connections: idle ones are closed now, and those of contexts that are between two scopes; lent ones when they
   * come back; connects under way are given up, and started anew for who waits.
   *
   * @param filter Tells which, by what is seen of each; all, when not given.
   * @throws {TypeError} If the filter is not a function, or returns neither true nor false; then nothing is condemned.
   *
   * @example Those that are older than a minute
   * ```ts
   * import { Pool } from "@steady/pool";
   * import { FakeDriver } from "@steady/pool/testing";
   *
   * await using pool = new Pool(new FakeDriver());
   * pool.evict(({ ageMs }) => ageMs > 60_000);
   * ```
   */
  evict(filter?: (connection: ConnectionInfo) => boolean): void {
    checkFunction("evict connections", "filter", filter);
    if (filter === undefined) {
      this.#generations.end();
      this.#removal.retireAll("evicted");
      this.#removal.closeUnused();
    } else {
      const now = this.#turn.now();
      // All are looked at before any is touched: a filter that throws changes nothing.
      const condemned = [...this.#bag.slots()].filter((slot) =>
        // Of an asynchronous filter every promise would be a yes.
        checkBoolean(
          "evict connections",
          "what filter returns",
          filter(inspectSlot(this.#driver, slot, now)),
        )
      );
      for (const slot of condemned) this.#removal.condemn(slot, "evicted");
    }
    this.#scopes?.reconsider();
    this.#grow();
  }

  /**
   * Says that the server behind the present connections is no good any more, such as a primary that refuses to be written
   * to: idle connections are closed at once, lent ones when they come back, connects under way are given up. For drivers'
   * front ends, as the pool hears of losses by itself.
   *
   * Calls that come too soon do nothing: within a second of the last that did something, or before a connection of the
   * new generation was opened; each time it is called again soon after, the second gets twice as long, up to a minute.
   *
   * @param _cause Why; for observers to come.
   * @param connection On which connection that was seen: one of an older generation proves nothing. Any, when not given.
   */
  condemn(_cause?: unknown, connection?: C): void {
    this.#losses.condemn(connection);
  }

  /**
   * Closes the pool: waiters are rejected at once, idle connections closed, lent ones closed as they come back, and
   * destroyed when the time is over. Idempotent; a later call can only shorten the time.
   *
   * @param options How long to wait for what is lent.
   * @returns Resolved when every connection is gone.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   */
  async close(options?: CloseOptions): Promise<void> {
    await this.#closing.close(resolveCloseTimeout(options));
  }

  /**
   * Opens the pool again after {@linkcode Pool.close}: it lends, and its books are as new. While it is closing, that is
   * waited for first; if it is open, nothing is done.
   *
   * @returns Resolved when it lends.
   * @throws {PoolClosedError} If it was closed again before.
   */
  async open(): Promise<void> {
    await this.#closing.open();
  }

  /** {@inheritDoc Pool.close} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Checks idle connections and opens new ones, as many as are waited for and allowed. */
  #grow(): void {
    if (this.#queue.size > 0) this.#lending.serveShared();
    if (this.#bag.counts.idle > 0) this.#checking.checkIdle();
    this.#opening.grow();
    this.#exchange?.makeRoom();
    // Where one more connection could have come, it may be somebody else's by now.
    if (this.#queue.size > 0) this.#lending.serveShared();
    if (this.#patience !== undefined) this.#lookAfterSharers(this.#patience);
  }

  /** Sees to it that who waits to share does not wait for too long. */
  #lookAfterSharers(patience: Patience<C>): void {
    const line = this.#queue.line(this.#forShared.normal.reader);
    if (line.sharedNow > 0 && this.#lending.mayServe) this.#refusal.inVain();
    const { head } = line;
    if (head?.wish.use === "shared") patience.begin(head);
  }

  /** The last one that waited waits no more. */
  #emptied(): void {
    if (this.#queue.size === 0 && !this.#readiness.isWaited) {
      if (this.#sizes.minIdle > 0) this.#outage.release();
      else this.#outage.stopWaiting();
    }
    if (this.#queue.size === 0) this.#shrinking.trim();
  }

  /** The pool closes: nothing goes on in the background, and nobody waits for it to be ready. */
  #stop(): void {
    this.#suspension.on = false;
    this.#scopes?.stop();
    this.#outage.stopWaiting();
    this.#patience?.stop();
    this.#stock.stop();
    this.#maintenance.stop();
    this.#readiness.refuse(
      () => true,
      () => new PoolClosedError("Cannot get the pool ready as it is closed"),
    );
  }

  /** The pool was closed and is open again. */
  #begin(): void {
    this.#generations.end();
    this.#outage.ended();
    this.#slowStart.forget();
    this.#name = enter(this, this.#options.name, this.#name);
    this.#grow();
  }

  /** Whether a connection that comes back may be kept; one that may not be is closed by who asks. */
  #isKept(slot: Slot<C>): boolean {
    if (!this.#losses.isLendable(slot)) return false;
    if (this.#shrinking.excess <= 0) return true;
    slot.reason = "resized";
    return false;
  }

  /** A place became free, whatever the reason: the one wake-up there is. */
  #freed(): void {
    this.#refusal.lost();
    this.#grow();
    this.#closing.freed();
  }

  /**
   * The server has just answered on a connection that nobody has.
   *
   * @param slot Its slot.
   * @param doubts How many doubts there had been when it was asked: one that came since is not answered.
   */
  #answered(slot: Slot<C>, doubts: number): void {
    slot.cleared = doubts;
    if (!this.#isKept(slot) || this.#trust.isWorn(slot)) {
      this.#removal.close(slot);
      // Its place becomes free when that is over: who waited for it need not wait so long if another is idle.
      return this.#grow();
    }
    this.#generations.answered();
    this.#lending.welcome(slot);
  }
}

function noop(): void {}
