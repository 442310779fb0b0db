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
import type { ResetLevel } from "../../../src/core/driver.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { FakeConnection, FakeDriver, VirtualClock } from "../../../src/testing/mod.ts";

/** What a pool was told to do. */
export interface Rules {
  /** Whether users hear by promises, later than the model; else in the very turn. */
  readonly promises: boolean;
  readonly checkAfterIdleMs: number;
  readonly maxUses: number;
  readonly reset: ResetLevel;
  readonly failsFast: boolean;
  /** Whether the pool knows, or may think, that the server cannot be had. */
  readonly outage: () => boolean;
}

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
  /** Connections that must give a sign of life before they are lent. */
  readonly doubted = new Set<FakeConnection>();
  /** Connections that are being asked for one, or were, and the pool has perhaps not heard the answer yet. */
  readonly asked = new Set<FakeConnection>();
  readonly #answered = new Set<FakeConnection>();
  /** Connections whose session somebody has changed. */
  readonly dirty = new Set<FakeConnection>();
  /** Since when connections are idle, or have last given a sign of life in idleness. */
  readonly quietSince = new Map<FakeConnection, number>();
  /** How often each was lent. */
  readonly uses = new Map<FakeConnection, number>();
  /** What speaks for the end of the present generation: two losses do, or one that tells of all. */
  #grounds = 0;
  /** What the pool must not have done. */
  readonly violations: string[] = [];
  closed = false;
  /** When it was last seen closed. */
  closedAt = -Infinity;
  /** Whether nothing is to be lent for the time being. */
  suspended = false;
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
  readonly #rules: Rules;

  constructor(driver: FakeDriver, clock: VirtualClock, rules: Rules) {
    this.#driver = driver;
    this.#clock = clock;
    this.#rules = rules;
    this.#prompt = !rules.promises;
    const ping = driver.ping.bind(driver);
    driver.ping = async (connection, options) => {
      options?.signal?.addEventListener("abort", () => this.grounds(1), { once: true });
      this.asked.add(connection);
      try {
        await ping(connection, options);
      } catch (error) {
        if (!connection.gone) this.grounds(1);
        throw error;
      } finally {
        this.#answered.add(connection);
      }
      this.#gaveSign(connection);
    };
    const reset = driver.reset.bind(driver);
    driver.reset = async (connection, level, options) => {
      await reset(connection, level, options);
      if (level === "session" || level === "discard") this.dirty.delete(connection);
      this.#gaveSign(connection);
    };
  }

  #gaveSign(connection: FakeConnection): void {
    this.doubted.delete(connection);
    this.quietSince.set(connection, this.#clock.now());
  }

  /** Everything has settled. */
  onQuiet(): void {
    for (const connection of this.#answered) this.asked.delete(connection);
    this.#answered.clear();
  }

  /** Something speaks for the end of the present generation. */
  grounds(count: number): void {
    this.#grounds += count;
  }

  /** The pool ends a generation: none of its connections may be lent again. */
  onGenerationEnded(): void {
    this.#demand(this.#grounds > 1, "a generation ended without good grounds");
    this.#grounds = 0;
    for (const connection of this.#driver.connections) this.condemned.add(connection);
  }

  /** The pool doubts its generation: those of which it has heard have to be checked. */
  onDoubt(heard: number): void {
    for (const connection of this.#driver.connections) {
      if (connection.id <= heard) this.doubted.add(connection);
    }
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
    this.#demand(!this.suspended || !this.#prompt, "a suspended pool lent");
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
    if (this.#prompt) this.#judge(connection);
    this.uses.set(connection, 1 + (this.uses.get(connection) ?? 0));
    this.quietSince.delete(connection);
    this.lent.set(connection, ask);
    this.#driver.onLost(connection, () => this.lent.delete(connection));
  }

  /** Whether a connection may be lent as it is. */
  #judge(connection: FakeConnection): void {
    const { id } = connection;
    const { checkAfterIdleMs, maxUses, reset, outage } = this.#rules;
    this.#demand(!this.doubted.has(connection), `connection ${id} was lent without a check`);
    const since = this.quietSince.get(connection) ?? Infinity;
    const idleMs = this.#clock.now() - since;
    const quiet = idleMs > checkAfterIdleMs;
    this.#demand(!quiet, `connection ${id} was idle for ${idleMs} ms and lent without a check`);
    const uses = this.uses.get(connection) ?? 0;
    this.#demand(uses < maxUses || outage(), `connection ${id} was lent though it is worn`);
    const thorough = reset === "session" || reset === "discard";
    this.#demand(
      !thorough || !this.dirty.has(connection),
      `connection ${id} was lent with somebody else's settings`,
    );
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
    if (ask.lease === undefined || ask.lease.released) return;
    const { connection } = ask.lease;
    this.lent.delete(connection);
    this.quietSince.set(connection, this.#clock.now());
  }

  #isJust(ask: Ask, error: unknown): boolean {
    const now = this.#clock.now();
    // A deadline is a whole millisecond.
    if (error instanceof AcquireTimeoutError) return now === Math.ceil(ask.deadline);
    if (error instanceof PoolClosedError) return this.closed || ask.calledAt <= this.closedAt;
    const atOnce = this.asking > 0 || !this.#prompt;
    if (error instanceof TooManyWaitersError) return atOnce;
    if (error instanceof TooManyConnectionsError) return atOnce && ask.never;
    if (error instanceof ConnectError) {
      if (!error.retryable) return this.rejectedAt >= ask.calledAt;
      return ask.never || this.#rules.failsFast;
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
