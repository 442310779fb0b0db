/**
 * How an acquire begins and gives up to wait.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Lease } from "./lease.ts";
import type { Events } from "./observer.ts";
import type { Site } from "./site.ts";
import { ListeningWaiter, Waiter, type WaiterHome } from "./waiter.ts";
import type { WaiterQueue } from "./waiter_queue.ts";
import type { Wish } from "./wish.ts";

/** Queues waiters with their deadlines and signals, and takes out those that leave. */
export class Waiting<C> implements WaiterHome<C> {
  readonly #clock: Pick<Clock, "now">;
  readonly #queue: Pick<WaiterQueue<C>, "push" | "has" | "remove" | "size">;
  readonly #events: Events;
  readonly #emptied: () => void;
  readonly #advanced: () => void;

  /**
   * @param clock Tells when deadlines pass.
   * @param queue Who waits.
   * @param events Who watches.
   * @param emptied Called when the last one left.
   * @param advanced Called when another one left: who is next now may be one for whom there is something.
   */
  constructor(
    clock: Pick<Clock, "now">,
    queue: Pick<WaiterQueue<C>, "push" | "has" | "remove" | "size">,
    events: Events,
    emptied: () => void,
    advanced: () => void,
  ) {
    this.#clock = clock;
    this.#queue = queue;
    this.#events = events;
    this.#emptied = emptied;
    this.#advanced = advanced;
  }

  /**
   * Lets somebody wait.
   *
   * @param lent Receives the lease.
   * @param refused Receives the error.
   * @param timeoutMs Length of its deadline from now, in milliseconds; 0 for none, as it waits only for what is under way.
   * @param signal Ends the wait, if there is one.
   * @param wish What it wants.
   * @param site Where the acquire was made, if that is known.
   * @returns The waiter, queued.
   */
  begin(
    lent: (lease: Lease<C>) => void,
    refused: (error: unknown) => void,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    wish: Wish,
    site: Site | undefined,
  ): Waiter<C> {
    const since = this.#clock.now();
    const deadline = timeoutMs === 0 ? Infinity : since + timeoutMs;
    const waiter = signal === undefined
      ? new Waiter<C>(lent, refused, timeoutMs, deadline, wish, since, site)
      : this.#listening(
        new ListeningWaiter<C>(lent, refused, timeoutMs, deadline, wish, since, site),
        signal,
      );
    this.#queue.push(waiter);
    if (this.#events.on) this.#events.tellWaiting(this.#queue.size, site?.label);
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

  /**
   * Ends somebody's wait because its caller wants that, without a word to it; does nothing if it has ended.
   *
   * @param waiter Who.
   */
  giveUp(waiter: Waiter<C>): void {
    if (!this.#queue.has(waiter)) return;
    this.leave(waiter);
    this.#events.tell("gaveUp", {
      waitMs: this.#clock.now() - waiter.since,
      waiters: this.#queue.size,
      label: waiter.site?.label,
    });
    if (this.#queue.size > 0) this.#advanced();
  }

  aborted(waiter: Waiter<C>, reason: unknown): void {
    this.giveUp(waiter);
    waiter.refused(reason);
  }
}
