/**
 * What a pool must do, in one page: who waits, in which order, and who has which connection. It knows nothing of timers,
 * queues or slots, and predicts nothing that depends on chance: it judges each thing that happens.
 *
 * @module
 */

import {
  AcquireTimeoutError,
  ConnectError,
  PoolClosedError,
  TooManyConnectionsError,
  TooManyWaitersError,
} from "../../../src/core/errors.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";

/** One acquire. */
export interface Ask {
  readonly number: number;
  readonly deadline: number;
  readonly never: boolean;
  readonly abort: AbortController;
  readonly calledAt: number;
  lease?: Lease<FakeConnection>;
  settled: boolean;
}

/** The judge of what a pool does. */
export class Model {
  /** Who waits, in the order they came. */
  readonly waiting: Ask[] = [];
  /** Who has which connection; not those who lost theirs. */
  readonly lent = new Map<FakeConnection, Ask>();
  /** Connections that must not be lent again. */
  readonly condemned = new Set<FakeConnection>();
  /** What the pool must not have done. */
  readonly violations: string[] = [];
  closed = false;
  /** How many asks are being made: only then may one be refused for want of room. */
  asking = 0;
  /** When a server refused for good, and which asks came before. */
  rejectedAt = -Infinity;
  rejectedBefore = 0;
  #asked = 0;
  readonly #driver: FakeDriver;
  readonly #clock: VirtualClock;
  /** Whether it is told in the very turn; by a promise it hears later, and the world may have changed. */
  readonly #prompt: boolean;

  constructor(driver: FakeDriver, clock: VirtualClock, prompt: boolean) {
    this.#driver = driver;
    this.#clock = clock;
    this.#prompt = prompt;
  }

  /** Somebody asks. */
  ask(timeoutMs: number): Ask {
    const calledAt = this.#clock.now();
    return {
      number: this.#asked++,
      calledAt,
      deadline: timeoutMs === 0 ? Infinity : calledAt + timeoutMs,
      never: timeoutMs === 0,
      abort: new AbortController(),
      settled: false,
    };
  }

  /** The pool lent a connection. */
  onLent(ask: Ask, lease: Lease<FakeConnection>): void {
    this.#settle(ask, "was lent one");
    this.#demand(this.waiting[0] === ask, `ask ${ask.number} was served out of turn`);
    this.#demand(!this.closed || !this.#prompt, "a closed pool lent");
    this.onTaken(ask, lease);
    this.waiting.splice(this.waiting.indexOf(ask), 1);
  }

  /** Somebody has a connection now. */
  onTaken(ask: Ask, lease: Lease<FakeConnection>): void {
    const { connection } = lease;
    ask.lease = lease;
    this.#demand(!this.lent.has(connection), `connection ${connection.id} was lent twice`);
    const sound = this.#driver.status(connection) === "idle" && !this.condemned.has(connection);
    const late = !this.#prompt && (connection.gone || this.condemned.has(connection));
    this.#demand(sound || late, `connection ${connection.id} was lent though it is not sound`);
    this.lent.set(connection, ask);
    this.#driver.onLost(connection, () => this.lent.delete(connection));
  }

  /** The pool refused an acquire. */
  onRefused(ask: Ask, error: unknown): void {
    this.#settle(ask, "was refused");
    this.waiting.splice(this.waiting.indexOf(ask), 1);
    this.#demand(this.#isJust(ask, error), `ask ${ask.number} was refused without cause: ${error}`);
  }

  /** A server refused for good: all who wait are told. */
  onRejected(): void {
    this.rejectedAt = this.#clock.now();
    this.rejectedBefore = this.#asked;
  }

  /** Somebody has it no more. */
  onReturned(ask: Ask): void {
    if (ask.lease !== undefined && !ask.lease.released) this.lent.delete(ask.lease.connection);
  }

  #isJust(ask: Ask, error: unknown): boolean {
    const now = this.#clock.now();
    // A deadline is a whole millisecond.
    if (error instanceof AcquireTimeoutError) return now === Math.ceil(ask.deadline);
    if (error instanceof PoolClosedError) return this.closed;
    const atOnce = this.asking > 0 || !this.#prompt;
    if (error instanceof TooManyWaitersError) return atOnce;
    if (error instanceof TooManyConnectionsError) return atOnce && ask.never;
    if (error instanceof ConnectError) {
      return error.retryable ? ask.never : this.rejectedAt >= ask.calledAt;
    }
    return ask.abort.signal.aborted && error === ask.abort.signal.reason;
  }

  #settle(ask: Ask, what: string): void {
    this.#demand(!ask.settled, `ask ${ask.number} ${what} though it was settled`);
    ask.settled = true;
  }

  #demand(condition: boolean, otherwise: string): void {
    if (!condition) this.violations.push(otherwise);
  }
}
