/**
 * Who has waited too long.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Clock } from "./clock.ts";
import { phaseOf } from "./connect_failure.ts";
import { type AcquirePhase, AcquireTimeoutError } from "./errors.ts";
import { type Holder, longestHolders } from "./holders.ts";
import type { Events } from "./observer.ts";
import type { Outage } from "./outage.ts";
import type { PoolCounts } from "./stats.ts";
import type { WaiterQueue } from "./waiter_queue.ts";

/** How many waiters are refused, when their deadlines pass together, before their callers have a turn. */
const BATCH = 128;

/** Who waits, and what for. */
export interface ExpiryParts<C> {
  /** Source of time. */
  readonly clock: Pick<Clock, "now">;
  /** Who waits. */
  readonly queue: Pick<WaiterQueue<C>, "takeExpired" | "size">;
  /** The books. */
  readonly bag: Pick<Bag<C>, "slots" | "counts">;
  /** Whether sessions are set up after the connect. */
  readonly setsUp: boolean;
  /** Whether nothing is lent for the time being. */
  readonly suspension: { readonly on: boolean };
  /** Whether the server can be had. */
  readonly outage: Pick<Outage, "on" | "error">;
  /** The pool's counts. */
  readonly stats: () => PoolCounts;
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** Called when nobody waits any more. */
  readonly emptied: () => void;
  /** Called when others do: who is next now may be one for whom there is something. */
  readonly advanced: () => void;
}

/**
 * Refuses those whose deadline passed. A hundred thousand may at once, so errors are made right here, because what one
 * costs is the number of frames below it; those of one batch share the counts and the text; and it goes by batches, so
 * that their callers handle them while they are young garbage.
 */
export class Expiry<C> {
  readonly #parts: ExpiryParts<C>;

  /** @param parts Who waits, and what for. */
  constructor(parts: ExpiryParts<C>) {
    this.#parts = parts;
  }

  /** Refuses all of them, a batch at a time; to be called when a deadline may have passed. */
  readonly run = (): void => {
    const { clock, queue, bag, outage, stats: count, events, emptied, advanced } = this.#parts;
    const now = clock.now();
    let holders: Holder[] | undefined;
    let first: AcquireTimeoutError | undefined;
    for (let done = 0; done < BATCH; done++) {
      const waiter = queue.takeExpired(now);
      if (waiter === undefined) {
        if (queue.size === 0) emptied();
        else advanced();
        return;
      }
      const { timeoutMs } = waiter;
      const cause = outage.error;
      const phase = this.#phase();
      const isAlike = first?.timeoutMs === timeoutMs && first.phase === phase &&
        first.cause === cause;
      const alike = isAlike ? first : undefined;
      const stats = alike?.stats ?? count();
      const error = AcquireTimeoutError.withoutFrames(
        phase,
        timeoutMs,
        stats,
        cause,
        holders ??= longestHolders(bag.slots(), Math.ceil(now)),
        alike?.message,
      );
      first ??= error;
      events.tell("timedOut", {
        waitMs: now - waiter.since,
        phase,
        waiters: queue.size,
        label: waiter.site?.label,
      });
      waiter.refused(error);
    }
    queueMicrotask(this.run);
  };

  /**
   * Makes the error for a deadline that passed.
   *
   * @param timeoutMs The deadline, in milliseconds from the call.
   * @returns The error; it says what is waited for.
   */
  error(timeoutMs: number): AcquireTimeoutError {
    const { outage, stats } = this.#parts;
    return new AcquireTimeoutError(this.#phase(), timeoutMs, stats(), outage.error);
  }

  /** What who waits longest is waiting for. */
  #phase(): AcquirePhase {
    const { bag, outage, suspension } = this.#parts;
    if (suspension.on) return "queue";
    const { connecting, checking } = bag.counts;
    if (outage.on) return phaseOf(outage.error);
    if (connecting > 0) return this.#isSettingUp() ? "session" : "connect";
    return checking > 0 ? "check" : "queue";
  }

  #isSettingUp(): boolean {
    const { bag, setsUp } = this.#parts;
    if (!setsUp) return false;
    for (const { state, steady } of bag.slots()) {
      // Open already, and still not to be had.
      if (state === "connecting" && steady !== undefined && steady.counters.opens > 0) return true;
    }
    return false;
  }
}
