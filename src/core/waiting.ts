/**
 * How an acquire begins and gives up to wait.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Lease } from "./lease.ts";
import { ListeningWaiter, Waiter, type WaiterHome } from "./waiter.ts";
import type { WaiterQueue } from "./waiter_queue.ts";

/** Queues waiters with their deadlines and signals, and takes out those that leave. */
export class Waiting<C> implements WaiterHome<C> {
  readonly #clock: Pick<Clock, "now">;
  readonly #queue: Pick<WaiterQueue<C>, "push" | "has" | "remove" | "size">;
  readonly #emptied: () => void;

  /**
   * @param clock Tells when deadlines pass.
   * @param queue Who waits.
   * @param emptied Called when the last one left.
   */
  constructor(
    clock: Pick<Clock, "now">,
    queue: Pick<WaiterQueue<C>, "push" | "has" | "remove" | "size">,
    emptied: () => void,
  ) {
    this.#clock = clock;
    this.#queue = queue;
    this.#emptied = emptied;
  }

  /**
   * Lets somebody wait.
   *
   * @param lent Receives the lease.
   * @param refused Receives the error.
   * @param timeoutMs Length of its deadline from now, in milliseconds; 0 for none, as it waits only for what is under way.
   * @param signal Ends the wait, if there is one.
   * @param shares Whether it wants a connection for a single statement only.
   * @returns The waiter, queued.
   */
  begin(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    shares: boolean,
  ): Waiter<C> {
    const finite = timeoutMs !== 0 && timeoutMs !== Infinity;
    const deadline = finite ? this.#clock.now() + timeoutMs : Infinity;
    const waiter = signal === undefined
      ? new Waiter<C>(lent, refused, timeoutMs, deadline, shares)
      : this.#listening(
        new ListeningWaiter<C>(lent, refused, timeoutMs, deadline, shares),
        signal,
      );
    this.#queue.push(waiter);
    return waiter;
  }

  #listening(waiter: ListeningWaiter<C>, signal: AbortSignal): Waiter<C> {
    waiter.listen(signal, this);
    return waiter;
  }

  /**
   * Ends somebody's wait, without a word; does nothing if it has ended.
   *
   * @param waiter Who.
   */
  leave(waiter: Waiter<C>): void {
    if (!this.#queue.has(waiter)) return;
    this.#queue.remove(waiter);
    if (this.#queue.size === 0) this.#emptied();
  }

  aborted(waiter: Waiter<C>, reason: unknown): void {
    this.leave(waiter);
    waiter.refused(reason);
  }
}
