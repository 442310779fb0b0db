/**
 * Who gets which connection that is ready.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Commons } from "./commons.ts";
import type { Demand } from "./demand.ts";
import { type Lease, type LeaseHome, PoolLease } from "./lease.ts";
import type { LeaseWatch } from "./lease_watch.ts";
import type { Maintenance } from "./maintenance.ts";
import type { Choice, Multiplexer } from "./multiplexer.ts";
import { ObservedHome } from "./observed_home.ts";
import { ObservedLease } from "./observed_lease.ts";
import type { CloseReason, Events } from "./observer.ts";
import type { ServiceRate } from "./service_rate.ts";
import type { ShareWatch } from "./share_watch.ts";
import type { Site } from "./site.ts";
import type { Sizes } from "./sizing.ts";
import type { Slot } from "./slot.ts";
import type { Trust } from "./trust.ts";
import type { TurnClock } from "./turn_clock.ts";
import type { Usage } from "./usage.ts";
import type { Waiter } from "./waiter.ts";
import type { WaiterLine } from "./waiter_line.ts";
import type { WaiterQueue } from "./waiter_queue.ts";
import { EXCLUSIVE, PROMISED, type Wish } from "./wish.ts";

/** What is lent, and to whom. */
export interface LendingParts<C> {
  /** How many connections there may be, and may be kept. */
  readonly sizes: Sizes;
  /** Whether uses are limited, and so counted. */
  readonly countsUses: boolean;
  /** Whether the pool lends. */
  readonly life: { readonly isOpen: boolean };
  /** Whether it does not for the time being. */
  readonly suspension: { readonly on: boolean };
  /** The books. */
  readonly bag: Bag<C>;
  /** Who waits. */
  readonly queue: WaiterQueue<C>;
  /** Tells who may have one more; only where some are reserved. */
  readonly demand: Pick<Demand<C>, "allows" | "allowsSlot"> | undefined;
  /** Tells what has to make room; only where there is more than one kind. */
  readonly kinds: Pick<Demand<C>, "isInWay"> | undefined;
  /** Connections that leases share. */
  readonly commons: Pick<Commons<C>, "free" | "find" | "ask" | "joined" | "left" | "adopts">;
  /**
   * Whether another connection comes soon, or can be opened, for who wants a read-only one, or any: for who is next, or
   * has just come.
   */
  readonly mayCome: (reader: boolean, waiter: Waiter<C> | undefined) => boolean;
  /** Measures how fast those who wait are served, if anybody asks. */
  readonly rate: Pick<ServiceRate, "served"> | undefined;
  /** Judges what is idle. */
  readonly trust: Trust<C>;
  /** Tells since when something is idle. */
  readonly turn: TurnClock;
  /** Packs single statements, where they may share a connection. */
  readonly multiplexer: Multiplexer<C> | undefined;
  /** Makes what leases go to when they are released: no step comes between, as that is taken at every release. */
  readonly home: (lending: Lending<C>) => LeaseHome<C>;
  /** Looks after what is idle. */
  readonly maintenance: Pick<Maintenance<C>, "kept" | "look" | "isUnused" | "closeUnused">;
  /** Closes what is worn, or one too many. */
  readonly close: (slot: Slot<C>, reason?: CloseReason) => void;
  /** Looks after what is not given back. */
  readonly watch: Pick<LeaseWatch<C>, "isOn" | "isBusy" | "begin" | "remembers">;
  /** Looks after shares that are not. */
  readonly shares: Pick<ShareWatch<C>, "begin">;
  /** Counts and measures. */
  readonly usage: Usage<C>;
  /** Who watches. */
  readonly events: Events;
  /** Called when fewer are idle than there should be. */
  readonly low: () => void;
  /** A worn connection is in use for want of another, read-only or not. */
  readonly replaceLater: (reader: boolean) => void;
  /** Called when nobody waits any more. */
  readonly emptied: () => void;
  /** Called when somebody waits for what cannot be lent as it is. */
  readonly wanted: () => void;
}

/**
 * Lends what is ready: to who asks, if nobody waits who goes before, else to who is next. What is idle is lent in the reverse order
 * of its use.
 */
export class Lending<C> {
  readonly #sizes: Sizes;
  readonly #minIdle: number;
  readonly #countsUses: boolean;
  readonly #life: { readonly isOpen: boolean };
  readonly #suspension: { readonly on: boolean };
  readonly #bag: Bag<C>;
  readonly #queue: WaiterQueue<C>;
  readonly #demand: LendingParts<C>["demand"];
  readonly #kinds: LendingParts<C>["kinds"];
  readonly #commons: LendingParts<C>["commons"];
  readonly #mayCome: LendingParts<C>["mayCome"];
  readonly #rate: Pick<ServiceRate, "served"> | undefined;
  readonly #trust: Trust<C>;
  readonly #turn: TurnClock;
  readonly #multiplexer: Multiplexer<C> | undefined;
  readonly #home: LeaseHome<C>;
  /** Where leases go to that have their connection for themselves. */
  readonly #soleHome: LeaseHome<C>;
  readonly #maintenance: Pick<Maintenance<C>, "kept" | "look" | "isUnused" | "closeUnused">;
  readonly #close: (slot: Slot<C>, reason?: CloseReason) => void;
  readonly #watch: Pick<LeaseWatch<C>, "isOn" | "isBusy" | "begin" | "remembers">;
  readonly #shares: Pick<ShareWatch<C>, "begin">;
  readonly #usage: Usage<C>;
  readonly #events: Events;
  readonly #low: () => void;
  readonly #replaceLater: (reader: boolean) => void;
  readonly #emptied: () => void;
  readonly #wanted: () => void;
  /** Whether {@linkcode Lending.serve} is on the stack. */
  #serving = false;
  /**
   * Whether nothing is asked at each acquire and release but what every pool has to: nothing reserved, nothing read-only,
   * nobody who watches each lease. Most pools are so, and the short way through costs them a third less.
   */
  readonly #isPlain: boolean;
  /** Whether somebody is told of each lease. */
  readonly #tells: boolean;
  /** Who waits in a plain pool. */
  readonly #line: WaiterLine<C>;

  /** @param parts What is lent, and to whom. */
  constructor(parts: LendingParts<C>) {
    this.#sizes = parts.sizes;
    this.#minIdle = parts.sizes.minIdle;
    this.#countsUses = parts.countsUses;
    this.#life = parts.life;
    this.#suspension = parts.suspension;
    this.#bag = parts.bag;
    this.#queue = parts.queue;
    this.#demand = parts.demand;
    this.#kinds = parts.kinds;
    this.#commons = parts.commons;
    this.#mayCome = parts.mayCome;
    this.#rate = parts.rate;
    this.#trust = parts.trust;
    this.#turn = parts.turn;
    this.#multiplexer = parts.multiplexer;
    this.#maintenance = parts.maintenance;
    this.#close = parts.close;
    this.#watch = parts.watch;
    this.#shares = parts.shares;
    this.#usage = parts.usage;
    this.#events = parts.events;
    this.#low = parts.low;
    this.#replaceLater = parts.replaceLater;
    this.#emptied = parts.emptied;
    this.#wanted = parts.wanted;
    this.#line = parts.queue.line(false);
    this.#isPlain = parts.demand === undefined && parts.kinds === undefined &&
      parts.rate === undefined && !parts.countsUses && parts.sizes.minIdle === 0;
    this.#home = parts.home(this);
    this.#tells = parts.events.ofLeases;
    this.#soleHome = this.#tells ? new ObservedHome(this.#home, parts.events) : this.#home;
  }

  /**
   * Whether who waits can be served now: not while others are, as what comes back in a callback of theirs is seen to in
   * turn, and not while lending is suspended.
   */
  get mayServe(): boolean {
    return !this.#serving && !this.#suspension.on;
  }

  /**
   * Lends an idle connection that needs no check.
   *
   * @param site Where the acquire was made, if that is known.
   * @returns The lease; `undefined` if there is none, or somebody waits.
   */
  lendIdle(site?: Site): Lease<C> | undefined {
    // Somebody waits and something is ready only while callbacks run: then it is on its way to who waits.
    if (this.#line.head !== undefined || this.#suspension.on) return undefined;
    if (!this.#isPlain) return this.#lendIdleWithCare(site);
    const { top } = this.#bag;
    if (top === undefined || !this.#trust.isFresh(top)) return this.#lendIdleWithCare(site);
    this.#bag.takeIdle();
    // Who looked whether it is fresh has read the clock.
    this.#usage.lentAlone(top, this.#turn.latest);
    if (this.#tells) this.#tell(top, site, 0);
    return this.#plainLease(top, site);
  }

  #lendIdleWithCare(site: Site | undefined): Lease<C> | undefined {
    if (this.#demand?.allows(EXCLUSIVE) === false) return undefined;
    const slot = this.takeReady();
    return slot === undefined ? undefined : this.#lease(slot, site, 0);
  }

  /**
   * Lends what somebody wants: for a single statement, or to be shared, perhaps a connection that others have; else an idle
   * one.
   *
   * @param wish What is wanted.
   * @param site Where the acquire was made, if that is known.
   * @returns The lease; `undefined` if there is none, or somebody waits who goes before.
   */
  lend(wish: Wish, site?: Site): Lease<C> | undefined {
    if (this.#suspension.on) return undefined;
    const { head } = this.#queue.line(wish.reader);
    if (head !== undefined && (head.wish.high || !wish.high)) return undefined;
    const slot = this.#find(wish);
    return slot === undefined ? undefined : this.#grant(slot, wish, site, 0);
  }

  /** Finds what somebody can be lent who is next. */
  #find(wish: Wish): Slot<C> | undefined {
    if (wish.use === "shared") return this.#findCommon(wish);
    const busy = wish.use === "statement" ? this.#multiplexer?.find(this.#choice(0)) : undefined;
    return busy ?? this.#findIdle(wish);
  }

  #findIdle(wish: Wish): Slot<C> | undefined {
    if (this.#demand?.allows(wish) === false) return undefined;
    return this.takeReady(wish.reader);
  }

  /** As long as more may be shared one that is not; if none comes soon, the one with the fewest leases. */
  #findCommon(wish: Wish, waiter?: Waiter<C>): Slot<C> | undefined {
    if (!this.#life.isOpen) return undefined;
    if (this.#commons.free > 0 && this.#demand?.allows(wish) !== false) {
      const slot = this.takeReady(wish.reader);
      if (slot !== undefined || this.#mayCome(wish.reader, waiter)) return slot;
    }
    return this.#commons.find();
  }

  #grant(slot: Slot<C>, wish: Wish, site: Site | undefined, waitMs: number): Lease<C> {
    // What is handed on may have been lent to somebody of another priority before.
    if (slot.high !== wish.high && slot.shares + slot.holders === 0) {
      this.#bag.mark(slot, wish.high);
    }
    if (wish.use === "exclusive") return this.#lease(slot, site, waitMs);
    return wish.use === "shared" ? this.#hold(slot, site, waitMs) : this.#join(slot, site, waitMs);
  }

  #plainLease(slot: Slot<C>, site: Site | undefined): Lease<C> {
    if (slot.site !== site) slot.site = site;
    const lease = new PoolLease(this.#soleHome, slot);
    if (!this.#watch.isBusy) this.#remember(slot, lease);
    return lease;
  }

  /** Tells of an exclusive lease that begins. */
  #tell({ steady, lentAt }: Slot<C>, site: Site | undefined, waitMs: number): void {
    this.#events.tellAcquired(lentAt, steady?.epoch ?? 0, waitMs, false, site?.label);
  }

  #remember(slot: Slot<C>, lease: PoolLease<C>): void {
    const watch = this.#watch;
    if (!watch.isOn) watch.begin();
    if (watch.remembers) slot.lease = lease;
  }

  #lease(slot: Slot<C>, site: Site | undefined, waitMs: number): Lease<C> {
    this.#count(slot, site);
    if (this.#tells && slot.shares > 0) {
      return slot.lease = this.#observed(this.#home, slot, site, waitMs);
    }
    const lease = slot.lease = new PoolLease(this.#soleHome, slot);
    if (this.#tells) this.#tell(slot, site, waitMs);
    return lease;
  }

  /** A lease begins. */
  #count(slot: Slot<C>, site: Site | undefined): void {
    if (this.#countsUses) slot.steady?.countUse();
    if (this.#bag.idleOf(false) < this.#minIdle) this.#low();
    this.#usage.lent(slot, this.#turn.latest);
    slot.site = site;
    if (!this.#watch.isOn) this.#watch.begin();
  }

  #observed(
    home: LeaseHome<C>,
    slot: Slot<C>,
    site: Site | undefined,
    waitMs: number,
  ): PoolLease<C> {
    const lease = new ObservedLease(home, slot, this.#events, site?.label);
    lease.begin(waitMs);
    return lease;
  }

  #join(slot: Slot<C>, site: Site | undefined, waitMs: number): Lease<C> {
    this.#multiplexer?.joined(slot, this.#queue.line(false).size);
    const lease = this.#lease(slot, site, waitMs);
    // Else one that is never without statements would never come to its end.
    this.#trust.isWornByNow(slot);
    return lease;
  }

  #hold(slot: Slot<C>, site: Site | undefined, waitMs: number): Lease<C> {
    const now = this.#turn.now();
    this.#commons.joined(slot, now);
    this.#count(slot, site);
    // What is known of one who had it alone says nothing of those who share it.
    slot.lease = slot.watched = undefined;
    const share = this.#shares.begin(slot, site, now, this.#home);
    const lease = share.lease = this.#tells
      ? this.#observed(share, slot, site, waitMs)
      : new PoolLease(share, slot);
    // Else one that somebody always has would never come to its end.
    this.#trust.isWornByNow(slot);
    if (slot.retiring) this.#replaceLater(slot.reader);
    return lease;
  }

  #choice(waiting: number): Choice {
    const alone = this.#bag.top !== undefined || this.#bag.total < this.#sizes.max;
    return { alone, waiting };
  }

  /**
   * Takes the idle connection that was used last, if it can be lent as it is; else another that can.
   *
   * @param reader Whether one that is read-only.
   * @returns Its slot, which is `used` now.
   */
  takeReady(reader = false): Slot<C> | undefined {
    if (reader) return this.#bag.readerTop && this.#findReady(this.#bag.readerTop);
    const top = this.#bag.top;
    if (top === undefined) return undefined;
    return this.#trust.isFresh(top) ? this.#bag.takeIdle() : this.#findReady(top);
  }

  /** Looks for one that needs no check, from the one that was used last down; worn ones are closed on the way. */
  #findReady(top: Slot<C>): Slot<C> | undefined {
    const trust = this.#trust;
    const maintenance = this.#maintenance;
    // The process was frozen: its timers are late.
    if (maintenance.isUnused(top)) maintenance.closeUnused();
    for (let slot = top.reader ? this.#bag.readerTop : this.#bag.top; slot !== undefined;) {
      const { below }: Slot<C> = slot;
      const isRestless = trust.isRestless(slot);
      if (trust.isWorn(slot)) this.#close(slot);
      // Those below have been idle for longer.
      else if (isRestless) return undefined;
      else if (trust.isTrusted(slot)) {
        this.#bag.move(slot, "used");
        return slot;
      }
      slot = below;
    }
    return undefined;
  }

  /**
   * Takes in a connection that nobody has: it is lent on, or kept; checked first, if that is needed.
   *
   * @param slot Its slot.
   */
  welcome(slot: Slot<C>): void {
    // First: a look at the clock may raise doubts.
    this.#turn.now();
    if (this.#trust.isTrusted(slot)) return this.offer(slot);
    this.#keep(slot);
    if (this.#queue.size > 0) this.#wanted();
  }

  /**
   * Gives a connection on that one borrower had alone and has given back, and that can be lent as it is.
   *
   * @param slot Its slot.
   * @param now The time.
   */
  passOn(slot: Slot<C>, now: number): void {
    if (this.#isPlain && !slot.high) {
      const { head } = this.#line;
      if (head === undefined) return this.#keepPlain(slot, now);
      if (head.wish === PROMISED && !this.#serving && !this.#suspension.on) {
        return this.#handOver(slot, head, now);
      }
    }
    this.#usage.over(slot, now, false);
    this.offer(slot);
  }

  #keepPlain(slot: Slot<C>, now: number): void {
    this.#usage.over(slot, now, false);
    slot.idleSince = slot.usedAt = now;
    this.#bag.putBack(slot);
    if (this.#bag.counts.idle > this.#sizes.maxIdle) this.#close(slot, "surplus");
    else this.#maintenance.kept();
  }

  /**
   * Gives a connection that came back to who waits: what {@linkcode Lending.serve} does, for one waiter of a plain pool who is
   * told by a promise.
   */
  #handOver(slot: Slot<C>, waiter: Waiter<C>, now: number): void {
    this.#queue.advance(waiter);
    this.#usage.passedOn(slot, now, waiter.since);
    if (this.#tells) this.#tell(slot, waiter.site, now - waiter.since);
    waiter.lent(this.#plainLease(slot, waiter.site));
    const { head } = this.#line;
    if (head === undefined) {
      if (this.#queue.size === 0) this.#emptied();
    } else if (head.wish !== PROMISED) this.#serveNext(slot);
  }

  /** Goes on where somebody was just served. */
  #serveNext(last: Slot<C>): void {
    const { head } = this.#line;
    if (head === undefined) return;
    const ready = this.#suspension.on ? undefined : this.#nextReady(last, head);
    if (ready !== undefined) this.serve(ready);
    else if (this.#bag.counts.idle > 0) this.#wanted();
  }

  /**
   * Gives a ready connection to who is next, if that one may have it, else keeps it.
   *
   * @param slot Its slot.
   */
  offer(slot: Slot<C>): void {
    if (this.#kinds?.isInWay(slot) === true) this.#close(slot, "exchanged");
    else if (this.mayServe && this.#isWanted(slot)) this.serve(slot);
    else {
      this.#keep(slot);
      // One more may be lent than before, be it of the other kind.
      if (this.#queue.size > 0 && this.mayServe) this.#wanted();
    }
  }

  /** Whether who is next may have it. */
  #isWanted(slot: Slot<C>): boolean {
    const next = this.#nextFor(slot);
    return next !== undefined && this.#demand?.allowsSlot(next.wish, slot) !== false;
  }

  /**
   * Who is next for a connection. Where no more may be shared, those who share wait for the answer of one that is; who
   * wants one alone is not held up by that, and takes nothing from them.
   */
  #nextFor(slot: Slot<C>): Waiter<C> | undefined {
    const line = this.#queue.line(slot.reader);
    const { head } = line;
    if (head?.wish.use !== "shared" || slot.holders > 0 || this.#commons.free > 0) return head;
    return line.firstAlone();
  }

  #keep(slot: Slot<C>): void {
    const bag = this.#bag;
    const now = slot.idleSince = this.#turn.now();
    const wasChecked = slot.state === "checking";
    if (wasChecked) bag.restore(slot);
    else {
      slot.usedAt = now;
      if (slot.state === "used") bag.putBack(slot);
      else bag.move(slot, "idle");
    }
    if (bag.counts.idle > this.#sizes.maxIdle && this.#queue.size === 0) {
      // No reader is kept in stock: one of the stock that was closed for it would be opened again, and closed, without end. So
      // would one that is new, if those stayed that an outage has kept beyond their time.
      const surplus = slot.reader ? slot : bag.oldestIdle(true) ?? this.#worn() ?? slot;
      this.#close(surplus, "surplus");
      if (surplus === slot) return;
    }
    // Its last use was long ago: it may be due before all others.
    if (wasChecked) this.#maintenance.look();
    else this.#maintenance.kept();
  }

  /** An idle connection that is to be replaced. */
  #worn(): Slot<C> | undefined {
    let slot = this.#bag.top;
    while (slot !== undefined && !slot.retiring && !this.#trust.isWorn(slot)) slot = slot.below;
    return slot;
  }

  /**
   * A single statement is over: another that waits may take its turn.
   *
   * @param slot The slot of its connection.
   * @returns Whether others still share the connection.
   */
  leftToOthers(slot: Slot<C>): boolean {
    const multiplexer = this.#multiplexer;
    if (multiplexer === undefined) return false;
    multiplexer.left(slot, this.#queue.line(false).size);
    if (slot.shares === 0) return false;
    if (this.mayServe && this.#takesWaiter(slot)) this.serve(slot);
    return true;
  }

  /**
   * One of those who share a connection has left it.
   *
   * @param slot Its slot.
   * @returns Whether others still have it.
   */
  leftToHolders(slot: Slot<C>): boolean {
    return this.#commons.left(slot);
  }

  /**
   * The last of those who share a connection has left it, and it is busy.
   *
   * @param slot Its slot.
   * @returns Whether it is so because it is asked for a sign of life: it is being checked then.
   */
  isStillAsked(slot: Slot<C>): boolean {
    if (!this.#commons.adopts(slot)) return false;
    this.#bag.move(slot, "checking");
    slot.begunAt = slot.usedAt = this.#turn.now();
    return true;
  }

  /** Serves those who wait for a connection to be shared, if one can be had without another being given back. */
  serveShared(): void {
    if (!this.mayServe || !this.#life.isOpen) return;
    this.#serveSharedOf(false);
    this.#serveSharedOf(true);
  }

  #serveSharedOf(reader: boolean): void {
    const { head } = this.#queue.line(reader);
    if (head?.wish.use !== "shared") return;
    const slot = this.#findCommonOrAsk(head);
    if (slot !== undefined) this.serve(slot);
  }

  /** {@linkcode Lending.#findCommon}; those that are in doubt are asked for a sign of life if there is none. */
  #findCommonOrAsk(waiter: Waiter<C>): Slot<C> | undefined {
    const slot = this.#findCommon(waiter.wish, waiter);
    if (slot === undefined) this.#commons.ask();
    return slot;
  }

  /**
   * Lends to who waits as long as there is something to lend. A borrower may give back in the very callback that lends
   * to it. That connection is idle until the loop comes to it: a hundred thousand waiters must not be as many stack
   * frames.
   *
   * @param slot The slot to begin with.
   * @returns Whether anybody was lent it; it is idle again if not.
   */
  serve(slot: Slot<C>): boolean {
    const queue = this.#queue;
    let served = false;
    const { reader } = slot;
    this.#serving = true;
    // Who found something to lend has read the clock.
    const now = this.#turn.latest;
    try {
      let ready: Slot<C> | undefined = slot;
      while (ready !== undefined) {
        const waiter = this.#nextFor(ready);
        if (waiter === undefined) {
          if (ready.shares + ready.holders === 0) this.#bag.restore(ready);
          return served;
        }
        served = true;
        queue.remove(waiter);
        const { size } = queue;
        if (size === 0) this.#emptied();
        this.#rate?.served(size);
        if (ready.state !== "used") this.#bag.move(ready, "used");
        const waitMs = now - waiter.since;
        this.#usage.waited(waitMs);
        waiter.lent(this.#grant(ready, waiter.wish, waiter.site, waitMs));
        // Who was served may have given back, or asked again.
        const { head } = queue.line(reader);
        const more = head !== undefined && !this.#suspension.on;
        ready = more ? this.#nextReady(ready, head) : undefined;
      }
    } finally {
      this.#serving = false;
    }
    // What came back meanwhile and cannot be lent without a check; and who could share may wait for one more to be opened.
    if (queue.size > 0 && (this.#bag.counts.idle > 0 || queue.line(reader).shared > 0)) {
      this.#wanted();
    }
    return served;
  }

  /**
   * What can be lent to who is next: the connection that was lent last, if both share it, else another; or to who is behind
   * and is not held up by that, see {@linkcode Lending.#nextFor}.
   */
  #nextReady(last: Slot<C>, next: Waiter<C>): Slot<C> | undefined {
    const { wish } = next;
    if (wish.use !== "shared") return this.#takesWaiter(last) ? last : this.#findIdle(wish);
    const common = this.#findCommonOrAsk(next);
    if (common !== undefined || this.#commons.free > 0) return common;
    const alone = this.#queue.line(wish.reader).firstAlone();
    return alone && this.#findIdle(alone.wish);
  }

  #takesWaiter(slot: Slot<C>): boolean {
    return this.#queue.head?.wish.use === "statement" && this.#life.isOpen &&
      this.#multiplexer?.takes(slot, this.#choice(this.#queue.line(false).size)) === true;
  }
}
