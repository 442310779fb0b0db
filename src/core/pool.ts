/**
 * The pool: who gets which connection, and when one is opened or closed.
 *
 * All changes of the books are synchronous and made here, before any wait; input and output happen on slots that
 * already have a state, and whatever a wait brings is judged anew by that state.
 *
 * @module
 */

import { Bag } from "./bag.ts";
import { clean, cleaningNeeded } from "./cleaning.ts";
import type { Timer } from "./clock.ts";
import type { Driver, LossScope, ResetLevel } from "./driver.ts";
import {
  type AcquirePhase,
  AcquireTimeoutError,
  ConnectError,
  messageOf,
  PoolClosedError,
  TooManyConnectionsError,
  TooManyWaitersError,
} from "./errors.ts";
import { Generations, scopeOfFailure, scopeOfLoss } from "./generations.ts";
import { type Lease, type LeaseHome, PoolLease } from "./lease.ts";
import {
  type AcquireOptions,
  checkAcquireOptions,
  type CloseOptions,
  type PoolOptions,
  resolveCloseTimeout,
  type ResolvedPoolOptions,
  resolvePoolOptions,
} from "./options.ts";
import { Multiplexer } from "./multiplexer.ts";
import { Outage } from "./outage.ts";
import { Slot } from "./slot.ts";
import { SlowStart } from "./slow_start.ts";
import type { PoolState, PoolStats } from "./stats.ts";
import { SteadyConnection } from "./steady_connection.ts";
import { TurnClock } from "./turn_clock.ts";
import { WaiterQueue } from "./waiter_queue.ts";
import { ListeningWaiter, Waiter } from "./waiter.ts";

/** Idle for so long or less, a connection has not grown old meanwhile; and a busy one is judged no more often. */
const FRESH_MS = 1_000;
/** How many waiters are refused, when their deadlines pass together, before their callers have a turn. */
const EXPIRE_BATCH = 128;

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
export class Pool<C> implements AsyncDisposable {
  readonly #driver: Driver<C>;
  readonly #options: ResolvedPoolOptions<C>;
  readonly #bag = new Bag<C>();
  readonly #queue: WaiterQueue<C>;
  readonly #outage: Outage;
  readonly #slowStart: SlowStart;
  readonly #generations: Generations;
  readonly #turn: TurnClock;
  /** Idle for so long or less, a connection that is trusted is lent without a second look. */
  readonly #freshMs: number;
  readonly #countsUses: boolean;
  /** Whether every return needs a second look, be it for the uses or for cleaning. */
  readonly #looksTwice: boolean;
  readonly #leaseHome: LeaseHome<C>;
  /** Only where single statements may share a connection. */
  readonly #multiplexer: Multiplexer<C> | undefined;
  #state: PoolState = "open";
  /** Whether {@linkcode Pool.#serve} is on the stack. */
  #serving = false;
  #epoch = 0;
  #closed: Promise<void> | undefined;
  #finishClose: (() => void) | undefined;
  #closeTimer: Timer | undefined;
  #closeAt = Infinity;

  /**
   * Makes a pool; nothing is opened before the first acquire.
   *
   * @param driver Opens, watches and closes the connections.
   * @param options Limits and deadlines.
   * @throws {TypeError} If an option has the wrong type or does not exist.
   * @throws {RangeError} If an option is out of range.
   */
  constructor(driver: Driver<C>, options?: PoolOptions<NoInfer<C>>) {
    this.#options = resolvePoolOptions<C>(options);
    this.#driver = driver;
    const { clock, max, acquireTimeoutMs, maxWaiters, multiplex, unavailable } = this.#options;
    this.#alwaysQueues = acquireTimeoutMs !== 0 && maxWaiters === Infinity &&
      unavailable === "wait";
    this.#generations = new Generations(clock);
    this.#slowStart = new SlowStart(max);
    this.#turn = new TurnClock(clock, () => this.#generations.doubt());
    const { checkAfterIdleMs, maxUses, reset } = this.#options;
    this.#countsUses = maxUses !== Infinity;
    this.#looksTwice = this.#countsUses || cleaningNeeded(reset, "idle", false) !== "none";
    this.#freshMs = checkAfterIdleMs === 0 ? -1 : Math.min(FRESH_MS, checkAfterIdleMs);
    if (multiplex === "auto" && driver.sharing === "multiplex") {
      this.#multiplexer = new Multiplexer(driver, clock, this.#options);
    }
    this.#queue = new WaiterQueue(clock, this.#expire);
    this.#outage = new Outage(clock, acquireTimeoutMs, () => this.#grow());
    this.#leaseHome = {
      takeBack: (slot) => this.#takeBack(slot),
      discard: (slot) => {
        if (slot.state === "used") this.#destroySlot(slot);
      },
    };
  }

  /**
   * Lends a connection: an idle one at once, else as soon as one is given back, checked or opened.
   *
   * @param options Signal and deadline of this acquire.
   * @returns The lease; the borrower must release it.
   * @throws {AcquireTimeoutError} If the deadline passed.
   * @throws {TooManyConnectionsError} If none is free and the timeout is 0.
   * @throws {TooManyWaitersError} If the queue is full.
   * @throws {ConnectError} If the server refuses the pool for good, if the session's set-up failed, or, with
   * `unavailable: "fail-fast"`, if the server cannot be had.
   * @throws {PoolClosedError} If the pool is closed or closing.
   */
  acquire(options?: AcquireOptions): Promise<Lease<C>> {
    if (options === undefined) {
      if (this.#queue.size === 0) {
        const slot = this.#takeReady();
        if (slot !== undefined) return Promise.resolve(this.#lease(slot));
      }
      if (this.#alwaysQueues && this.#state === "open") return new Promise(this.#queueUp);
    }
    const promise = new Promise<Lease<C>>(this.#executor);
    const lent = this.#lent;
    const refused = this.#refused;
    // Kept, they would keep the lease from being collected.
    this.#lent = this.#refused = noop;
    this.#lend(lent, refused, options, false);
    return promise;
  }

  /** Whether nothing can be said against one more waiter. */
  readonly #alwaysQueues: boolean;
  readonly #queueUp = (
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
  ): void => void this.#enqueue(lent, refused, this.#options.acquireTimeoutMs, undefined, false);

  // One executor for all promises: a closure for each waiter of a hundred thousand would be memory for nothing.
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
    if (this.#state !== "open") throw new PoolClosedError();
    return this.#lendIdle();
  }

  /**
   * {@linkcode Pool.acquire} with callbacks instead of a promise, for drivers' front ends: no turn of the event loop
   * comes between a connection that is free and its next borrower.
   *
   * @param lent Receives the lease; may be called before `lend` returns. Must not throw.
   * @param refused Receives the error; may be called before `lend` returns. Must not throw.
   * @param options Signal and deadline of this acquire.
   * @returns Ends the wait: no callback is called any more. Does nothing once one was.
   */
  lend(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    options?: AcquireOptions,
  ): () => void {
    const waiter = this.#lend(lent, refused, options, false);
    return waiter === undefined ? noop : () => this.#leave(waiter);
  }

  /**
   * {@linkcode Pool.lend} for one single statement outside of any transaction, which may be sent behind those of others:
   * the connection is shared while statements are short, as `multiplex` says. Such a lease must neither be destroyed nor
   * used for anything but that statement, and has to be released as soon as it is over.
   *
   * @param lent Receives the lease; may be called before `share` returns. Must not throw.
   * @param refused Receives the error; may be called before `share` returns. Must not throw.
   * @param options Signal and deadline of this acquire.
   * @returns Ends the wait: no callback is called any more. Does nothing once one was.
   */
  share(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    options?: AcquireOptions,
  ): () => void {
    const waiter = this.#lend(lent, refused, options, this.#multiplexer !== undefined);
    return waiter === undefined ? noop : () => this.#leave(waiter);
  }

  /** Lends, refuses, or queues; only then there is a waiter. */
  #lend(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    options: AcquireOptions | undefined,
    shares: boolean,
  ): Waiter<C> | undefined {
    let timeoutMs = this.#options.acquireTimeoutMs;
    let signal: AbortSignal | undefined;
    if (options !== undefined) {
      try {
        checkAcquireOptions(options);
      } catch (error) {
        return void refused(error);
      }
      timeoutMs = options.timeoutMs ?? timeoutMs;
      signal = options.signal ?? undefined;
      if (signal?.aborted) return void refused(signal.reason);
    }
    if (this.#state !== "open") return void refused(new PoolClosedError());
    const lease = shares ? this.#lendShared() : this.#lendIdle();
    if (lease !== undefined) return void lent(lease);
    const refusal = this.#unavailable() ?? this.#refusal(timeoutMs);
    if (refusal !== undefined) return void refused(refusal);
    return this.#enqueue(lent, refused, timeoutMs, signal, shares);
  }

  #enqueue(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    shares: boolean,
  ): Waiter<C> {
    const finite = timeoutMs !== 0 && timeoutMs !== Infinity;
    const deadline = finite ? this.#turn.now() + timeoutMs : Infinity;
    const waiter = signal === undefined
      ? new Waiter<C>(lent, refused, timeoutMs, deadline, shares)
      : this.#listening(
        new ListeningWaiter<C>(lent, refused, timeoutMs, deadline, shares),
        signal,
      );
    this.#queue.push(waiter);
    const bag = this.#bag;
    if (bag.total < this.#options.max || bag.counts.idle > 0) this.#grow();
    return waiter;
  }

  #listening(waiter: ListeningWaiter<C>, signal: AbortSignal): Waiter<C> {
    waiter.listen(signal, this.#waiterHome);
    return waiter;
  }

  readonly #waiterHome = {
    aborted: (waiter: Waiter<C>, reason: unknown): void => {
      this.#leave(waiter);
      waiter.refused(reason);
    },
  };

  /**
   * Lends a connection to `fn` and takes it back in any case.
   *
   * @param fn What to do with it.
   * @param options Signal and deadline of the acquire.
   * @returns What `fn` returns.
   * @throws What {@linkcode Pool.acquire} throws, and what `fn` throws.
   */
  async use<R>(
    fn: (lease: Lease<C>) => R | PromiseLike<R>,
    options?: AcquireOptions,
  ): Promise<R> {
    const lease = await this.acquire(options);
    try {
      return await fn(lease);
    } finally {
      lease.release();
    }
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
   * Counts connections and waiters.
   *
   * @returns The counts at this instant.
   */
  stats(): PoolStats {
    const { connecting, idle, used, checking, resetting, closing } = this.#bag.counts;
    return {
      state: this.#state,
      max: this.#options.max,
      total: this.#bag.total,
      connecting,
      idle,
      used,
      checking,
      resetting,
      closing,
      waiters: this.#queue.size,
    };
  }

  /**
   * Condemns all present connections: idle ones are closed now, lent ones when they come back; connects under way are
   * given up, and started anew for who waits.
   */
  evict(): void {
    this.#generations.end();
    for (const slot of [...this.#bag.slots()]) {
      retire(slot);
      if (isAtHome(slot) || slot.state === "connecting") this.#closeSlot(slot);
    }
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
    if (this.#state !== "open") return;
    if (connection !== undefined && !this.#isPresent(connection)) return;
    if (this.#generations.mayCondemn()) this.#condemn();
    this.#freed();
  }

  #isPresent(connection: C): boolean {
    for (const slot of this.#bag.slots()) {
      if (slot.connection === connection) return slot.generation === this.#generations.current;
    }
    return false;
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
    const timeoutMs = resolveCloseTimeout(options);
    if (this.#closed === undefined) this.#startClose();
    this.#limitClose(timeoutMs);
    await this.#closed;
  }

  /** {@inheritDoc Pool.close} */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // Lending

  #lease(slot: Slot<C>): Lease<C> {
    if (this.#countsUses) slot.steady?.countUse();
    return new PoolLease(this.#leaseHome, slot);
  }

  #lendIdle(): Lease<C> | undefined {
    // Somebody waits and something is ready only while callbacks run: then it is on its way to who waits.
    if (this.#queue.size > 0) return undefined;
    const slot = this.#takeReady();
    return slot === undefined ? undefined : this.#lease(slot);
  }

  /** A connection that others have too, if one takes one more statement; else an idle one. */
  #lendShared(): Lease<C> | undefined {
    if (this.#queue.size > 0) return undefined;
    const slot = this.#multiplexer?.find(this.#choice(0)) ?? this.#takeReady();
    return slot === undefined ? undefined : this.#join(slot);
  }

  #choice(waiting: number): { alone: boolean; waiting: number } {
    const alone = this.#bag.counts.idle > 0 || this.#bag.total < this.#options.max;
    return { alone, waiting };
  }

  #join(slot: Slot<C>): Lease<C> {
    this.#multiplexer?.joined(slot, this.#queue.size);
    const lease = this.#lease(slot);
    // Else one that is never without statements would never come to its end.
    this.#isWornByNow(slot);
    return lease;
  }

  /** Takes the idle connection that was used last, if it can be lent as it is; else another that can. */
  #takeReady(): Slot<C> | undefined {
    const top = this.#bag.top;
    if (top === undefined) return undefined;
    return this.#isFresh(top) ? this.#bag.takeIdle() : this.#findReady(top);
  }

  #isFresh(slot: Slot<C>): boolean {
    // The time first: a look at the clock may raise doubts.
    return this.#turn.now() - slot.idleSince <= this.#freshMs && !slot.retiring &&
      this.#isTrusted(slot);
  }

  #isTrusted(slot: Slot<C>): boolean {
    return slot.cleared === this.#generations.doubts;
  }

  /** Looks for one that needs no check, from the one that was used last down; worn ones are closed on the way. */
  #findReady(top: Slot<C>): Slot<C> | undefined {
    const { checkAfterIdleMs } = this.#options;
    for (let slot: Slot<C> | undefined = top; slot !== undefined;) {
      const { below }: Slot<C> = slot;
      const idleMs = this.#turn.now() - slot.idleSince;
      const restless = checkAfterIdleMs === 0 || idleMs > checkAfterIdleMs;
      if (this.#isWorn(slot)) this.#closeSlot(slot);
      // Those below have been idle for longer.
      else if (restless) return undefined;
      else if (this.#isTrusted(slot)) {
        this.#bag.move(slot, "used");
        return slot;
      }
      slot = below;
    }
    return undefined;
  }

  /** The same where it is asked often: age is looked at once a second. */
  #isWornByNow(slot: Slot<C>): boolean {
    if (this.#isPlain(slot)) return false;
    if (slot.steady?.worn() === true) slot.retiring = true;
    else if (!this.#looksTwice) slot.plainUntil = this.#turn.latest + FRESH_MS;
    return slot.retiring && !this.#outage.on;
  }

  /** Whether it has been looked at of late. Under load somebody always looks at the clock: it need not be looked at here. */
  #isPlain(slot: Slot<C>): boolean {
    return slot.plainUntil > this.#turn.latest;
  }

  /** An old connection is better than none: while the server cannot be had, none is too old. */
  #isWorn(slot: Slot<C>): boolean {
    return slot.steady?.worn() === true && !this.#outage.on;
  }

  /** Why a new waiter is not let in, if so. */
  #refusal(timeoutMs: number): Error | undefined {
    if (timeoutMs !== 0 && this.#options.maxWaiters === Infinity) return undefined;
    const queued = this.#queue.size - this.#coming();
    if (queued < 0) return undefined;
    if (timeoutMs === 0) {
      return this.#outage.on && this.#bag.total < this.#options.max
        ? this.#connectError(this.#outage.error, true)
        : new TooManyConnectionsError(this.stats());
    }
    return queued >= this.#options.maxWaiters ? new TooManyWaitersError(this.stats()) : undefined;
  }

  /** Connects and checks under way, and those that can be started now: each serves one waiter without queueing. */
  #coming(): number {
    const { connecting, checking, idle } = this.#bag.counts;
    const coming = connecting + checking + idle;
    const free = this.#options.max - this.#bag.total;
    if (!this.#outage.on) return coming + free;
    return connecting > 0 || !this.#outage.mayTry ? coming : coming + Math.min(1, free);
  }

  /** Why nobody waits for a server that cannot be had, if that is wanted and so. */
  #unavailable(): Error | undefined {
    if (!this.#failsFast()) return undefined;
    const { total, counts } = this.#bag;
    // Whoever comes first after the pause waits for the attempt that is due.
    const isDue = counts.connecting === 0 && this.#outage.mayTry && total < this.#options.max;
    return isDue ? undefined : this.#connectError(this.#outage.error, true);
  }

  /** Whether waiting is no use: the server cannot be had, and no connection is left that may be lent again. */
  #failsFast(): boolean {
    if (this.#options.unavailable === "wait" || !this.#outage.on) return false;
    for (const slot of this.#bag.slots()) {
      if (slot.state === "connecting" || slot.state === "closing") continue;
      if (this.#lendable(slot)) return false;
    }
    return true;
  }

  /** Gives a ready connection to who waits longest, else keeps it. */
  #offer(slot: Slot<C>): void {
    if (!this.#serving && this.#queue.size > 0) this.#serve(slot);
    else this.#keep(slot);
  }

  #keep(slot: Slot<C>): void {
    slot.idleSince = this.#turn.now();
    if (slot.state === "used") this.#bag.putBack(slot);
    else this.#bag.move(slot, "idle");
  }

  /**
   * Lends to who waits as long as there is something to lend. A borrower may give back in the very callback that lends
   * to it. That connection is idle until the loop comes to it: a hundred thousand waiters must not be as many stack
   * frames.
   */
  #serve(slot: Slot<C>): void {
    this.#serving = true;
    try {
      let ready: Slot<C> | undefined = slot;
      while (ready !== undefined) {
        const waiter = this.#queue.shift();
        if (waiter === undefined) return;
        if (this.#queue.size === 0) this.#outage.stopWaiting();
        if (ready.state !== "used") this.#bag.move(ready, "used");
        waiter.lent(waiter.shares ? this.#join(ready) : this.#lease(ready));
        // Who was served may have given back, or asked again.
        const more = this.#queue.size > 0 && (waiter.shares || this.#bag.counts.idle > 0);
        ready = more ? this.#nextReady(ready) : undefined;
      }
    } finally {
      this.#serving = false;
    }
    // What came back meanwhile and cannot be lent without a check.
    if (this.#bag.counts.idle > 0 && this.#queue.size > 0) this.#grow();
  }

  /** What can be lent to who waits longest: the connection that was lent last, if both share it, else an idle one. */
  #nextReady(last: Slot<C>): Slot<C> | undefined {
    return this.#takesWaiter(last) ? last : this.#takeReady();
  }

  #takesWaiter(slot: Slot<C>): boolean {
    return this.#queue.head?.shares === true && this.#state === "open" &&
      this.#multiplexer?.takes(slot, this.#choice(this.#queue.size)) === true;
  }

  #takeBack(slot: Slot<C>): void {
    const { connection } = slot;
    // Lost, or destroyed at the end of close, while it was lent.
    if (slot.state !== "used" || connection === undefined) return;
    const shared = slot.shares > 0;
    if (shared && this.#othersHave(slot)) return;
    const status = this.#driver.status(connection);
    if (status === "idle" && this.#isPlain(slot) && this.#isTrusted(slot)) return this.#offer(slot);
    if (status === "busy" || status === "unknown") return this.#destroySlot(slot);
    if (!this.#lendable(slot) || this.#isWornByNow(slot)) return this.#closeSlot(slot);
    if (slot.retiring) this.#replaceLater();
    const level = cleaningNeeded(this.#options.reset, status, shared);
    if (level === "none") this.#welcome(slot);
    else void this.#clean(slot, level);
  }

  /** Takes in a connection that nobody has: it is lent on, or kept; checked first, if that is needed. */
  #welcome(slot: Slot<C>): void {
    if (this.#isTrusted(slot)) return this.#offer(slot);
    this.#keep(slot);
    if (this.#queue.size > 0) this.#grow();
  }

  /** A single statement is over: whether others still share its connection. */
  #othersHave(slot: Slot<C>): boolean {
    const multiplexer = this.#multiplexer;
    if (multiplexer === undefined) return false;
    multiplexer.left(slot, this.#queue.size);
    if (slot.shares === 0) return false;
    if (!this.#serving && this.#takesWaiter(slot)) this.#serve(slot);
    return true;
  }

  #lendable(slot: Slot<C>): boolean {
    return this.#state === "open" && slot.generation === this.#generations.current;
  }

  async #clean(slot: Slot<C>, level: ResetLevel): Promise<void> {
    const { steady } = slot;
    if (steady === undefined) return;
    this.#bag.move(slot, "resetting");
    const cleaning = slot.cleaning = new AbortController();
    const { doubts } = this.#generations;
    const isClean = await clean(this.#driver, steady, level, this.#options, cleaning.signal);
    slot.cleaning = undefined;
    if (slot.state !== "resetting") return;
    // Whatever the reason: a connection that cannot be cleaned is not lent again.
    if (isClean) this.#gaveSign(slot, doubts);
    else this.#destroySlot(slot);
  }

  /**
   * The server has just answered on a connection that nobody has.
   *
   * @param slot Its slot.
   * @param doubts How many doubts there had been when it was asked: one that came since is not answered.
   */
  #gaveSign(slot: Slot<C>, doubts: number): void {
    slot.cleared = doubts;
    if (!this.#lendable(slot) || this.#isWorn(slot)) return this.#closeSlot(slot);
    this.#generations.answered();
    this.#welcome(slot);
  }

  async #check(slot: Slot<C>): Promise<void> {
    const { steady } = slot;
    if (steady === undefined) return;
    this.#bag.move(slot, "checking");
    const { doubts } = this.#generations;
    const isAlive = await steady.check({ timeoutMs: this.#options.checkTimeoutMs });
    if (slot.state !== "checking") return;
    if (isAlive) return this.#gaveSign(slot, doubts);
    this.#drop(slot);
    steady.destroy();
    this.#noteLoss(slot, "single", true);
    this.#freed();
  }

  // Waiting

  #leave(waiter: Waiter<C>): void {
    if (!this.#queue.has(waiter)) return;
    this.#queue.remove(waiter);
    if (this.#queue.size === 0) this.#outage.stopWaiting();
  }

  /**
   * Refuses those whose deadline passed. A hundred thousand may at once, so errors are made right here, because what one
   * costs is the number of frames below it; those of one batch share the counts and the text; and it goes by batches, so
   * that their callers handle them while they are young garbage.
   */
  readonly #expire = (): void => {
    const now = this.#options.clock.now();
    let first: AcquireTimeoutError | undefined;
    for (let count = 0; count < EXPIRE_BATCH; count++) {
      const waiter = this.#queue.takeExpired(now);
      if (waiter === undefined) {
        if (this.#queue.size === 0) this.#outage.stopWaiting();
        return;
      }
      const { timeoutMs } = waiter;
      const cause = this.#outage.error;
      const phase = this.#phase();
      const isAlike = first?.timeoutMs === timeoutMs && first.phase === phase &&
        first.cause === cause;
      const alike = isAlike ? first : undefined;
      const stats = alike?.stats ?? this.stats();
      const error = AcquireTimeoutError.withoutFrames(
        phase,
        timeoutMs,
        stats,
        cause,
        alike?.message,
      );
      first ??= error;
      waiter.refused(error);
    }
    queueMicrotask(this.#expire);
  };

  /** What who waits longest is waiting for. */
  #phase(): AcquirePhase {
    const { connecting, checking } = this.#bag.counts;
    if (this.#outage.on) return phaseOf(this.#outage.error);
    if (connecting > 0) return this.#isSettingUp() ? "session" : "connect";
    return checking > 0 ? "check" : "queue";
  }

  #isSettingUp(): boolean {
    if (this.#options.session === undefined) return false;
    for (const { state, steady } of this.#bag.slots()) {
      // Open already, and still not to be had.
      if (state === "connecting" && steady !== undefined && steady.counters.opens > 0) return true;
    }
    return false;
  }

  // Opening

  /**
   * Checks idle connections and opens new ones, as many as are waited for and allowed: one at a time while the server
   * cannot be had, few when it has just come back.
   */
  #grow(): void {
    const { max } = this.#options;
    const bag = this.#bag;
    if (bag.counts.idle > 0) this.#checkIdle();
    while (bag.total < max && this.#state === "open") {
      const { connecting, checking } = bag.counts;
      if (connecting + checking >= this.#queue.size) return;
      if (this.#outage.on) {
        if (connecting > 0) return;
        if (!this.#outage.mayTry) return this.#outage.wait();
      } else if (connecting >= this.#slowStart.limit) return;
      this.#connect();
    }
  }

  /** Checks idle connections, as many as there are waiters: connects under way may take longer. */
  #checkIdle(): void {
    const { counts } = this.#bag;
    while (!this.#serving && this.#state === "open" && counts.checking < this.#queue.size) {
      const ready = this.#takeReady();
      const slot = this.#bag.top;
      if (ready !== undefined) this.#serve(ready);
      else if (slot !== undefined) void this.#check(slot);
      else return;
    }
  }

  /** A worn connection is in use for want of another: tries whether there is one by now. */
  #replaceLater(): void {
    const { total, counts } = this.#bag;
    if (!this.#outage.on) return;
    if (counts.connecting === 0 && this.#outage.mayTry && total < this.#options.max) {
      this.#connect();
    }
  }

  #connect(): void {
    const { connectTimeoutMs, session, maxUses, maxLifetimeMs } = this.#options;
    const slot = new Slot<C>(this.#generations.current);
    const steady = new SteadyConnection(this.#driver, {
      connectTimeoutMs,
      session,
      maxUses,
      maxLifetimeMs,
      clock: this.#turn,
      nextEpoch: () => ++this.#epoch,
      onLost: (cause) => this.#lost(slot, cause),
    });
    slot.steady = steady;
    this.#bag.add(slot);
    steady.open().then(
      (connection) => this.#connected(slot, connection),
      (error) => this.#connectFailed(slot, error),
    );
  }

  #connected(slot: Slot<C>, connection: C): void {
    // Lost or destroyed before this continuation ran.
    if (slot.state !== "connecting") return;
    slot.connection = connection;
    if (this.#outage.on) {
      this.#outage.ended();
      this.#slowStart.begin();
    }
    this.#slowStart.succeeded();
    this.#gaveSign(slot, this.#generations.doubts);
    this.#grow();
  }

  #connectFailed(slot: Slot<C>, error: unknown): void {
    if (slot.state !== "connecting") return;
    this.#drop(slot);
    slot.steady?.destroy();
    if (this.#state === "open") {
      if (this.#isRejected(error)) this.#refuse(() => true, error, false);
      else {
        this.#outage.failed(error);
        this.#noteLoss(slot, scopeOfFailure(this.#driver, error));
        this.#refuse((waiter) => waiter.timeoutMs === 0, error, true);
        if (this.#failsFast()) this.#refuseUnavailable();
      }
    }
    this.#freed();
  }

  /** Whether the next attempt would fail alike, until somebody changes something. */
  #isRejected(error: unknown): boolean {
    if (phaseOf(error) === "session") return error instanceof ConnectError && !error.retryable;
    return this.#driver.classify(error) === "rejected";
  }

  /** Rejects waiters because of a failed connect; each gets an error object of its own. */
  #refuse(which: (waiter: Waiter<C>) => boolean, cause: unknown, retryable: boolean): void {
    const concerned: Waiter<C>[] = [];
    for (let waiter = this.#queue.head; waiter !== undefined; waiter = waiter.next) {
      if (which(waiter)) concerned.push(waiter);
    }
    for (const waiter of concerned) {
      // The callbacks before may have ended its wait.
      if (!this.#queue.has(waiter)) continue;
      this.#leave(waiter);
      waiter.refused(this.#connectError(cause, retryable));
    }
  }

  #connectError(cause: unknown, retryable: boolean): ConnectError {
    const stats = this.stats();
    if (phaseOf(cause) === "session" && cause instanceof ConnectError) {
      const { code, message, phase } = cause;
      return new ConnectError(message, { cause: cause.cause, code, phase, retryable, stats });
    }
    return new ConnectError(`Cannot connect: ${messageOf(cause)}`, { cause, retryable, stats });
  }

  // Closing

  #lost(slot: Slot<C>, cause: unknown): void {
    if (slot.state === "connecting") {
      return this.#connectFailed(slot, cause ?? new Error("the connection was lost at once"));
    }
    const scope = scopeOfLoss(this.#driver, cause);
    const asked = slot.state === "checking";
    // What broke it was our own deadline: nobody answered.
    const mute = scope === "own" && (asked || slot.state === "resetting");
    this.#drop(slot);
    this.#noteLoss(slot, mute ? "doubt" : scope, asked);
    this.#freed();
  }

  /**
   * Draws the conclusions from a loss.
   *
   * @param slot What was lost; gone by now.
   * @param scope How far the loss reaches.
   * @param asked Whether the server was being asked for a sign of life.
   */
  #noteLoss(slot: Slot<C>, scope: LossScope, asked = false): void {
    // That the old ones go is no news.
    if (!this.#lendable(slot)) return;
    const all = asked && scope !== "generation"
      ? this.#generations.unanswered()
      : this.#generations.lost(scope);
    if (all) this.#condemn();
  }

  /** The present generation ends; who calls this has to wake who waits. */
  #condemn(): void {
    const { current } = this.#generations;
    const present = [...this.#bag.slots()].filter(({ generation }) => generation === current);
    if (present.length === 0) return;
    this.#slowStart.begin();
    this.#generations.end();
    for (const slot of present) {
      retire(slot);
      if (slot.state === "connecting") this.#closeSlot(slot);
      else if (isAtHome(slot)) {
        this.#drop(slot);
        slot.steady?.destroy();
      }
    }
  }

  #closeSlot(slot: Slot<C>): void {
    this.#bag.move(slot, "closing");
    slot.steady?.close().then(() => {
      this.#drop(slot);
      this.#freed();
    });
  }

  #destroySlot(slot: Slot<C>): void {
    this.#drop(slot);
    slot.steady?.destroy();
    this.#freed();
  }

  #drop(slot: Slot<C>): void {
    this.#multiplexer?.forget(slot, slot.shares);
    this.#bag.move(slot, "gone");
    slot.cleaning?.abort();
  }

  /** A place became free, whatever the reason: the one wake-up there is. */
  #freed(): void {
    if (this.#queue.size > 0 && this.#unavailable() !== undefined) this.#refuseUnavailable();
    this.#grow();
    if (this.#bag.total === 0) this.#finishClose?.();
  }

  /** Nothing is left that could come back: only who waits for a connect that is under way waits on. */
  #refuseUnavailable(): void {
    let trials = this.#bag.counts.connecting;
    this.#refuse(() => trials-- <= 0, this.#outage.error, true);
  }

  #startClose(): void {
    this.#state = "draining";
    for (const slot of this.#bag.slots()) retire(slot);
    this.#outage.stopWaiting();
    // Set before any callback runs, as that may close too.
    this.#closed = new Promise<void>((resolve) => {
      this.#finishClose = () => {
        this.#finishClose = undefined;
        this.#state = "closed";
        this.#closeTimer?.cancel();
        this.#queue.dispose();
        resolve();
      };
    });
    for (let waiter = this.#queue.shift(); waiter !== undefined; waiter = this.#queue.shift()) {
      waiter.refused(new PoolClosedError());
    }
    for (const slot of [...this.#bag.slots()]) {
      if (isAtHome(slot) || slot.state === "connecting") this.#closeSlot(slot);
    }
    if (this.#bag.total === 0) this.#finishClose?.();
  }

  #limitClose(timeoutMs: number): void {
    const { clock } = this.#options;
    const at = clock.now() + timeoutMs;
    if (this.#state === "closed" || at >= this.#closeAt) return;
    this.#closeAt = at;
    this.#closeTimer?.cancel();
    this.#closeTimer = clock.schedule(timeoutMs, () => {
      for (const slot of [...this.#bag.slots()]) this.#destroySlot(slot);
    });
  }
}

/** Whether nobody has a connection, and it is not being cleaned. */
function isAtHome<C>(slot: Slot<C>): boolean {
  return slot.state === "idle" || slot.state === "checking";
}

function retire<C>(slot: Slot<C>): void {
  slot.retiring = true;
  slot.plainUntil = 0;
}

function phaseOf(error: unknown): "connect" | "session" {
  return error instanceof ConnectError && error.phase === "session" ? "session" : "connect";
}

function noop(): void {}
