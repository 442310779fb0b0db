/**
 * A pool, its server and its users, to whom anything may happen; after every step the invariants of the design hold.
 *
 * @module
 */

import type { LossScope, ResetLevel } from "../../../src/core/driver.ts";
import { Generations } from "../../../src/core/generations.ts";
import type { AcquireOptions } from "../../../src/core/options.ts";
import { Pool } from "../../../src/core/pool.ts";
import {
  type FakeConnection,
  FakeDriver,
  FakeError,
  VirtualClock,
} from "../../../src/testing/mod.ts";
import { Connects } from "./connects.ts";
import { demand } from "./demand.ts";
import { type Ask, Model } from "./model.ts";

/** What a run starts from. */
export interface WorldOptions {
  readonly max: number;
  readonly maxWaiters: number;
  readonly acquireTimeoutMs: number;
  readonly checkAfterIdleMs: number;
  readonly maxUses: number;
  readonly reset: ResetLevel;
  readonly unavailable: "wait" | "fail-fast";
  readonly minIdle: number;
  readonly maxIdle: number | undefined;
  readonly maxPendingConnects: number | undefined;
  readonly idleTimeoutMs: number;
  readonly keepaliveMs: number;
  /** What the clock's chance gives, always. */
  readonly chance: number;
  /** Whether connects wait for an action to answer them. */
  readonly heldConnects: boolean;
  /** Whether users call `acquire`, or `lend`. */
  readonly promises: boolean;
}

/** What a borrower does in the very callback that serves it. */
export type Reaction = "keep" | "release" | "destroy" | "ask again" | "send home";

/** Turns that are enough for whatever one event sets off. */
const ALL_TURNS = 128;

/** Whose pool is asked what it thinks of its connections: worlds come one after the other. */
let present: World | undefined;
const { doubt, end } = Generations.prototype;
Generations.prototype.doubt = function (this: Generations): void {
  present?.onDoubt();
  doubt.call(this);
};
Generations.prototype.end = function (this: Generations): void {
  present?.onGenerationEnded();
  end.call(this);
};

/** A pool, its server and its users. */
export class World {
  readonly clock: VirtualClock;
  readonly driver: FakeDriver;
  readonly pool: Pool<FakeConnection>;
  readonly model: Model;
  readonly #options: WorldOptions;
  readonly #connects: Connects;
  readonly #asks: Ask[] = [];
  readonly #cancels = new Map<Ask, () => void>();
  readonly #closes: { done: boolean }[] = [];
  /** Who waits for the pool to be ready, or open again. */
  readonly #pending = new Set<Promise<void>>();
  /** The largest limit there was; the limit now; and what may still be there above it. */
  #largest: number;
  #max: number;
  #above: number;
  /** Whether somebody asked for the pool to be open again. */
  #reopening = false;
  /** Connections that everybody has heard of. */
  #settled = 0;

  constructor(options: WorldOptions) {
    const { chance, max, maxWaiters, acquireTimeoutMs, heldConnects, promises } = options;
    const { checkAfterIdleMs, maxUses, reset, unavailable } = options;
    const { minIdle, maxIdle, maxPendingConnects, idleTimeoutMs, keepaliveMs } = options;
    this.#options = options;
    this.#largest = this.#max = this.#above = max;
    present = this;
    this.clock = new VirtualClock({ random: () => chance, turns: ALL_TURNS });
    this.driver = new FakeDriver({ clock: this.clock });
    this.model = new Model(this.driver, this.clock, {
      promises,
      checkAfterIdleMs,
      maxUses,
      reset,
      failsFast: unavailable === "fail-fast",
      outage: () => this.#connects.mayBeOutage,
    });
    this.#connects = new Connects(
      this.driver,
      this.clock,
      this.model,
      maxPendingConnects,
    );
    if (heldConnects) this.driver.hold("connect");
    this.pool = new Pool(this.driver, {
      clock: this.clock,
      max,
      minIdle,
      maxIdle,
      maxPendingConnects,
      idleTimeoutMs,
      keepaliveMs,
      maxWaiters,
      acquireTimeoutMs,
      connectTimeoutMs: 700,
      checkAfterIdleMs,
      checkTimeoutMs: 300,
      maxUses,
      reset,
      unavailable,
    });
  }

  // What users do

  ask(options: AcquireOptions, withSignal: boolean, reaction: Reaction): void {
    this.#noticeOpening();
    const { model, pool } = this;
    const timeoutMs = options.timeoutMs ?? this.#options.acquireTimeoutMs;
    const ask = model.ask(timeoutMs);
    this.#asks.push(ask);
    model.waiting.push(ask);
    model.asking++;
    const lent: Parameters<typeof pool.lend>[0] = (lease) => {
      model.onLent(ask, lease);
      if (reaction === "release" || reaction === "ask again") this.#giveBack(ask, "release");
      if (reaction === "destroy") this.#giveBack(ask, "destroy");
      if (reaction === "ask again") this.ask(options, withSignal, "keep");
      if (reaction === "send home") this.#sendHome();
    };
    const refused = (error: unknown): void => {
      model.onRefused(ask, error);
      if (reaction === "ask again") this.ask(options, withSignal, "keep");
      if (reaction === "send home") this.#sendHome();
    };
    const all = withSignal ? { ...options, signal: ask.abort.signal } : options;
    const bare = !withSignal && options.timeoutMs === undefined;
    if (this.#options.promises) pool.acquire(bare ? undefined : all).then(lent, refused);
    else this.#cancels.set(ask, pool.lend(lent, refused, bare ? undefined : all));
    model.asking--;
  }

  tryAcquire(): void {
    this.#noticeOpening();
    if (this.model.closed) return;
    const lease = this.pool.tryAcquire();
    if (lease === undefined) return;
    const ask = this.model.ask(0);
    ask.settled = true;
    this.#asks.push(ask);
    if (this.model.waiting.length > 0 && !this.#options.promises) {
      this.model.violations.push("tryAcquire jumped the queue");
    }
    this.model.onTaken(ask, lease);
  }

  abort(choice: number): void {
    pick(this.#asks.filter((ask) => !ask.settled), choice)?.abort.abort({ choice });
  }

  cancel(choice: number): void {
    const { waiting } = this.model;
    const ask = pick(waiting, choice);
    if (ask === undefined || this.#options.promises) return;
    waiting.splice(waiting.indexOf(ask), 1);
    // Whatever comes now is one too many.
    ask.settled = true;
    this.#cancels.get(ask)?.();
  }

  giveBack(choice: number, how: "release" | "destroy"): void {
    const ask = pick(this.#holders(), choice);
    if (ask !== undefined) this.#giveBack(ask, how);
  }

  giveBackAgain(choice: number): void {
    const ask = pick(this.#asks.filter(({ lease }) => lease?.released), choice);
    ask?.lease?.release();
    ask?.lease?.destroy();
  }

  run(choice: number, text: string): void {
    const lease = pick(this.#holders(), choice)?.lease;
    if (lease === undefined) return;
    if (text.startsWith("set")) this.model.dirty.add(lease.connection);
    lease.connection.run(text).catch(() => {});
  }

  evict(): void {
    this.model.grounds(2);
    this.pool.evict();
  }

  /** Those that are in one state. */
  evictSome(state: "idle" | "used" | "connecting"): void {
    if (state === "connecting") this.#connects.onGivenUp();
    if (state === "used") {
      for (const connection of this.model.lent.keys()) this.model.condemned.add(connection);
    }
    this.pool.evict((connection) => connection.state === state);
  }

  resize(max: number): void {
    if (max < this.#options.minIdle) return;
    const { total, connecting } = this.pool.stats();
    this.#max = max;
    this.#largest = Math.max(this.#largest, max);
    this.#above = Math.max(max, total);
    // Which of them it gives up nobody knows.
    if (total > max && connecting > 0) this.#connects.onSomeGivenUp();
    this.pool.resize(max);
  }

  suspend(): void {
    this.#noticeOpening();
    const { model } = this;
    if (!model.closed) model.suspended = true;
    // Those who must not queue are told at once.
    model.asking++;
    this.pool.suspend();
    model.asking--;
  }

  resume(): void {
    this.model.suspended = false;
    this.pool.resume();
  }

  ready(timeoutMs: number): void {
    this.#wait(this.pool.ready({ timeoutMs }));
  }

  open(): void {
    this.#noticeOpening();
    if (this.model.closed) this.#reopening = true;
    this.#wait(this.pool.open());
    this.#noticeOpening();
  }

  #wait(promise: Promise<void>): void {
    const settled = promise.then(() => {}, () => {});
    this.#pending.add(settled);
    void settled.then(() => this.#pending.delete(settled));
  }

  /** Whether the pool is open again, as somebody wanted. */
  #noticeOpening(): void {
    const { model, pool } = this;
    if (model.closed) model.closedAt = this.clock.now();
    if (!this.#reopening || pool.stats().state !== "open") return;
    this.#reopening = false;
    model.closed = false;
  }

  condemn(): void {
    this.model.grounds(2);
    this.pool.condemn(new Error("cannot be written to"));
  }

  // What the pool thinks

  onDoubt(): void {
    this.model.onDoubt(this.#settled);
  }

  onGenerationEnded(): void {
    if (this.#reopening) this.model.grounds(2);
    this.model.onGenerationEnded();
    if (this.#reopening) this.#connects.onReopened();
    else this.#connects.onGivenUp();
  }

  close(timeoutMs: number): void {
    this.model.closed = true;
    this.model.suspended = false;
    this.#reopening = false;
    this.#connects.onGivenUp();
    const close = { done: false };
    this.#closes.push(close);
    void this.pool.close({ timeoutMs }).then(() => close.done = true);
  }

  // What the server does

  break(choice: number, scope: LossScope): void {
    const connection = pick(this.driver.connections, choice);
    if (connection === undefined) return;
    if (connection.id > this.#settled) this.#connects.onBroken();
    const counts = scope === "single" || this.model.asked.has(connection);
    this.model.grounds(scope === "generation" ? 2 : counts ? 1 : 0);
    this.driver.break(connection, new FakeError("lost", `lost: ${scope}`, scope));
  }

  /** The machine sleeps: only the wall clock goes on. */
  sleep(): void {
    this.clock.shiftWall(60_000);
  }

  answer(choice: number): void {
    pick(this.driver.held(), choice)?.answer();
  }

  refuse(choice: number, kind: "unavailable" | "rejected", scope: LossScope): void {
    const call = pick(this.driver.held("connect"), choice);
    if (scope === "generation") this.model.grounds(2);
    call?.refuse(new FakeError(kind, kind, scope));
  }

  // What time does

  async tick(ms: number): Promise<void> {
    await this.clock.advance(ms);
  }

  /**
   * Lets promises settle and checks what must hold.
   *
   * @param turns How many turns; everything when not given.
   */
  async settle(turns: number = ALL_TURNS): Promise<void> {
    await this.clock.settle(turns);
    this.#noticeOpening();
    const quiet = turns >= ALL_TURNS;
    if (quiet) {
      await this.#hearAll();
      this.#settled = this.driver.counts.open;
      this.#connects.onQuiet();
      this.model.onQuiet();
    }
    this.#check(quiet);
  }

  /** Everybody goes home: all comes back, the pool closes, and nothing is left. */
  async end(): Promise<void> {
    this.driver.restore();
    for (const ask of this.#holders()) this.#giveBack(ask, "release");
    await this.#checkStock();
    this.close(100);
    await this.tick(100_000);
    await this.settle();
    const { clock, driver, pool, model } = this;
    const left = this.#asks.filter((ask) => !ask.settled).map(({ number }) => number);
    demand(left.length === 0, `asks never settled: ${left}`);
    demand(this.#closes.every(({ done }) => done), "a close never resolved");
    demand(pool.stats().state === "closed" && pool.stats().total === 0, "the books are at zero");
    demand(model.lent.size === 0, "something is lent after close");
    demand(driver.open === 0, `${driver.open} connections are left on the server`);
    demand(clock.pending === 0, `${clock.pending} timers are left`);
    demand(driver.peak <= this.#largest, `${driver.peak} connections at once`);
    demand(this.#pending.size === 0, "somebody still waits for the pool to be ready, or open");
  }

  /** All goes well for a while: then nobody waits any more, and the stock is there. */
  async #checkStock(): Promise<void> {
    this.resume();
    const { state: life } = this.pool.stats();
    for (let round = 0; round < 100 && this.model.waiting.length > 0; round++) {
      await this.tick(1_000);
      for (const ask of this.#holders()) this.#giveBack(ask, "release");
    }
    for (const ask of this.#holders()) this.#giveBack(ask, "release");
    demand(life !== "open" || this.model.waiting.length === 0, "somebody waits for ever");
    await this.tick(60_000);
    await this.settle();
    const { state, idle, checking } = this.pool.stats();
    const { minIdle } = this.#options;
    const isKept = state === "draining" || state === "closed" || idle + checking >= minIdle;
    demand(isKept, `${idle} are idle, where ${minIdle} should be`);
  }

  /**
   * By promises users hear a turn later, and what they do then takes turns again: as many as there are of them, and twice
   * as many where each has to have a connection of its own.
   */
  async #hearAll(): Promise<void> {
    const { model, pool, clock } = this;
    let before = "";
    for (let rounds = 2 * model.waiting.length + 2; rounds > 0; rounds--) {
      const { total, connecting, closing, waiters } = pool.stats();
      const now = [total, connecting, closing, waiters, model.waiting.length].join();
      if (model.waiting.length === waiters && (now === before || connecting + closing === 0)) {
        return;
      }
      before = now;
      await clock.settle();
    }
  }

  #check(quiet: boolean): void {
    const { clock, driver, model, pool } = this;
    const [violation] = model.violations;
    demand(violation === undefined, violation ?? "");
    const stats = pool.stats();
    const { total, connecting, idle, used, checking, resetting, closing, waiters, max } = stats;
    const sum = connecting + idle + used + checking + resetting + closing;
    demand(sum === total, `the counts add up: ${sum} is not ${total}`);
    demand(max === this.#max, `max is ${max}`);
    this.#above = Math.max(max, Math.min(this.#above, total));
    demand(total <= this.#above, `nothing is above max: ${total}`);
    demand(
      total - closing <= max || idle + connecting + checking === 0,
      `${total} of ${max} are there, and not all of them in use`,
    );
    const { maxIdle = max } = this.#options;
    demand(
      idle <= maxIdle || waiters > 0,
      `${idle} are idle, and not more than ${maxIdle} should be`,
    );
    demand(driver.open <= total, `the server has ${driver.open} connections, the books ${total}`);
    demand(
      waiters <= checking || idle === 0 || model.suspended,
      `${waiters} wait while ${idle} are idle and ${checking} are checked`,
    );
    for (const { number, deadline } of model.waiting) {
      demand(
        Math.ceil(deadline) > clock.now() || !quiet,
        `ask ${number} waits beyond its deadline`,
      );
    }
    if (!quiet) return;
    demand(driver.open === total, `the server has ${driver.open} connections, the books ${total}`);
    demand(
      waiters === model.waiting.length,
      `${model.waiting.length} wait, the books say ${waiters}`,
    );
    demand(used === model.lent.size, `${model.lent.size} are lent, the books say ${used}`);
    if (!model.suspended) this.#connects.check(stats, this.#options);
    demand(!model.closed || idle === 0, `a closed pool keeps ${idle} idle connections`);
    const rejected = model.waiting.find(({ number }) => number < model.rejectedBefore);
    demand(rejected === undefined, `ask ${rejected?.number} waits though the server refused`);
    const busy = waiters + connecting + checking + resetting + closing > 0 ||
      stats.state === "draining" || this.#pending.size > 0 ||
      driver.connections.some((connection) => driver.status(connection) === "busy");
    demand(busy || clock.referenced === 0, "an idle pool holds the process");
  }

  /** Those who have a lease, alive or not. */
  #holders(): Ask[] {
    return this.#asks.filter(({ lease }) => lease !== undefined && !lease.released);
  }

  #giveBack(ask: Ask, how: "release" | "destroy"): void {
    this.model.onReturned(ask);
    ask.lease?.[how]();
  }

  /** Ends the wait of two others. */
  #sendHome(): void {
    this.cancel(0);
    this.abort(0);
  }
}

function pick<T>(list: readonly T[], choice: number): T | undefined {
  return list[choice % Math.max(1, list.length)];
}
