/**
 * A pool, its server and its users, to whom anything may happen; after every step the invariants of the design hold.
 *
 * @module
 */

import type { LossScope, ResetLevel } from "../../../src/core/driver.ts";
import { Generations } from "../../../src/core/generations.ts";
import type { AcquireOptions } from "../../../src/core/options.ts";
import { Pool } from "../../../src/core/pool.ts";
import type { PoolStats } from "../../../src/core/stats.ts";
import {
  type FakeConnection,
  FakeDriver,
  FakeError,
  type VirtualClock,
} from "../../../src/testing/mod.ts";
import { Candidates } from "./candidates.ts";
import { Connects, type Limits } from "./connects.ts";
import { demand } from "./demand.ts";
import { LoopClock } from "./loop_clock.ts";
import { type Ask, Model } from "./model.ts";
import { Upkeep } from "./upkeep.ts";
import { sum, Watcher } from "./watcher.ts";

/** What a run starts from. */
export interface WorldOptions {
  readonly max: number;
  readonly minIdle: number;
  /** As many as `max`, when not given. */
  readonly maxIdle: number | undefined;
  /** As many as `max`, when not given. */
  readonly maxPendingConnects: number | undefined;
  readonly maxWaiters: number;
  readonly reserved: number;
  readonly lateWaiters: "queue" | "refuse";
  readonly idleTimeoutMs: number;
  readonly keepaliveMs: number;
  readonly maxLifetimeMs: number;
  readonly acquireTimeoutMs: number;
  readonly checkAfterIdleMs: number;
  readonly maxUses: number;
  readonly reset: ResetLevel;
  readonly unavailable: "wait" | "fail-fast";
  /** What the clock's chance gives, always. */
  readonly chance: number;
  /** Whether connects wait for an action to answer them. */
  readonly heldConnects: boolean;
  /** Whether users call `acquire`, or `lend`. */
  readonly promises: boolean;
  /** Whether somebody watches, and what that one does then; 0 for nothing. */
  readonly watcher: number | undefined;
}

/** What a borrower does in the very callback that serves it. */
export type Reaction =
  | "keep"
  | "release"
  | "destroy"
  | "ask again"
  | "send home"
  | "suspend"
  | "resume"
  | "evict"
  | "resize"
  | "close and open";

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
  readonly #upkeep: Upkeep;
  readonly #candidates: Candidates;
  readonly #watcher: Watcher | undefined;
  readonly #asks: Ask[] = [];
  readonly #cancels = new Map<Ask, () => void>();
  readonly #ends: { readonly what: string; done: boolean }[] = [];
  #max: number;
  /** Whether nobody does anything any more in a callback. */
  #isOver = false;
  /** Whether the pool was told to open again, and has not yet. */
  #opening = false;
  /** How often it was closed, closed or not before. */
  #closes = 0;
  /** Connections in the books when that was last looked at. */
  #total = 0;
  /** Connections that everybody has heard of. */
  #settled = 0;

  /**
   * @param options What the pool is told.
   * @param act What its observer does, as a number says.
   */
  constructor(options: WorldOptions, act: (world: World, number: number) => void) {
    const { chance, heldConnects, promises, watcher, lateWaiters, unavailable, ...rest } = options;
    const { max, minIdle, reserved, checkAfterIdleMs, maxUses, reset, maxLifetimeMs } = options;
    const failsFast = unavailable === "fail-fast";
    this.#options = options;
    this.#max = max;
    present = this;
    this.clock = new LoopClock({ random: () => chance });
    this.driver = new FakeDriver({ clock: this.clock });
    this.model = new Model(this.driver, this.clock, {
      promises,
      checkAfterIdleMs,
      maxUses,
      reset,
      failsFast,
      refusesLate: lateWaiters === "refuse",
      outage: () => this.#connects.mayBeOutage,
      mostNormal: () => reserved === 0 ? Infinity : this.#max - reserved,
    });
    this.#connects = new Connects(
      this.driver,
      this.clock,
      this.model,
      () => this.#limits,
    );
    this.#upkeep = new Upkeep(this.driver, this.clock, this.model, options);
    const wears = maxUses !== Infinity || maxLifetimeMs < 60_000;
    this.#candidates = new Candidates(this.clock, this.model, { minIdle, failsFast, wears });
    if (watcher !== undefined) this.#watcher = new Watcher(watcher, (number) => act(this, number));
    if (heldConnects) this.driver.hold("connect");
    const describe = ({ id }: FakeConnection) => ({ pid: id });
    this.pool = new Pool<FakeConnection>(Object.assign(this.driver, { describe }), {
      ...rest,
      lateWaiters,
      unavailable,
      clock: this.clock,
      observer: this.#watcher?.observer,
      connectTimeoutMs: 700,
      checkTimeoutMs: 300,
    });
  }

  get #limits(): Limits {
    const max = this.#max;
    return { max, maxPendingConnects: this.#options.maxPendingConnects ?? max };
  }

  // What users do

  ask(options: AcquireOptions, withSignal: boolean, reaction: Reaction): void {
    const { model, pool } = this;
    const timeoutMs = options.timeoutMs ?? this.#options.acquireTimeoutMs;
    const ask = model.ask(timeoutMs, options.priority === "high");
    this.#asks.push(ask);
    model.onAsked(ask);
    model.asking++;
    const again = (): void => {
      if (this.#isOver) return;
      // Whatever is called in there is not this ask.
      const { asking } = model;
      model.asking = 0;
      if (reaction === "ask again") this.ask(options, withSignal, "keep");
      if (reaction === "send home") this.#sendHome();
      if (reaction === "suspend") this.suspend();
      if (reaction === "resume") this.resume();
      if (reaction === "evict") this.evict();
      if (reaction === "resize") this.resize(1 + ask.number % 5);
      if (reaction === "close and open") {
        this.close(100);
        this.open();
      }
      model.asking = asking;
    };
    const lent: Parameters<typeof pool.lend>[0] = (lease) => {
      model.onLent(ask, lease);
      if (reaction === "release" || reaction === "ask again") this.#giveBack(ask, "release");
      if (reaction === "destroy") this.#giveBack(ask, "destroy");
      again();
    };
    const refused = (error: unknown): void => {
      model.onRefused(ask, error);
      again();
    };
    const all = withSignal ? { ...options, signal: ask.abort.signal } : options;
    const bare = Object.keys(all).length === 0;
    if (this.#options.promises) pool.acquire(bare ? undefined : all).then(lent, refused);
    else this.#cancels.set(ask, pool.lend(lent, refused, bare ? undefined : all));
    model.asking--;
  }

  tryAcquire(): void {
    if (this.model.closed) return;
    const lease = this.pool.tryAcquire();
    if (this.model.suspended && lease !== undefined) {
      this.model.violations.push("tryAcquire lent though the pool is suspended");
    }
    if (lease === undefined) return;
    const ask = this.model.ask(0, false);
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
    // Nobody can give up an ask that is still being made: others may be served before it returns.
    const ask = pick(this.model.waiting.filter((ask) => this.#cancels.has(ask)), choice);
    if (ask === undefined) return;
    this.model.onGaveUp(ask);
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

  /** Condemns some: one, the idle, those that were used, or all; or the filter throws in the end. */
  evictSome(choice: number, which: "one" | "idle" | "used" | "all", throws: boolean): void {
    const { condemned } = this.model;
    const named = new Set<FakeConnection>();
    const chosen = pick(this.driver.connections, choice)?.id;
    let left = this.pool.stats().total;
    try {
      this.pool.evict(({ pid, state, uses }) => {
        left--;
        if (throws && left === 0) throw new Error("a filter throws");
        const isNamed = which === "all" || which === "one" && pid === chosen ||
          which === "idle" && state === "idle" || which === "used" && uses > 0;
        if (isNamed && state === "connecting") this.#connects.onSomeGivenUp();
        const connection = this.driver.connections.find(({ id }) => id === pid);
        if (isNamed && connection !== undefined && !condemned.has(connection)) {
          named.add(connection);
          condemned.add(connection);
        }
        return isNamed;
      });
    } catch (error) {
      demand(throws, `evict threw ${error}`);
      for (const each of named) condemned.delete(each);
    }
  }

  condemn(): void {
    this.model.grounds(2);
    this.pool.condemn(new Error("cannot be written to"));
  }

  suspend(): void {
    const { model } = this;
    if (!model.closed) {
      model.suspended = true;
      model.suspendedAt = this.clock.now();
    }
    this.pool.suspend();
  }

  resume(): void {
    this.model.suspended = false;
    this.pool.resume();
  }

  resize(max: number): void {
    const { minIdle, reserved } = this.#options;
    if (max < Math.max(1, minIdle, reserved + 1)) {
      try {
        this.pool.resize(max);
      } catch (error) {
        return demand(error instanceof RangeError, `resize threw ${error}`);
      }
      throw new Error(`resized to ${max}`);
    }
    this.#total = this.pool.stats().total;
    if (this.#total > max) this.#connects.onSomeGivenUp();
    this.#max = max;
    this.pool.resize(max);
  }

  ready(timeoutMs: number): void {
    this.#candidates.wait(this.pool, timeoutMs);
  }

  abortReady(choice: number): void {
    this.#candidates.abort(choice);
  }

  close(timeoutMs: number): void {
    this.model.closed = true;
    this.model.suspended = false;
    this.model.closedAt = this.clock.now();
    this.#connects.onGivenUp();
    this.#opening = false;
    this.#closes++;
    const close = { what: "close", done: false };
    this.#ends.push(close);
    void this.pool.close({ timeoutMs }).then(() => close.done = true);
  }

  /** Opens the pool again, at once if it is closed. */
  open(): void {
    const { model, pool } = this;
    const { state } = pool.stats();
    if (model.closed) this.#opening = true;
    const open = { what: "open", done: false };
    const closes = this.#closes;
    this.#ends.push(open);
    pool.open().then(() => open.done = true, (error) => {
      open.done = true;
      if (this.#closes === closes) model.violations.push(`open() was rejected: ${error}`);
    });
    demand(state !== "closed" || !model.closed, "a closed pool is open at once when it is told so");
  }

  // What the pool thinks

  onDoubt(): void {
    this.model.onDoubt(this.#settled);
  }

  onGenerationEnded(): void {
    if (this.#opening && this.pool.stats().state === "open") {
      this.#opening = false;
      this.model.closed = false;
      this.#connects.onReopened();
      return;
    }
    this.model.onGenerationEnded();
    this.#connects.onGivenUp();
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
    const { model, pool } = this;
    if (!model.closed) this.#upkeep.check(pool.stats(), this.#connects.mayBeOutage);
  }

  /** All goes well for a while: then the stock is there, and nobody waits who need not. */
  async heal(): Promise<void> {
    await this.#answerAll();
    // Longer than any pause.
    await this.tick(10_500);
    // A look at the pool may be what tells it that the machine slept, and whoever watches of that.
    await this.clock.settle();
    const { driver, model, pool } = this;
    const [violation] = model.violations;
    demand(violation === undefined, violation ?? "");
    if (!model.closed) this.#upkeep.checkStock(pool.stats());
    if (this.#options.heldConnects) driver.hold("connect");
  }

  async #answerAll(): Promise<void> {
    const { clock, driver } = this;
    driver.restore();
    for (let held = driver.held(); held.length > 0; held = driver.held()) {
      for (const call of held) call.answer();
      await clock.settle();
    }
  }

  /**
   * Lets promises settle and checks what must hold.
   *
   * @param turns How many turns; everything when not given.
   */
  async settle(turns?: number): Promise<void> {
    await this.clock.settle(turns);
    const quiet = turns === undefined;
    if (quiet) {
      this.#settled = this.driver.counts.open;
      this.#connects.onQuiet();
      this.model.onQuiet();
    }
    this.#check(quiet);
  }

  /** Everybody goes home: all comes back, the pool closes, and nothing is left; then it is as new. */
  async end(): Promise<void> {
    this.#isOver = true;
    this.#watcher?.calm();
    await this.#serveAll();
    await this.#endLife();
    this.open();
    this.ask({}, false, "release");
    await this.settle();
    await this.settle();
    const { lent } = this.model.ends;
    this.ask({ priority: "high" }, false, "release");
    await this.tick(1_000);
    demand(this.model.ends.lent > lent, "a pool that was opened again lends");
    await this.#endLife();
  }

  /** Nobody waits for ever. */
  async #serveAll(): Promise<void> {
    const { driver, model } = this;
    this.resume();
    await this.heal();
    driver.restore();
    for (let rounds = 100; rounds > 0 && model.waiting.length > 0; rounds--) {
      for (const ask of this.#holders()) this.#giveBack(ask, "release");
      await this.tick(100);
    }
    demand(model.closed || model.waiting.length === 0, "somebody waits for ever");
  }

  async #endLife(): Promise<void> {
    for (const ask of this.#holders()) this.#giveBack(ask, "release");
    this.close(100);
    await this.tick(100_000);
    await this.settle();
    const { clock, driver, pool, model } = this;
    const left = this.#asks.filter((ask) => !ask.settled).map(({ number }) => number);
    demand(left.length === 0, `asks never settled: ${left}`);
    demand(this.#candidates.size === 0, `${this.#candidates.size} wait for a closed pool`);
    const pending = this.#ends.filter(({ done }) => !done).map(({ what }) => what);
    demand(pending.length === 0, `never settled: ${pending}`);
    const { state, total } = pool.stats();
    demand(state === "closed" && total === 0, `a pool that was closed is ${state}, with ${total}`);
    demand(model.lent.size === 0, "something is lent after close");
    demand(driver.open === 0, `${driver.open} connections are left on the server`);
    demand(clock.pending === 0, `${clock.pending} timers are left`);
  }

  #check(quiet: boolean): void {
    const { clock, driver, model, pool } = this;
    const [violation] = model.violations;
    demand(violation === undefined, violation ?? "");
    const stats = pool.stats();
    const { total, connecting, idle, used, checking, resetting, closing, waiters } = stats;
    const parts = connecting + idle + used + checking + resetting + closing;
    demand(parts === total, `the counts add up: ${parts} is not ${total}`);
    const max = this.#max;
    demand(stats.max === max, `the limit is ${max}, not ${stats.max}`);
    demand(total <= Math.max(max, this.#total), `nothing is above max: ${total} of ${max}`);
    this.#total = total;
    demand(
      total - closing <= max || idle + connecting + checking === 0,
      `${total} of ${max} are there, and some that nobody has`,
    );
    const { minIdle, maxIdle = max } = this.#options;
    demand(idle <= maxIdle || waiters > 0, `${idle} are kept idle, at least ${minIdle}`);
    demand(driver.open <= total, `the server has ${driver.open} connections, the books ${total}`);
    const open = idle + used + checking + resetting;
    const { connects, losses, closes } = stats.counters;
    const counted = connects - losses - sum(closes);
    demand(counted === open, `${open} are open, the counters say ${counted}`);
    this.#checkState(stats.state);
    // By promises the model does not know yet who has what.
    const { wanted } = model;
    const known = quiet || !this.#options.promises;
    demand(
      !known || wanted <= checking || idle === 0,
      `${wanted} are wanted while ${idle} are idle and ${checking} are checked`,
    );
    for (const { number, deadline } of model.waiting) {
      demand(
        Math.ceil(deadline) > clock.now() || !quiet,
        `ask ${number} waits beyond its deadline`,
      );
    }
    if (quiet) this.#checkQuiet(stats, wanted);
  }

  #checkQuiet(stats: PoolStats, wanted: number): void {
    const { clock, driver, model } = this;
    const { total, connecting, idle, used, checking, resetting, closing, waiters } = stats;
    demand(driver.open === total, `the server has ${driver.open} connections, the books ${total}`);
    demand(
      waiters === model.waiting.length,
      `${model.waiting.length} wait, the books say ${waiters}`,
    );
    demand(used === model.lent.size, `${model.lent.size} are lent, the books say ${used}`);
    this.#connects.check(stats, wanted, this.#options.acquireTimeoutMs);
    this.#candidates.check(stats);
    this.#checkCounters(stats);
    const released = this.#asks.filter(({ lease }) => lease?.released === true).length;
    this.#watcher?.check(stats, released);
    demand(!model.closed || idle === 0, `a closed pool keeps ${idle} idle connections`);
    const rejected = model.waiting.find(({ number }) => number < model.rejectedBefore);
    demand(rejected === undefined, `ask ${rejected?.number} waits though the server refused`);
    const busy =
      waiters + connecting + checking + resetting + closing + this.#candidates.size > 0 ||
      stats.state === "draining" ||
      driver.connections.some((connection) => driver.status(connection) === "busy");
    demand(busy || clock.referenced === 0, "an idle pool holds the process");
    demand(stats.state !== "closed" || clock.pending === 0, "a closed pool has timers");
  }

  #checkState(state: PoolStats["state"]): void {
    const { closed, suspended } = this.model;
    const expected = suspended ? "suspended" : "open";
    demand(
      closed ? state === "draining" || state === "closed" : state === expected,
      `the pool is ${state}, and should be ${closed ? "closed" : expected}`,
    );
  }

  #checkCounters({ counters, connecting }: PoolStats): void {
    const { lent, timedOut, refused, gaveUp } = this.model.ends;
    const { acquires, timeouts, refusals, connects, connectFailures } = counters;
    demand(acquires === lent, `${lent} were lent, the counters say ${acquires}`);
    demand(timeouts === timedOut, `${timedOut} timed out, the counters say ${timeouts}`);
    const all = sum(refusals);
    demand(all === refused, `${refused} were refused, the counters say ${all}`);
    demand(counters.gaveUp === gaveUp, `${gaveUp} gave up, the counters say ${counters.gaveUp}`);
    const begun = connects + sum(connectFailures) + connecting;
    const { connect } = this.driver.counts;
    demand(connect === begun, `${connect} connects were begun, the counters say ${begun}`);
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
