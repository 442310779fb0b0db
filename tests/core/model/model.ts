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
  /** Whether an acquire that cannot make its deadline may be refused at once. */
  readonly refusesLate: boolean;
  /** Whether the pool knows, or may think, that the server cannot be had. */
  readonly outage: () => boolean;
  /** How many connections those of normal priority may have at once, as the limits are now. */
  readonly mostNormal: () => number;
}

/** How often acquires ended in which way. */
export interface Ends {
  lent: number;
  timedOut: number;
  refused: number;
  gaveUp: number;
}

/** One acquire. */
export interface Ask {
  readonly number: number;
  readonly deadline: number;
  readonly never: boolean;
  readonly high: boolean;
  readonly abort: AbortController;
  readonly calledAt: number;
  /** Whether the pool was closed then. */
  readonly tooLate: boolean;
  lease?: Lease<FakeConnection>;
  settled: boolean;
}

/** The judge of what a pool does. */
export class Model {
  /** Who waits: those of high priority first, equals in the order they came. */
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
  /** Since when connections that nobody has are so, or have last given a sign of life. */
  readonly quietSince = new Map<FakeConnection, number>();
  /** Since when they have not been used. */
  readonly unusedSince = new Map<FakeConnection, number>();
  /** When they were opened. */
  readonly openedAt = new Map<FakeConnection, number>();
  readonly ends: Ends = { lent: 0, timedOut: 0, refused: 0, gaveUp: 0 };
  /** How often each was lent. */
  readonly uses = new Map<FakeConnection, number>();
  /** What speaks for the end of the present generation: two losses do, or one that tells of all. */
  #grounds = 0;
  /** What the pool must not have done. */
  readonly violations: string[] = [];
  closed = false;
  /** When it was last closed. */
  closedAt = -Infinity;
  /** Whether nothing is lent for the time being, and since when that was last so. */
  suspended = false;
  suspendedAt = -Infinity;
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
      // It may be asked again before everything has settled: the answer to that is yet to come.
      this.#answered.delete(connection);
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
      // Idle only now.
      this.unusedSince.set(connection, clock.now());
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

  /** A connection was opened. */
  onOpened(connection: FakeConnection): void {
    const now = this.#clock.now();
    this.openedAt.set(connection, now);
    this.quietSince.set(connection, now);
    this.unusedSince.set(connection, now);
  }

  /** Somebody asks. */
  ask(timeoutMs: number, high: boolean): Ask {
    const calledAt = this.#clock.now();
    return {
      number: this.#asked++,
      calledAt,
      tooLate: this.closed,
      deadline: timeoutMs === 0 ? Infinity : calledAt + timeoutMs,
      never: timeoutMs === 0,
      high,
      abort: new AbortController(),
      settled: false,
    };
  }

  /** Somebody waits until told otherwise. */
  onAsked(ask: Ask): void {
    const { waiting } = this;
    const place = ask.high ? waiting.findLastIndex(({ high }) => high) + 1 : waiting.length;
    waiting.splice(place, 0, ask);
  }

  /** How many connections those who wait could use at once. */
  get wanted(): number {
    if (this.closed || this.suspended) return 0;
    const high = this.waiting.filter((ask) => ask.high).length;
    const normal = Math.max(0, this.#rules.mostNormal() - this.#lentNormal());
    return Math.min(this.waiting.length, high + normal);
  }

  /** How many connections those of normal priority have; of the lost ones the pool has heard, too. */
  #lentNormal(): number {
    let count = 0;
    for (const [{ gone }, { high }] of this.lent) if (!gone && !high) count++;
    return count;
  }

  /** The pool lent a connection. */
  onLent(ask: Ask, lease: Lease<FakeConnection>): void {
    this.#settle(ask, "was lent one");
    this.#demand(this.#next(ask.high) === ask, `ask ${ask.number} was served out of turn`);
    this.onTaken(ask, lease);
    this.waiting.splice(this.waiting.indexOf(ask), 1);
  }

  /** Who is next. By promises one hears of it later, and somebody of high priority may have come meanwhile. */
  #next(high: boolean): Ask | undefined {
    return this.#prompt ? this.waiting[0] : this.waiting.find((ask) => ask.high === high);
  }

  /** Somebody has a connection now. */
  onTaken(ask: Ask, lease: Lease<FakeConnection>): void {
    const { connection } = lease;
    ask.lease = lease;
    this.ends.lent++;
    this.#demand(!this.lent.has(connection), `connection ${connection.id} was lent twice`);
    const sound = this.#driver.status(connection) === "idle" && !this.condemned.has(connection);
    const late = !this.#prompt && (connection.gone || this.condemned.has(connection));
    this.#demand(sound || late, `connection ${connection.id} was lent though it is not sound`);
    if (this.#prompt) this.#judge(ask, connection);
    this.uses.set(connection, 1 + (this.uses.get(connection) ?? 0));
    this.quietSince.delete(connection);
    this.unusedSince.delete(connection);
    this.lent.set(connection, ask);
    this.#driver.onLost(connection, () => this.lent.delete(connection));
  }

  /** Whether a connection may be lent as it is. */
  #judge(ask: Ask, connection: FakeConnection): void {
    const { id } = connection;
    const { checkAfterIdleMs, maxUses, reset, outage, mostNormal } = this.#rules;
    this.#demand(!this.closed, "a closed pool lent");
    this.#demand(!this.suspended, "a suspended pool lent");
    const spared = ask.high || this.#lentNormal() < mostNormal();
    this.#demand(spared, `ask ${ask.number} was lent what is reserved for others`);
    this.#demand(!this.doubted.has(connection), `connection ${id} was lent without a check`);
    const since = this.quietSince.get(connection) ?? Infinity;
    // The pool counts whole milliseconds, as its clock does.
    const idleMs = Math.ceil(this.#clock.now()) - Math.ceil(since);
    // The pool reckons in whole milliseconds.
    const quiet = idleMs >= checkAfterIdleMs + 1;
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
    const { signal } = ask.abort;
    if (signal.aborted && error === signal.reason) this.ends.gaveUp++;
    else if (!(error instanceof AcquireTimeoutError)) this.ends.refused++;
    else if (this.#clock.now() === Math.ceil(ask.deadline)) this.ends.timedOut++;
    else this.ends.refused++;
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
    const now = this.#clock.now();
    this.quietSince.set(connection, now);
    this.unusedSince.set(connection, now);
  }

  /** Its caller ended its wait. */
  onGaveUp(ask: Ask): void {
    this.waiting.splice(this.waiting.indexOf(ask), 1);
    // Whatever comes now is one too many.
    ask.settled = true;
    this.ends.gaveUp++;
  }

  #isJust(ask: Ask, error: unknown): boolean {
    const now = this.#clock.now();
    const atOnce = this.asking > 0 || !this.#prompt;
    if (error instanceof AcquireTimeoutError) {
      // A deadline is a whole millisecond.
      return now === Math.ceil(ask.deadline) || this.#rules.refusesLate && atOnce;
    }
    if (error instanceof PoolClosedError) return ask.tooLate || this.closedAt >= ask.calledAt;
    if (error instanceof TooManyWaitersError) return atOnce;
    if (error instanceof TooManyConnectionsError) {
      // Of several one is the first to hear, and may resume the pool.
      return ask.never && (atOnce || this.suspendedAt === now);
    }
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
