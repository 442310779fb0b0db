/**
 * Lower bound `ideal`: what any pool has to do, and nothing else.
 *
 * @module
 */

class Waiter<C> {
  next: Waiter<C> | undefined = undefined;
  readonly resolve: (connection: C) => void;

  constructor(resolve: (connection: C) => void) {
    this.resolve = resolve;
  }
}

/** An array of free connections, a linked queue of waiters, direct hand-off. */
export class IdealPool<C> {
  readonly #idle: C[];
  #head: Waiter<C> | undefined = undefined;
  #tail: Waiter<C> | undefined = undefined;
  #resolve: (connection: C) => void = () => {};
  /** One executor for all promises: a closure per waiter is an allocation that can be had for nothing. */
  readonly #executor = (resolve: (connection: C) => void): void => {
    this.#resolve = resolve;
  };

  constructor(connections: readonly C[]) {
    this.#idle = [...connections];
  }

  /** @returns A connection, as soon as one is free. */
  acquire(): Promise<C> {
    const connection = this.#idle.pop();
    if (connection !== undefined) return Promise.resolve(connection);
    const promise = new Promise<C>(this.#executor);
    const waiter = new Waiter(this.#resolve);
    if (this.#tail === undefined) this.#head = waiter;
    else this.#tail.next = waiter;
    this.#tail = waiter;
    return promise;
  }

  /**
   * Gives a connection back.
   *
   * @param connection What `acquire` gave.
   */
  release(connection: C): void {
    const waiter = this.#head;
    if (waiter === undefined) {
      this.#idle.push(connection);
      return;
    }
    const { next } = waiter;
    this.#head = next;
    if (next === undefined) this.#tail = undefined;
    // A served waiter that is old already would keep all young ones behind it from being collected.
    else waiter.next = undefined;
    waiter.resolve(connection);
  }
}
