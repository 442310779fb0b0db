/**
 * Lower bound `ideal-full`: `ideal` and the least that deadlines, cancellation and a second release cost.
 *
 * It knows no connects, losses, limits, counts or reports. All waiters have the same timeout, so the queue is in the
 * order of the deadlines and the one timer only ever looks at its head.
 *
 * @module
 */

/** Exclusive use of a connection. */
export class IdealLease<C> {
  readonly connection: C;
  #pool: IdealFullPool<C> | undefined;

  constructor(connection: C, pool: IdealFullPool<C>) {
    this.connection = connection;
    this.#pool = pool;
  }

  /** Gives the connection back; a second call does nothing. */
  release(): void {
    const pool = this.#pool;
    if (pool === undefined) return;
    this.#pool = undefined;
    pool.takeBack(this.connection);
  }
}

/** A node of the queue. */
class Waiter<C> {
  previous: Waiter<C> | undefined;
  next: Waiter<C> | undefined = undefined;
  readonly resolve: (lease: IdealLease<C>) => void;
  readonly reject: (reason: unknown) => void;
  /** In whole milliseconds since the pool began: a small integer needs no memory of its own, a time of day does. */
  readonly deadline: number;
  /** Only used by waiters with a signal, but a field of all so that they have one shape. */
  signal: AbortSignal | undefined = undefined;

  constructor(
    resolve: (lease: IdealLease<C>) => void,
    reject: (reason: unknown) => void,
    deadline: number,
    previous: Waiter<C> | undefined,
  ) {
    this.resolve = resolve;
    this.reject = reject;
    this.deadline = deadline;
    this.previous = previous;
  }
}

/** A waiter that is the listener of its own signal. */
class AbortableWaiter<C> extends Waiter<C> {
  pool: IdealFullPool<C> | undefined = undefined;

  handleEvent(): void {
    this.pool?.abort(this);
  }
}

const BATCH = 128;
const ONCE = { once: true };

/** A free list, a doubly linked queue, one timer, leases. */
export class IdealFullPool<C> {
  readonly #idle: C[];
  readonly #timeoutMs: number;
  readonly #origin = performance.now();
  #head: Waiter<C> | undefined = undefined;
  #tail: Waiter<C> | undefined = undefined;
  #armed = false;
  #resolve: (lease: IdealLease<C>) => void = () => {};
  #reject: (reason: unknown) => void = () => {};
  readonly #executor = (
    resolve: (lease: IdealLease<C>) => void,
    reject: (reason: unknown) => void,
  ): void => {
    this.#resolve = resolve;
    this.#reject = reject;
  };
  #now = 0;
  #nowIsFresh = false;
  readonly #forgetNow = (): void => {
    this.#nowIsFresh = false;
  };

  constructor(connections: readonly C[], timeoutMs: number) {
    this.#idle = [...connections];
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @param signal Ends the wait.
   * @returns A lease, as soon as a connection is free.
   */
  acquire(signal?: AbortSignal): Promise<IdealLease<C>> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const connection = this.#idle.pop();
    if (connection !== undefined) return Promise.resolve(new IdealLease(connection, this));
    const promise = new Promise<IdealLease<C>>(this.#executor);
    const deadline = this.#readClock() + this.#timeoutMs;
    const tail = this.#tail;
    const waiter = signal === undefined
      ? new Waiter(this.#resolve, this.#reject, deadline, tail)
      : this.#listen(signal, deadline, tail);
    if (tail === undefined) {
      this.#head = waiter;
      if (!this.#armed) this.#arm(this.#timeoutMs);
    } else tail.next = waiter;
    this.#tail = waiter;
    return promise;
  }

  /**
   * A lease ended.
   *
   * @param connection What was lent.
   */
  takeBack(connection: C): void {
    const waiter = this.#head;
    if (waiter === undefined) {
      this.#idle.push(connection);
      return;
    }
    const { next } = waiter;
    this.#head = next;
    if (next === undefined) this.#tail = undefined;
    else {
      next.previous = undefined;
      // A served waiter that is old already would keep all young ones behind it from being collected.
      waiter.next = undefined;
    }
    waiter.signal?.removeEventListener("abort", waiter as AbortableWaiter<C>);
    waiter.resolve(new IdealLease(connection, this));
  }

  /**
   * A waiter's signal aborted.
   *
   * @param waiter Still queued: it stops listening when it leaves.
   */
  abort(waiter: Waiter<C>): void {
    const { previous, next } = waiter;
    if (previous === undefined) this.#head = next;
    else previous.next = next;
    if (next === undefined) this.#tail = previous;
    else next.previous = previous;
    waiter.reject(waiter.signal?.reason);
  }

  #listen(
    signal: AbortSignal,
    deadline: number,
    previous: Waiter<C> | undefined,
  ): AbortableWaiter<C> {
    const waiter = new AbortableWaiter(this.#resolve, this.#reject, deadline, previous);
    waiter.signal = signal;
    waiter.pool = this;
    signal.addEventListener("abort", waiter, ONCE);
    return waiter;
  }

  /** Reading the clock costs as much as the rest of an acquire, so all acquires of one microtask share a reading. */
  #readClock(): number {
    if (!this.#nowIsFresh) {
      this.#nowIsFresh = true;
      this.#now = Math.ceil(performance.now() - this.#origin);
      queueMicrotask(this.#forgetNow);
    }
    return this.#now;
  }

  #arm(delayMs: number): void {
    this.#armed = true;
    setTimeout(this.#expire, delayMs);
  }

  /**
   * A batch at a time, so that errors are handled, and are garbage, while they are young.
   *
   * The timer is left armed when the queue empties: firing in vain now and then is cheaper than arming per waiter.
   */
  readonly #expire = (): void => {
    const now = performance.now() - this.#origin;
    let waiter = this.#head;
    for (let i = 0; i < BATCH && waiter !== undefined && waiter.deadline <= now; i++) {
      waiter.signal?.removeEventListener("abort", waiter as AbortableWaiter<C>);
      waiter.reject(new Error("Acquire timed out"));
      waiter = waiter.next;
    }
    this.#head = waiter;
    if (waiter === undefined) {
      this.#tail = undefined;
      this.#armed = false;
      return;
    }
    waiter.previous = undefined;
    if (waiter.deadline <= now) queueMicrotask(this.#expire);
    else this.#arm(waiter.deadline - now);
  };
}
