import fc from "fast-check";
import { setImmediate } from "node:timers";
import process from "node:process";
import type { Lease } from "../../../src/core/lease.ts";
import { Pool } from "../../../src/core/pool.ts";
import type { SharedLease } from "../../../src/core/shared_lease.ts";
import {
  type FakeConnection,
  FakeDriver,
  FakeError,
  type HeldCall,
  VirtualClock,
} from "../../../src/testing/mod.ts";
import { test } from "../../support/harness.ts";
import { demand } from "./demand.ts";

/** How many runs, of how many actions each. */
const RUNS = Number(process.env.STEADY_RUNS ?? 2_000);
const ACTIONS = 80;
/** So long who could share waits for one more connection, where connects take no time or hang … */
const PATIENCE_MS = 100;
/** … and twice as long as the last one took, where that was answered late, but no longer than this. */
const MOST_PATIENCE_MS = 1_000;

interface Ask {
  readonly number: number;
  readonly shared: boolean;
  /** Whether it must not queue. */
  readonly never: boolean;
  readonly abort: AbortController;
  lease?: Lease<FakeConnection> | SharedLease<FakeConnection>;
  connection?: FakeConnection;
}

/** A pool whose connections are lent to one or to many. */
class SharingWorld {
  readonly #clock = new VirtualClock({ random: () => 0.5 });
  readonly #driver: FakeDriver;
  readonly #pool: Pool<FakeConnection>;
  readonly #waiting: Ask[] = [];
  readonly #holders = new Set<Ask>();
  readonly #condemned = new Set<FakeConnection>();
  /** Connections on which somebody began a transaction: another may have been shared in place of them. */
  readonly #begun = new Set<FakeConnection>();
  readonly #maxShared: number;
  /** Since when, for all that is known, connects hang. */
  readonly #hangs = new Map<HeldCall, number>();
  /** Since when connections are being closed, by their epoch. */
  readonly #leaves = new Map<number, number>();
  #patienceMs = PATIENCE_MS;
  #above: number;
  #asks = 0;
  #acquires = 0;
  #violation: string | undefined;

  constructor([max, maxShared, reserved, minIdle, maxUses, readers]: readonly number[]) {
    this.#driver = new FakeDriver({
      clock: this.#clock,
      sharing: "multiplex",
      // Those that are shared are of a kind of their own.
      readers: readers === 1,
    });
    const most = 1 + (max ?? 0);
    this.#maxShared = 1 + (maxShared ?? 0);
    this.#above = most;
    this.#pool = new Pool(this.#driver, {
      clock: this.#clock,
      max: most,
      maxShared: this.#maxShared,
      reserved: Math.min(most - 1, reserved ?? 0),
      minIdle: Math.min(most, minIdle ?? 0),
      maxUses: maxUses === 0 ? Infinity : 2 + (maxUses ?? 0),
      acquireTimeoutMs: 1_000,
      connectTimeoutMs: 500,
    });
  }

  async act(number: number): Promise<void> {
    const choice = Math.floor(number / 32);
    const pool = this.#pool;
    const holder = pick([...this.#holders], choice);
    const connection = pick(this.#driver.connections, choice);
    switch (number % 32) {
      case 0:
      case 1:
      case 2:
        this.#ask(false, choice);
        break;
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
        this.#ask(true, choice);
        break;
      case 8:
        pick(this.#waiting, choice)?.abort.abort();
        break;
      case 9:
        if (holder?.connection === undefined) break;
        if (choice % 2 === 0) this.#begun.add(holder.connection);
        holder.connection.run(choice % 2 === 0 ? "begin" : "sleep 40").catch(() => {});
        break;
      case 10:
        if (connection !== undefined) {
          const scope = choice % 3 === 0 ? "own" : "single";
          this.#driver.break(connection, new FakeError("lost", "broken", scope));
        }
        break;
      case 11:
        this.#mute(choice);
        break;
      case 12:
        for (const each of this.#driver.connections) this.#condemned.add(each);
        pool.evict();
        break;
      case 13:
        this.#above = Math.max(this.#above, pool.stats().total);
        pool.resize(3 + choice % 4);
        break;
      case 14:
        if (choice % 3 === 0) pool.suspend();
        else pool.resume();
        break;
      case 15:
      case 16:
      case 17:
        await this.#clock.advance(pick([1, 30, 400, 1_500], choice) ?? 1);
        break;
      case 18:
        holder?.connection?.run("rollback").catch(() => {});
        break;
      case 19:
        await this.#burst(choice);
        break;
      default:
        if (holder !== undefined) this.#giveBack(holder, choice);
    }
    if (choice % 4 > 0) await this.#settle();
  }

  /** A call is not answered, or is after all. */
  #mute(choice: number): void {
    const call = pick(this.#driver.held(), choice);
    if (choice % 4 < 2) this.#driver.hold(choice % 2 === 0 ? "ping" : "connect", 1);
    else if (choice % 4 === 2) {
      const since = call && this.#hangs.get(call);
      if (since !== undefined) this.#tookMs(this.#clock.now() - since);
      call?.answer();
    } else call?.refuse();
  }

  /** A connect took so long: others may, too. */
  #tookMs(tookMs: number): void {
    this.#patienceMs = Math.min(MOST_PATIENCE_MS, Math.max(this.#patienceMs, 2 * tookMs));
  }

  /** Many who share at a time: what they get is on no more connections than may be shared. */
  async #burst(choice: number): Promise<void> {
    await this.#settle();
    const asks = Array.from({ length: 12 }, () => this.#ask(true, choice));
    await this.#settle();
    const lent = new Set(asks.map(({ connection }) => connection));
    const taking = [...this.#taking()].filter((connection) => lent.has(connection));
    demand(taking.length <= this.#maxShared, `${taking.length} connections take leases`);
    for (const ask of asks) {
      if (ask.lease === undefined) ask.abort.abort();
      else this.#giveBack(ask, 1);
    }
  }

  /** Connections that are shared, and for all that is known can be by one more. */
  #taking(): Set<FakeConnection> {
    const retiring = new Set(
      this.#pool.inspect().filter(({ retiring }) => retiring).map(({ epoch }) => epoch),
    );
    const taking = new Set<FakeConnection>();
    for (const { shared, connection, lease } of this.#holders) {
      if (!shared || connection === undefined || lease === undefined || lease.lost) continue;
      const status = this.#driver.status(connection);
      if (status !== "idle" && status !== "busy") continue;
      if (!retiring.has(lease.epoch)) taking.add(connection);
    }
    return taking;
  }

  #ask(shared: boolean, choice: number): Ask {
    const abort = new AbortController();
    const never = choice % 11 === 0;
    const ask: Ask = { number: this.#asks++, shared, never, abort };
    this.#waiting.push(ask);
    const priority = choice % 5 === 0 ? "high" : "normal";
    const options = {
      signal: abort.signal,
      priority,
      ...(never ? { timeoutMs: 0 } : {}),
    } as const;
    const acquire = shared ? this.#pool.acquireShared(options) : this.#pool.acquire(options);
    acquire.then((lease) => {
      this.#leave(ask);
      this.#acquires++;
      ask.lease = lease;
      ask.connection = lease.connection;
      const others = [...this.#holders].filter(({ connection }) => connection === ask.connection);
      if (!lease.lost && others.some((other) => !shared || !other.shared)) {
        this.#violation = `connection ${ask.connection.id} was lent to one and to another`;
      }
      this.#holders.add(ask);
    }, () => this.#leave(ask));
    return ask;
  }

  #leave(ask: Ask): void {
    this.#waiting.splice(this.#waiting.indexOf(ask), 1);
  }

  #giveBack(ask: Ask, choice: number): void {
    this.#holders.delete(ask);
    if (ask.lease !== undefined && "destroy" in ask.lease && choice % 7 === 0) ask.lease.destroy();
    ask.lease?.release();
  }

  async #settle(): Promise<void> {
    await new Promise((resolve) => void setImmediate(resolve));
    const stats = this.#pool.stats();
    const { total, max, used, idle, closing, waiters, connecting, checking, resetting } = stats;
    demand(this.#violation === undefined, this.#violation ?? "");
    const parts = connecting + idle + used + checking + resetting + closing;
    demand(parts === total, `the counts add up: ${parts} is not ${total}`);
    this.#above = Math.max(max, Math.min(this.#above, total));
    demand(total <= this.#above, `nothing is above max: ${total} of ${max}`);
    const alive = [...this.#holders].filter(({ connection }) => connection?.gone === false);
    const lent = new Set(alive.map(({ connection }) => connection));
    demand(used === lent.size, `${lent.size} are lent, the books say ${used}`);
    const sharing = alive.filter(({ shared }) => shared);
    const common = new Set(sharing.map(({ connection }) => connection));
    demand(stats.shared === common.size, `${common.size} are shared, not ${stats.shared}`);
    demand(stats.sharedLeases === sharing.length, `${sharing.length} share, the books differ`);
    const taking = [...this.#taking()].filter((connection) => !this.#begun.has(connection)).length;
    demand(taking <= this.#maxShared, `${taking} take leases, of ${this.#maxShared}`);
    const { acquires } = stats.counters;
    demand(acquires === this.#acquires, `${this.#acquires} were lent, not ${acquires}`);
    demand(waiters === this.#waiting.length, `${this.#waiting.length} wait, not ${waiters}`);
    if (stats.state !== "open" || checking > 0) return;
    const isSound = (connection: FakeConnection): boolean =>
      !this.#condemned.has(connection) && !this.#begun.has(connection) &&
      this.#driver.status(connection) === "idle";
    const sound = [...this.#taking()].filter(isSound).length;
    const onlyShared = this.#waiting.every(({ shared }) => shared);
    const isAsked = this.#driver.held("ping").length > 0;
    const isNever = this.#waiting.some(({ shared, never }) => shared && never);
    // A question may be behind a statement.
    const isBusy = [...common].some((connection) =>
      connection !== undefined && this.#driver.status(connection) === "busy"
    );
    const isUnderWay = isAsked || isBusy || connecting + closing > 0;
    demand(!isNever || isUnderWay, "somebody queues who must not");
    const now = this.#clock.now();
    const hanging = this.#driver.held("connect");
    for (const call of hanging) if (!this.#hangs.has(call)) this.#hangs.set(call, now);
    const leaving = this.#pool.inspect().filter(({ state }) => state === "closing");
    for (const { epoch } of leaving) {
      if (!this.#leaves.has(epoch)) this.#leaves.set(epoch, now);
    }
    // A place that is to be free soon is waited for like a connect.
    const isPatient = [
      ...hanging.map((call) => this.#hangs.get(call)),
      ...leaving.map(({ epoch }) => this.#leaves.get(epoch)),
    ].every((since = now) => now - since < this.#patienceMs);
    demand(
      waiters === 0 || !onlyShared || sound === 0 || isAsked ||
        connecting + closing > 0 && isPatient,
      `${waiters} wait for what is shared while ${sound} can be shared`,
    );
  }

  async end(): Promise<void> {
    this.#driver.restore();
    this.#pool.resume();
    for (let rounds = 100; rounds > 0 && this.#waiting.length > 0; rounds--) {
      for (const ask of this.#holders) this.#giveBack(ask, 1);
      await this.#clock.advance(100);
    }
    demand(this.#waiting.length === 0, `${this.#waiting.length} wait for ever`);
    for (const ask of this.#holders) this.#giveBack(ask, 1);
    void this.#pool.close({ timeoutMs: 100 });
    await this.#clock.advance(10_000);
    const { total, shared, sharedLeases } = this.#pool.stats();
    demand(total + shared + sharedLeases === 0, "the books are at zero");
    demand(this.#driver.open === 0, `${this.#driver.open} connections are left`);
    demand(this.#clock.pending === 0, `${this.#clock.pending} timers are left`);
  }
}

function pick<T>(list: readonly T[], choice: number): T | undefined {
  return list[choice % Math.max(1, list.length)];
}

test(`Pool keeps its invariants with leases of many, in ${RUNS} runs of ${ACTIONS} actions`, async () => {
  const limits = fc.tuple(fc.nat(4), fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(3), fc.nat(1));
  const actions = fc.array(fc.nat(2 ** 20), {
    minLength: ACTIONS,
    maxLength: ACTIONS,
    size: "max",
  });
  await fc.assert(
    fc.asyncProperty(limits, actions, async (sizes, numbers) => {
      // Limits below what `resize` is called with.
      const world = new SharingWorld(sizes);
      for (const number of numbers) await world.act(number);
      await world.end();
    }),
    { numRuns: RUNS },
  );
});
