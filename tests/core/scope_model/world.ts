/**
 * Pools and their scopes, to which anything may happen; after every step the invariants of the design hold.
 *
 * @module
 */

import type { LossScope } from "../../../src/core/driver.ts";
import type { Lease } from "../../../src/core/lease.ts";
import type { AcquireOptions } from "../../../src/core/options.ts";
import type { Scope } from "../../../src/core/scope.ts";
import { type FakeConnection, FakeError } from "../../../src/testing/mod.ts";
import { demand } from "../model/demand.ts";
import { LoopClock } from "../model/loop_clock.ts";
import { type ContextRecord, Party, type PartyOptions } from "./party.ts";
import { type Entry, heldAt, Place, scopeAt, type ScopeRecord, turnAt } from "./place.ts";
import { Traffic } from "./traffic.ts";
import { Mine, Use, type UseKind } from "./use.ts";

/** What an entry into a scope is asked with. */
export interface EnterOptions {
  readonly fresh: boolean;
  /** By `scope`, or by `scoped`. */
  readonly handler: boolean;
}

/** What a use is asked with. */
export interface AskOptions {
  readonly timeoutMs: number | undefined;
  readonly signal: boolean;
  /** Whose connection; that of where the caller stands, when not given. */
  readonly explicit?: ScopeRecord | undefined;
  /** What a single statement says. */
  readonly text: string;
}

/** Pools and their scopes. */
export class World {
  readonly clock = new LoopClock({ random: () => 0.5 });
  readonly parties: readonly Party[];
  readonly #places: Place[] = [new Place(undefined, { is: "anywhere" })];
  readonly #uses: Use[] = [];
  readonly #entries: Entry[] = [];
  readonly #records = new Map<Scope<FakeConnection>, ScopeRecord>();
  /** The last one that was served where it was asked for. */
  readonly #lastServed = new Map<unknown, number>();
  readonly #traffic: Traffic;
  readonly #violations: string[] = [];

  /** @param options What each pool is told. */
  constructor(options: readonly PartyOptions[]) {
    this.parties = options.map((each) => new Party(each, this.clock));
    this.#traffic = new Traffic(this.parties, this.#uses);
    Party.watch(this.parties);
  }

  // Choices

  /** A pool. */
  party(choice: number): Party {
    return present(pick(this.parties, choice));
  }

  /** A place where something can be done: mostly one that has not ended. */
  place(choice: number): Place {
    const going = choice % 8 === 7 ? this.#places : this.#places.filter(({ isOver }) => !isOver);
    return present(pick(going, Math.floor(choice / 8)));
  }

  /** A scope that has not ended, or one that has. */
  record(party: Party, choice: number): ScopeRecord | undefined {
    const going = party.scopes.filter(({ scope }) => !scope.ended);
    return pick(choice % 8 === 7 ? party.scopes : going, Math.floor(choice / 8));
  }

  // Scopes

  openScope(party: Party): void {
    this.#note(party, party.pool.openScope(), false);
  }

  enter(place: Place, party: Party, { fresh, handler }: EnterOptions): void {
    const present = scopeAt(place, party);
    const joined = fresh || present?.scope.ended ? undefined : present;
    const entry = this.#newEntry(party);
    entry.record = joined;
    entry.within = joined !== undefined;
    joined?.entries.add(entry);
    const { pool } = party;
    const promise = place.run(() =>
      handler
        ? pool.scoped(() => this.#inScope(place, entry), { fresh })()
        : pool.scope(() => this.#inScope(place, entry), { fresh })
    );
    this.#await(entry, promise);
    this.#demand(entry.record !== undefined, "a scope did not begin at once");
  }

  makeContext(party: Party): void {
    party.contexts.push({ party, context: party.pool.persistent(), present: undefined });
  }

  enterContext(place: Place, owner: ContextRecord): void {
    const { party, context } = owner;
    const { ended } = context;
    const before = scopeAt(place, party);
    const isIn = before !== undefined && before === owner.present && !before.scope.ended;
    const entry = this.#newEntry(party);
    if (isIn) this.#join(entry, before);
    const promise = place.run(() =>
      context.scope((scope) => {
        const { present } = owner;
        this.#demand(isIn || !ended, "a context that has ended runs a scope");
        if (!isIn) {
          this.#demand(present?.scope !== scope, "scopes of a context are one");
          this.#demand(present?.scope.ended ?? true, "two scopes of a context run at once");
        } else this.#demand(before.scope === scope, "a scope within a context's is not part of it");
        const gate = this.#inScope(place, entry);
        owner.present = entry.record;
        return gate;
      })
    );
    this.#await(entry, promise);
  }

  endContext(owner: ContextRecord, place: Place): void {
    place.run(() => owner.context.end());
    if (owner.present !== undefined && !owner.present.scope.ended) {
      this.#violations.push("a scope goes on though its context has ended");
    }
    if (owner.present !== undefined) owner.present.told = true;
  }

  endScope(record: ScopeRecord, place: Place): void {
    record.told = true;
    place.run(() => record.scope.end());
    this.#demand(record.scope.ended, "a scope that was ended has not");
  }

  outside(place: Place, party: Party): void {
    place.run(() =>
      party.pool.outside(() => {
        this.#places.push(new Place(place, { is: "outside", party }));
        this.#demand(party.pool.current() === undefined, "outside is in a scope");
      })
    );
  }

  /** Ends a callback, in whatever way. */
  finish(place: Place, fails: boolean): void {
    if (place.isOver || place.kind.is === "anywhere") return;
    place.isOver = true;
    if (place.kind.is === "scope") {
      place.kind.entry.finished = true;
      place.kind.entry.record?.entries.delete(place.kind.entry);
    }
    place.finish?.(fails ? new Mine() : undefined);
  }

  #newEntry(party: Party): Entry {
    const entry: Entry = {
      party,
      record: undefined,
      within: false,
      finished: false,
      settled: false,
    };
    this.#entries.push(entry);
    return entry;
  }

  #join(entry: Entry, record: ScopeRecord): void {
    entry.record = record;
    entry.within = true;
    record.entries.add(entry);
  }

  #note(party: Party, scope: Scope<FakeConnection>, endsItself: boolean): ScopeRecord {
    const record: ScopeRecord = {
      number: this.#records.size,
      party,
      scope,
      endsItself,
      entries: new Set(),
      told: false,
      connection: undefined,
      answered: false,
      begun: false,
      passed: false,
    };
    this.#records.set(scope, record);
    party.scopes.push(record);
    return record;
  }

  /** The callback of a scope runs. */
  #inScope(outer: Place, entry: Entry): Promise<void> {
    const { party } = entry;
    const scope = party.pool.current();
    if (scope === undefined) {
      this.#violations.push("a callback of a scope is in none");
      return Promise.resolve();
    }
    const known = this.#records.get(scope);
    if (entry.record !== undefined) {
      this.#demand(known === entry.record, "a scope within another is not part of it");
    } else {
      this.#demand(known === undefined, "a new scope is an old one");
      entry.record = this.#note(party, scope, true);
      entry.record.entries.add(entry);
    }
    return this.#go(outer, { is: "scope", entry });
  }

  /** Begins a callback that runs until it is told to end. */
  #go(outer: Place, kind: Place["kind"]): Promise<void> {
    return new Promise((resolve, reject) => {
      const place = new Place(
        outer,
        kind,
        (error) => error === undefined ? resolve() : reject(error),
      );
      this.#places.push(place);
      if (kind.is === "use") kind.use.inner = place;
    });
  }

  #await(entry: Entry, promise: Promise<unknown>): void {
    promise.then(() => {
      entry.settled = true;
      this.#demand(entry.finished, "a scope was over before its callback");
    }, (error) => {
      entry.settled = true;
      if (error instanceof Mine && entry.finished) return;
      const isNamed = error?.code === "OUT_OF_SCOPE" && entry.record === undefined;
      this.#demand(isNamed, `a scope was rejected without cause: ${error}`);
    });
  }

  // Uses

  ask(place: Place, party: Party, kind: UseKind, options: AskOptions): void {
    const { explicit, timeoutMs, signal: withSignal, text } = options;
    const record = explicit ?? scopeAt(place, party);
    place.run(() => {
      const { pool } = party;
      this.#demand(
        pool.current() === scopeAt(place, party)?.scope,
        "the current scope is not that of the place",
      );
      const within = record && turnAt(place, record);
      const node = record?.scope.here;
      if (record !== undefined && !record.scope.ended) {
        const isRight = within === undefined ? node?.parent === undefined : node === within.lease;
        this.#demand(isRight, "something stands in a scope where it was not begun");
      }
      const use = new Use({
        number: this.#uses.length,
        kind,
        party,
        scope: record,
        place,
        within,
        node,
        held: heldAt(place, party),
        calledAt: this.clock.now(),
        timeoutMs,
        late: record?.scope.ended ?? false,
      });
      this.#uses.push(use);
      party.uses.add(use);
      const bag: AcquireOptions = {
        ...(timeoutMs !== undefined && { timeoutMs }),
        ...(withSignal && { signal: use.abort.signal }),
      };
      if (use.isStatement) this.#send(use, bag, text);
      else this.#take(use, bag, explicit?.scope);
    });
  }

  tryAcquire(place: Place, party: Party, explicit: ScopeRecord | undefined): void {
    const record = explicit ?? scopeAt(place, party);
    if (explicit === undefined && party.closedAt > -Infinity) return;
    place.run(() => {
      const within = record && turnAt(place, record);
      const node = record?.scope.here;
      let lease: Lease<FakeConnection> | undefined;
      try {
        lease = explicit === undefined ? party.pool.tryAcquire() : explicit.scope.tryAcquire();
      } catch (error) {
        const isNamed = error instanceof Error && "code" in error && error.code === "OUT_OF_SCOPE";
        this.#demand(isNamed && record?.scope.ended === true, `tryAcquire threw ${error}`);
        return;
      }
      this.#demand(record?.scope.ended !== true || party.closedAt > -Infinity, "tried too late");
      if (lease === undefined) return;
      const use = new Use({
        number: this.#uses.length,
        kind: "lease",
        party,
        scope: record,
        place,
        within,
        node,
        held: heldAt(place, party),
        calledAt: this.clock.now(),
        timeoutMs: 0,
        late: false,
      });
      this.#uses.push(use);
      party.uses.add(use);
      use.settled = true;
      this.#served(use, lease);
    });
  }

  #take(use: Use, options: AcquireOptions, scope: Scope<FakeConnection> | undefined): void {
    const from = scope ?? use.party.pool;
    if (use.parts.kind === "lease") {
      from.acquire(options).then((lease) => {
        use.settled = true;
        this.#served(use, lease);
      }, (error) => this.#refused(use, error));
      return;
    }
    let told = false;
    from.use((lease) => {
      told = true;
      this.#served(use, lease);
      return this.#go(use.parts.place, { is: "use", use });
    }, options).then(() => this.#ended(use), (error) => {
      if (told) this.#ended(use, error);
      else this.#refused(use, error);
    });
  }

  #send(use: Use, options: AcquireOptions, text: string): void {
    const { scope: record, node, kind } = use.parts;
    const refused = (error: unknown): void => this.#refused(use, error);
    const run = (lease: Lease<FakeConnection>, leave: () => void): void => {
      this.#served(use, lease);
      this.#say(use, lease, text).then(() => {
        if (use.state !== "served") this.#violations.push("a statement ended twice");
        answeredOn(use);
        this.#ended(use);
        leave();
      });
    };
    if (record === undefined || node === undefined) {
      use.party.pool.share((lease) => run(lease, () => lease.release()), refused, options);
      return;
    }
    if (kind === "statement" && text === "begin") record.begun = true;
    record.scope.enter({
      alone: kind === "cursor",
      outlasts: true,
      signal: options.signal,
      timeoutMs: options.timeoutMs,
      served: (lease, visit) => run(lease, () => visit.leave()),
      refused,
    }, node);
  }

  /** Says something on a connection. Never rejects. */
  async #say(use: Use, lease: Lease<FakeConnection>, text: string): Promise<void> {
    try {
      const { connection } = lease;
      const words = this.#traffic.tag(use, text);
      const running = connection.run(words);
      await running.catch((error) => {
        if (error instanceof FakeError && error.kind === "statement") return;
        throw error;
      });
    } catch {
      // Lost: nothing was answered.
    }
  }

  /** Says something on a connection that is had, or is not had any more. */
  run(choice: number, text: string): void {
    const having = this.#uses.filter(({ lease, isStatement }) => lease && !isStatement);
    const recent = choice % 8 === 7 ? having : having.filter(({ has }) => has);
    const use = pick(recent, Math.floor(choice / 8));
    if (use?.lease === undefined) return;
    const { lease } = use;
    // Where a transaction by hand goes on over a callback's end, nothing but a deadline would end what never ends.
    const endless = text === "sleep" && use.outermost.beganInside;
    if (use.has) return void this.#say(use, lease, endless ? "sleep 30" : text);
    let connection: FakeConnection | undefined;
    try {
      connection = lease.connection;
    } catch {
      return;
    }
    this.#violations.push(`a lease that is over has connection ${connection.id}`);
  }

  release(choice: number, place: Place, how: "release" | "destroy"): void {
    const having = this.#uses.filter(({ has, isStatement }) => has && !isStatement);
    const use = pick(having, choice);
    if (use?.lease === undefined) return;
    const { lease } = use;
    if (how === "release") answeredOn(use);
    place.run(() => lease[how]());
    this.#demand(lease.released, "a lease that was released is not");
    use.state = "over";
  }

  abort(choice: number, place: Place): void {
    const waiting = this.#uses.filter(({ state }) => state === "waiting");
    const use = pick(waiting, choice);
    place.run(() => use?.abort.abort(new Mine()));
  }

  /** It has the connection. */
  #served(use: Use, lease: Lease<FakeConnection>): void {
    this.#demand(use.state === "waiting", `a use that is ${use.state} was served`);
    use.lease = lease;
    use.state = "served";
    const { scope: record, alone, isStatement } = use;
    const { node, late } = use.parts;
    // Its scope, or what it stands in, has ended since it was its turn.
    if (!isStatement && lease.released) return;
    this.#demand(!late, "who came late was served");
    if (record === undefined) return;
    this.#lastServed.set(node, Math.max(use.number, this.#lastServed.get(node) ?? 0));
    const { scope, party } = record;
    this.#demand(isStatement || !scope.ended, "a scope that has ended lends its connection");
    this.#demand(!node?.over || isStatement, "a callback that has ended has the connection");
    for (const other of party.uses) {
      if (other === use || !other.has || other.parts.node !== node) continue;
      if (alone || other.alone) this.#violations.push("somebody is not alone");
    }
    if (lease.lost) return;
    const { connection } = lease;
    use.connection = connection;
    const { driver } = party;
    const status = driver.status(connection);
    use.beganInside = status === "in transaction" || status === "failed";
    this.#demand(
      !use.beganInside || record.begun || use.within !== undefined,
      "somebody finds himself in a transaction that another has left open",
    );
    if (connection === record.connection) return;
    this.#demand(!record.answered, "a scope has another connection though one had answered");
    record.connection = connection;
    record.answered = false;
  }

  #ended(use: Use, error?: unknown): void {
    use.settled = true;
    use.state = "over";
    if (use.isStatement) return;
    answeredOn(use);
    this.#demand(use.inner?.isOver === true, "a use was over before its callback");
    this.#demand(use.lease?.released === true, "a use that is over keeps its connection");
    const isJust = error === undefined || error instanceof Mine;
    this.#demand(isJust, `a use was rejected without cause: ${error}`);
  }

  #refused(use: Use, error: unknown): void {
    this.#demand(use.state === "waiting", `a use that is ${use.state} was refused`);
    use.settled = true;
    use.state = "refused";
    const { scope } = use;
    const isJust = use.isJust(error, this.clock.now());
    const where = scope === undefined ? "the pool" : `scope ${scope.number}`;
    this.#demand(isJust, `use ${use.number} of ${where} was refused without cause: ${error}`);
  }

  // What else happens

  break(party: Party, choice: number, scope: LossScope): void {
    const connection = pick(party.driver.connections, choice);
    if (connection === undefined) return;
    // One that the pool has not heard of yet is one that failed to connect.
    party.mayRefuse = true;
    party.driver.break(connection, new FakeError("lost", `lost: ${scope}`, scope));
  }

  answer(party: Party, choice: number): void {
    pick(party.driver.held(), choice)?.answer();
  }

  resize(party: Party, max: number): void {
    if (max < party.max) party.wasLowered = true;
    party.max = max;
    party.pool.resize(max);
  }

  close(party: Party): void {
    if (party.closedAt === -Infinity) party.closedAt = Infinity;
    void party.pool.close({ timeoutMs: 200 });
  }

  // Steps

  /**
   * Lets promises settle and checks what must hold.
   *
   * @param turns How many turns; everything when not given.
   */
  async settle(turns?: number): Promise<void> {
    await this.clock.settle(turns);
    const quiet = turns === undefined;
    this.#complain();
    this.#traffic.read();
    for (const party of this.parties) party.check(quiet);
    if (quiet) this.#checkQuiet();
  }

  /** All goes home: everything settles, and nothing is left. */
  async end(): Promise<void> {
    const [anywhere] = this.#places;
    for (const { driver, pool } of this.parties) {
      driver.restore();
      pool.resume();
    }
    // What is entered late, such as the next scope of a context, ends when it begins.
    for (let rounds = 60; rounds === 60 || rounds > 0 && !this.#isIdle; rounds--) {
      for (const place of this.#places) this.finish(place, false);
      for (const { has, isStatement, lease } of this.#uses) {
        if (has && !isStatement) lease?.release();
      }
      for (const { scopes, contexts } of this.parties) {
        for (const record of scopes) if (anywhere !== undefined) this.endScope(record, anywhere);
        if (rounds < 30) { for (const { context } of contexts) context.end(); }
      }
      await this.settle();
      await this.clock.advance(500);
      await this.settle();
    }
    this.#demandNothingLeft();
    for (const party of this.parties) {
      for (const { context } of party.contexts) context.end();
    }
    await this.settle();
    for (const { pool } of this.parties) {
      const { used, waiters } = pool.stats();
      demand(used + waiters === 0, `${used} are lent and ${waiters} wait in the end`);
    }
    await this.#close();
  }

  get #isIdle(): boolean {
    return this.#uses.every(({ settled, lease, isStatement }) =>
      settled && (isStatement || lease === undefined || lease.released)
    ) && this.#entries.every(({ settled }) => settled);
  }

  #demandNothingLeft(): void {
    const uses = this.#uses.filter(({ settled }) => !settled).map(({ number }) => number);
    demand(uses.length === 0, `uses never settled: ${uses}`);
    const entries = this.#entries.filter(({ settled }) => !settled).length;
    demand(entries === 0, `${entries} scopes never settled`);
  }

  async #close(): Promise<void> {
    let closed = 0;
    for (const { pool } of this.parties) void pool.close({ timeoutMs: 100 }).then(() => closed++);
    await this.clock.advance(20_000);
    demand(closed === this.parties.length, "a pool was not closed");
    for (const { driver } of this.parties) {
      demand(driver.open === 0, `${driver.open} connections are left on the server`);
    }
    demand(this.clock.pending === 0, `${this.clock.pending} timers are left`);
  }

  #checkQuiet(): void {
    const now = this.clock.now();
    for (const record of this.#records.values()) if (!record.passed) this.#checkScope(record);
    for (const { uses } of this.parties) {
      for (const use of uses) {
        if (use.state === "served" && !use.isStatement && use.lease?.released) use.state = "over";
        if (use.state === "waiting") this.#checkWaiting(use, now);
      }
    }
    this.#traffic.pass(this.#records.values());
    for (const party of this.parties) for (const owner of party.contexts) checkClean(owner);
  }

  #checkScope({ scope, number, endsItself, told, entries, party }: ScopeRecord): void {
    const shouldEnd = told || endsItself && entries.size === 0;
    demand(scope.ended === shouldEnd, `scope ${number} has ended: ${scope.ended}`);
    if (!scope.ended || scope.released) return;
    const isUsed = [...party.uses].some((use) =>
      use.scope?.scope === scope && use.isStatement && (use.has || use.state === "waiting")
    );
    demand(
      isUsed || this.#isBusy(scope, party),
      `scope ${number} has ended and gives nothing back`,
    );
  }

  #isBusy(scope: Scope<FakeConnection>, { driver }: Party): boolean {
    const connection = this.#records.get(scope)?.connection;
    return connection !== undefined && driver.status(connection) === "busy";
  }

  /** Who waits has a reason to, and a deadline. */
  #checkWaiting(use: Use, now: number): void {
    const { scope: record, party, alone, number } = use;
    const { calledAt, timeoutMs, node } = use.parts;
    const line = party.options.acquireTimeoutMs || 10_000;
    const most = timeoutMs ?? 2 * line + 2_000;
    demand(now < calledAt + most || most === 0, `use ${number} waits beyond its deadline`);
    if (record === undefined) return;
    const last = this.#lastServed.get(node) ?? 0;
    demand(last <= number, `use ${last} was served before use ${number}, which had come before`);
    if (record.scope.epoch === 0) return;
    const { scope } = record;
    const inFront = [...party.uses].some((other) =>
      other.parts.node === node && other.parts.scope === record &&
      (other.has && (alone || other.alone) ||
        other.number < number && other.state === "waiting")
    );
    demand(
      inFront || this.#isBusy(scope, party),
      `use ${number} of scope ${record.number} waits for nothing`,
    );
  }

  #demand(condition: boolean, otherwise: string): void {
    if (!condition) this.#violations.push(otherwise);
  }

  #complain(): void {
    const [violation] = this.#violations;
    demand(violation === undefined, violation ?? "");
  }
}

/** Between two scopes of a context nothing is left open on its connection. */
function checkClean({ context, present, party }: ContextRecord): void {
  if (context.ended || party.closedAt > -Infinity || present?.connection === undefined) return;
  const status = party.driver.status(present.connection);
  const isOpen = status === "in transaction" || status === "failed";
  demand(!present.passed || !isOpen, `a context keeps a connection that is ${status}`);
}

/** A use is over, and its connection is not: from now on another would not do for its scope. */
function answeredOn({ scope, within, connection }: Use): void {
  if (scope === undefined || within !== undefined || (connection?.gone ?? true)) return;
  if (scope.connection === connection) scope.answered = true;
}

function pick<T>(list: readonly T[], choice: number): T | undefined {
  return list[choice % Math.max(1, list.length)];
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("there is one");
  return value;
}
