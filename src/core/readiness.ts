/**
 * Who waits for the pool to be ready.
 *
 * @module
 */

import { abortable } from "./abortable.ts";
import type { Bag } from "./bag.ts";
import type { Clock } from "./clock.ts";
import { withDeadline } from "./deadline.ts";
import type { Sizes } from "./sizing.ts";
import type { Slot } from "./slot.ts";

/** What makes a pool ready. */
export interface ReadinessParts<C> {
  /** Source of timers. */
  readonly clock: Clock;
  /** How many connections it takes. */
  readonly sizes: Pick<Sizes, "minIdle">;
  /** The books. */
  readonly bag: Pick<Bag<C>, "slots">;
  /** Whether a connection may be lent at all. */
  readonly isLendable: (slot: Slot<C>) => boolean;
  /** Makes the error for a deadline, in milliseconds, that passed. */
  readonly timeoutError: (timeoutMs: number) => Error;
  /** Called when the last one has stopped waiting. */
  readonly emptied: () => void;
}

interface Candidate {
  readonly timeoutMs: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Lets callers wait until as many connections are open as are kept idle, at least one: lent or not. */
export class Readiness<C> {
  readonly #parts: ReadinessParts<C>;
  readonly #waiting = new Set<Candidate>();

  /** @param parts What makes a pool ready. */
  constructor(parts: ReadinessParts<C>) {
    this.#parts = parts;
  }

  /** Whether anybody waits. */
  get isWaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** Whether anybody waits, and fewer connections are open or being opened than it takes. */
  get isShort(): boolean {
    return this.#waiting.size > 0 && this.#count(true) < this.#needed;
  }

  get #needed(): number {
    return Math.max(1, this.#parts.sizes.minIdle);
  }

  /** Connections that are open, and those that will be; not those that are of use to readers only. */
  #count(coming: boolean): number {
    const { bag, isLendable } = this.#parts;
    let count = 0;
    for (const slot of bag.slots()) {
      if (slot.reader || slot.state === "closing") continue;
      if (!coming && slot.connection === undefined) continue;
      if (isLendable(slot) && !slot.retiring) count++;
    }
    return count;
  }

  /**
   * Waits until the pool is ready.
   *
   * @param timeoutMs Deadline in milliseconds from now; 0 or `Infinity` for none, 0 to give up at the first failure.
   * @param signal Ends the wait.
   * @returns Resolved when as many connections are open as it takes.
   */
  wait(timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, timeoutError } = this.#parts;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const candidate: Candidate = { timeoutMs, resolve, reject };
    this.#waiting.add(candidate);
    this.changed();
    const limited = timeoutMs === 0 || timeoutMs === Infinity
      ? abortable(promise, signal)
      : withDeadline(() => promise, {
        clock,
        timeoutMs,
        signal,
        timeoutError: () => timeoutError(timeoutMs),
      });
    return limited.finally(() => this.#leave(candidate));
  }

  #leave(candidate: Candidate): void {
    if (this.#waiting.delete(candidate) && this.#waiting.size === 0) this.#parts.emptied();
  }

  /** There may be more connections than before. */
  changed(): void {
    if (this.#waiting.size === 0 || this.#count(false) < this.#needed) return;
    for (const { resolve } of this.#take(() => true)) resolve();
  }

  /**
   * There will be no connections for some of those who wait.
   *
   * @param which Which, by their timeouts.
   * @param error Makes the error for each.
   */
  refuse(which: (timeoutMs: number) => boolean, error: () => Error): void {
    for (const { reject } of this.#take(which)) reject(error());
  }

  #take(which: (timeoutMs: number) => boolean): Candidate[] {
    const taken = [...this.#waiting].filter(({ timeoutMs }) => which(timeoutMs));
    for (const candidate of taken) this.#leave(candidate);
    return taken;
  }
}
