/**
 * The pool: who gets which connection, and when one is opened or closed.
 *
 * All changes of the books are synchronous and made here, before any wait; input and output happen on slots that
 * already have a state, and whatever a wait brings is judged anew by that state.
 *
 * @module
 */

import { Bag } from "./bag.ts";
import type { Timer } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import type { Driver } from "./driver.ts";
import {
  AcquireTimeoutError,
  ConnectError,
  messageOf,
  PoolClosedError,
  TooManyConnectionsError,
  TooManyWaitersError,
} from "./errors.ts";
import { type Lease, type LeaseHome, PoolLease } from "./lease.ts";
import {
  type AcquireOptions,
  checkAcquireOptions,
  type CloseOptions,
  type PoolOptions,
  RESET_TIMEOUT_MS,
  resolveCloseTimeout,
  type ResolvedPoolOptions,
  resolvePoolOptions,
} from "./options.ts";
import { Multiplexer } from "./multiplexer.ts";
import { Outage } from "./outage.ts";
import { Slot } from "./slot.ts";
import type { PoolState, PoolStats } from "./stats.ts";
import { SteadyConnection } from "./steady_connection.ts";
import { WaiterQueue } from "./waiter_queue.ts";
import { ListeningWaiter, Waiter } from "./waiter.ts";

/** How many waiters are refused, when their deadlines pass together, before their callers have a turn. */
const EXPIRE_BATCH = 128;

/**
 * A bounded set of connections, lent one borrower at a time.
 *
 * Waiters are served in the order they came, idle connections in the reverse order of their use. Connects belong to the
 * pool: who leaves early wastes nothing, and a connection that is given back serves the waiter a connect was started
 * for. What cannot be trusted any more (busy, unknown, not to be rolled back) is closed, never lent again.
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
  readonly #options: ResolvedPoolOptions;
  readonly #bag = new Bag<C>();
  readonly #queue: WaiterQueue<C>;
  readonly #outage: Outage;
  readonly #leaseHome: LeaseHome<C>;
  /** Only where single statements may share a connection. */
  readonly #multiplexer: Multiplexer<C> | undefined;
  #state: PoolState = "open";
  #generation = 0;
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
  constructor(driver: Driver<C>, options?: PoolOptions) {
    this.#options = resolvePoolOptions(options);
    this.#driver = driver;
    const { clock, acquireTimeoutMs, maxWaiters, multiplex } = this.#options;
    this.#alwaysQueues = acquireTimeoutMs !== 0 && maxWaiters === Infinity;
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
   * Lends a connection: an idle one at once, else as soon as one is given back or opened.
   *
   * @param options Signal and deadline of this acquire.
   * @returns The lease; the borrower must release it.
   * @throws {AcquireTimeoutError} If the deadline passed.
   * @throws {TooManyConnectionsError} If none is free and the timeout is 0.
   * @throws {TooManyWaitersError} If the queue is full.
   * @throws {ConnectError} If the server refuses the pool for good.
   * @throws {PoolClosedError} If the pool is closed or closing.
   */
  acquire(options?: AcquireOptions): Promise<Lease<C>> {
    if (options === undefined) {
      if (this.#queue.size === 0) {
        const slot = this.#bag.takeIdle();
        if (slot !== undefined) return Promise.resolve(new PoolLease(this.#leaseHome, slot));
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
   * Lends an idle connection, or none; never waits, opens nothing.
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
    const refusal = this.#refusal(timeoutMs);
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
    const deadline = finite ? this.#now() + timeoutMs : Infinity;
    const waiter = signal === undefined
      ? new Waiter<C>(lent, refused, timeoutMs, deadline, shares)
      : this.#listening(
        new ListeningWaiter<C>(lent, refused, timeoutMs, deadline, shares),
        signal,
      );
    this.#queue.push(waiter);
    if (this.#bag.total < this.#options.max) this.#grow();
    return waiter;
  }

  #listening(waiter: ListeningWaiter<C>, signal: AbortSignal): Waiter<C> {
    waiter.listen(signal, this.#waiterHome);
    return waiter;
  }

  /**
   * The time, read once for all acquires of one turn of the microtask queue: a reading costs as much as all the rest of
   * queueing. A deadline may so begin earlier than its acquire by what the caller's own code blocks in between.
   */
  #now(): number {
    if (!this.#timeIsFresh) {
      this.#timeIsFresh = true;
      // Whole milliseconds: a small integer needs no memory of its own in each waiter.
      this.#time = Math.ceil(this.#options.clock.now());
      queueMicrotask(this.#forgetTime);
    }
    return this.#time;
  }

  #time = 0;
  #timeIsFresh = false;
  readonly #forgetTime = (): void => {
    this.#timeIsFresh = false;
  };

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
    this.#generation++;
    for (const slot of [...this.#bag.slots()]) {
      if (slot.state === "idle" || slot.state === "connecting") this.#closeSlot(slot);
    }
    this.#grow();
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

  #lendIdle(): Lease<C> | undefined {
    // Somebody waits and something is idle only while callbacks run: then it is on its way to who waits.
    if (this.#queue.size > 0) return undefined;
    const slot = this.#bag.takeIdle();
    return slot === undefined ? undefined : new PoolLease(this.#leaseHome, slot);
  }

  /** A connection that others have too, if one takes one more statement; else an idle one. */
  #lendShared(): Lease<C> | undefined {
    if (this.#queue.size > 0) return undefined;
    const alone = this.#bag.counts.idle > 0 || this.#bag.total < this.#options.max;
    const shared = this.#multiplexer?.find({ alone, waiting: 0 });
    const slot = shared !== undefined && this.#lendable(shared) ? shared : this.#bag.takeIdle();
    if (slot === undefined) return undefined;
    this.#multiplexer?.joined(slot, 0);
    return new PoolLease(this.#leaseHome, slot);
  }

  /** Why a new waiter is not let in, if so. */
  #refusal(timeoutMs: number): Error | undefined {
    if (timeoutMs !== 0 && this.#options.maxWaiters === Infinity) return undefined;
    const queued = this.#queue.size - this.#comingConnects();
    if (queued < 0) return undefined;
    if (timeoutMs === 0) {
      return this.#outage.on && this.#bag.total < this.#options.max
        ? this.#connectError(this.#outage.error, true)
        : new TooManyConnectionsError(this.stats());
    }
    return queued >= this.#options.maxWaiters ? new TooManyWaitersError(this.stats()) : undefined;
  }

  /** Connects under way and those that can be started now: each serves one waiter without queueing. */
  #comingConnects(): number {
    const connecting = this.#bag.counts.connecting;
    const free = this.#options.max - this.#bag.total;
    if (!this.#outage.on) return connecting + free;
    return connecting > 0 || !this.#outage.mayTry ? connecting : Math.min(1, free);
  }

  /** Gives a ready connection to who waits longest, else keeps it. */
  #offer(slot: Slot<C>): void {
    if (!this.#serving && this.#queue.size > 0) this.#serve(slot);
    else if (slot.state === "used") this.#bag.putBack(slot);
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
        if (waiter.shares) this.#multiplexer?.joined(ready, this.#queue.size);
        waiter.lent(new PoolLease(this.#leaseHome, ready));
        // Who was served may have given back, or asked again.
        const more = this.#queue.size > 0 && (waiter.shares || this.#bag.counts.idle > 0);
        ready = more ? this.#nextReady(ready) : undefined;
      }
    } finally {
      this.#serving = false;
    }
  }

  /** What can be lent to who waits longest: the connection that was lent last, if both share it, else an idle one. */
  #nextReady(last: Slot<C>): Slot<C> | undefined {
    return this.#takesWaiter(last) ? last : this.#bag.takeIdle();
  }

  #takesWaiter(slot: Slot<C>): boolean {
    if (this.#queue.head?.shares !== true || !this.#lendable(slot)) return false;
    const alone = this.#bag.counts.idle > 0 || this.#bag.total < this.#options.max;
    return this.#multiplexer?.takes(slot, { alone, waiting: this.#queue.size }) === true;
  }

  #takeBack(slot: Slot<C>): void {
    // Lost, or destroyed at the end of close, while it was lent.
    if (slot.state !== "used" || slot.connection === undefined) return;
    if (slot.shares > 0 && this.#othersHave(slot)) return;
    const status = this.#driver.status(slot.connection);
    if (status === "busy" || status === "unknown") return this.#destroySlot(slot);
    if (!this.#lendable(slot)) return this.#closeSlot(slot);
    if (status === "idle") return this.#offer(slot);
    void this.#reset(slot, slot.connection);
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
    return this.#state === "open" && slot.generation === this.#generation;
  }

  async #reset(slot: Slot<C>, connection: C): Promise<void> {
    this.#bag.move(slot, "resetting");
    let clean = false;
    try {
      await withDeadline((signal) => this.#driver.reset(connection, "rollback", { signal }), {
        clock: this.#options.clock,
        timeoutMs: RESET_TIMEOUT_MS,
        timeoutError: () => new Error(`no answer within ${RESET_TIMEOUT_MS} ms`),
      });
      clean = this.#driver.status(connection) === "idle";
    } catch {
      // Whatever the reason: a connection that cannot be cleaned is not lent again.
    }
    if (slot.state !== "resetting") return;
    if (!clean) this.#destroySlot(slot);
    else if (this.#lendable(slot)) this.#offer(slot);
    else this.#closeSlot(slot);
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
      const phase = this.#outage.on || this.#bag.counts.connecting > 0 ? "connect" : "queue";
      const isAlike = first?.timeoutMs === timeoutMs && first.phase === phase &&
        first.cause === cause;
      const alike = isAlike ? first : undefined;
      const stats = alike?.stats ?? this.stats();
      const error = new AcquireTimeoutError(phase, timeoutMs, stats, cause, alike?.message);
      first ??= error;
      waiter.refused(error);
    }
    queueMicrotask(this.#expire);
  };

  // Opening

  /** Opens as many connections as are waited for and allowed, one at a time while the server cannot be had. */
  #grow(): void {
    const { max } = this.#options;
    const bag = this.#bag;
    while (bag.total < max && this.#state === "open") {
      const connecting = bag.counts.connecting;
      if (connecting >= this.#queue.size) return;
      if (this.#outage.on) {
        if (connecting > 0) return;
        if (!this.#outage.mayTry) return this.#outage.wait();
      }
      this.#connect();
    }
  }

  #connect(): void {
    const { connectTimeoutMs, clock } = this.#options;
    const slot = new Slot<C>(this.#generation);
    const steady = new SteadyConnection(this.#driver, {
      connectTimeoutMs,
      clock,
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
    this.#outage.ended();
    if (this.#lendable(slot)) this.#offer(slot);
    else this.#closeSlot(slot);
    this.#grow();
  }

  #connectFailed(slot: Slot<C>, error: unknown): void {
    if (slot.state !== "connecting") return;
    this.#drop(slot);
    slot.steady?.destroy();
    if (this.#state === "open") {
      if (this.#driver.classify(error) === "rejected") this.#refuse(() => true, error, false);
      else {
        this.#outage.failed(error);
        this.#refuse((waiter) => waiter.timeoutMs === 0, error, true);
      }
    }
    this.#freed();
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
    return new ConnectError(`Cannot connect: ${messageOf(cause)}`, {
      cause,
      retryable,
      stats: this.stats(),
    });
  }

  // Closing

  #lost(slot: Slot<C>, cause: unknown): void {
    if (slot.state === "connecting") {
      return this.#connectFailed(slot, cause ?? new Error("the connection was lost at once"));
    }
    this.#drop(slot);
    this.#freed();
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
  }

  /** A place became free, whatever the reason: the one wake-up there is. */
  #freed(): void {
    this.#grow();
    if (this.#bag.total === 0) this.#finishClose?.();
  }

  #startClose(): void {
    this.#state = "draining";
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
      if (slot.state === "idle" || slot.state === "connecting") this.#closeSlot(slot);
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

function noop(): void {}
