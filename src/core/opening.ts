/**
 * When connections are opened.
 *
 * @module
 */

import type { Bag } from "./bag.ts";
import type { Clock } from "./clock.ts";
import { isRejected, phaseOf } from "./connect_failure.ts";
import type { Demand } from "./demand.ts";
import type { Driver } from "./driver.ts";
import type { Generations } from "./generations.ts";
import type { ResolvedPoolOptions } from "./options.ts";
import type { Events } from "./observer.ts";
import type { Outage } from "./outage.ts";
import type { Removal } from "./removal.ts";
import type { Sizes } from "./sizing.ts";
import { Slot } from "./slot.ts";
import type { SlowStart } from "./slow_start.ts";
import { SteadyConnection } from "./steady_connection.ts";
import type { Stock } from "./stock.ts";
import type { Usage } from "./usage.ts";

/** The limits of opening. */
export type OpeningOptions<C> = Pick<
  ResolvedPoolOptions<C>,
  "connectTimeoutMs" | "session" | "maxUses" | "maxLifetimeMs"
>;

/** What becomes of a connect. */
export interface OpeningHome<C> {
  /**
   * A connection is open, and nobody has it yet.
   *
   * @param slot Its slot.
   */
  opened(slot: Slot<C>): void;
  /**
   * A connect failed, and the next would fail alike.
   *
   * @param slot Its slot; gone by now.
   * @param error Why.
   */
  rejected(slot: Slot<C>, error: unknown): void;
  /**
   * A connect failed; the next may fare better.
   *
   * @param slot Its slot; gone by now.
   * @param error Why.
   */
  failed(slot: Slot<C>, error: unknown): void;
  /**
   * A connection that was open is lost.
   *
   * @param slot Its slot, still in the books.
   * @param cause What is known of the loss.
   */
  lost(slot: Slot<C>, cause: unknown): void;
  /** A place became free. */
  freed(): void;
}

/** What connects are made with. */
export interface OpeningParts<C> {
  /** Opens and closes the physical connections. */
  readonly driver: Driver<C>;
  /** The limits. */
  readonly options: OpeningOptions<C>;
  /** Source of time, timers and chance. */
  readonly clock: Clock;
  /** Runs a function in nobody's context, where the runtime can: connections outlive who asked for them first. */
  readonly root: ((fn: () => void) => void) | undefined;
  /** How many there may be, and how many at a time. */
  readonly sizes: Pick<Sizes, "max" | "maxPendingConnects">;
  /** Whether the pool lends. */
  readonly life: { readonly isOpen: boolean };
  /** The books. */
  readonly bag: Pick<Bag<C>, "add" | "counts" | "total">;
  /** How many are wanted. */
  readonly demand: Pick<Demand<C>, "next" | "count">;
  /** How many are wanted although nobody waits for one. */
  readonly stock: Pick<Stock<C>, "isLow" | "mayTry">;
  /** Who waits for the pool to be ready. */
  readonly readiness: { readonly isShort: boolean };
  /** Numbers the generations. */
  readonly generations: Pick<Generations, "current">;
  /** Paces the attempts while the server cannot be had. */
  readonly outage: Outage;
  /** Paces them when it is back. */
  readonly slowStart: SlowStart;
  /** Takes out what could not be opened. */
  readonly removal: Pick<Removal<C>, "drop">;
  /** Counts and measures. */
  readonly usage: Pick<Usage<C>, "connected">;
  /** Who watches. */
  readonly events: Pick<Events, "tell">;
  /** What becomes of a connect. */
  readonly home: OpeningHome<C>;
}

/**
 * Opens connections, as many as are waited for, or wanted in stock, and allowed: one at a time while the server cannot be
 * had, few when it has just come back. Connects are the pool's: a connection that was waited for is of use to whoever waits
 * then.
 */
export class Opening<C> {
  readonly #parts: OpeningParts<C>;
  #epoch = 0;
  /** Connects under way, those that are being given up included. */
  #attempts = 0;

  /** @param parts What connects are made with. */
  constructor(parts: OpeningParts<C>) {
    this.#parts = parts;
  }

  /** Most connects that could be started now, were they waited for. */
  get room(): number {
    const { sizes, bag } = this.#parts;
    return Math.max(0, Math.min(sizes.max - bag.total, sizes.maxPendingConnects - this.#attempts));
  }

  /** Starts the connects that are waited for, or wanted, and not under way yet. */
  grow(): void {
    const { life, demand, stock, readiness, outage } = this.#parts;
    while (life.isOpen && this.room > 0) {
      const reader = demand.next ?? (readiness.isShort ? false : undefined);
      const waited = reader !== undefined;
      if (!waited && !stock.isLow) return;
      if (this.#isPaced()) return;
      if (!outage.mayTry) return outage.wait(waited);
      if (!waited && !stock.mayTry()) return;
      this.#connect(reader === true, !waited);
    }
  }

  /** Whether as many connects are under way as the server should bear now. */
  #isPaced(): boolean {
    const { bag, outage, slowStart } = this.#parts;
    return bag.counts.connecting >= (outage.on ? 1 : slowStart.limit);
  }

  /**
   * A worn connection is in use for want of another: tries whether there is one by now.
   *
   * @param reader Whether one that is read-only.
   */
  replaceLater(reader: boolean): void {
    if (this.#parts.outage.on) this.replace(reader);
  }

  /**
   * A worn connection is to be replaced before it is closed: opens another, if none is coming, and it may.
   *
   * @param reader Whether one that is read-only.
   */
  replace(reader: boolean): void {
    const { life, bag, outage } = this.#parts;
    if (!life.isOpen || this.room === 0 || !outage.mayTry || bag.counts.connecting > 0) return;
    this.#connect(reader, true);
  }

  #connect(reader: boolean, background: boolean): void {
    const { driver, options, clock, bag, generations, events } = this.#parts;
    const { connectTimeoutMs, session, maxUses, maxLifetimeMs } = options;
    const slot = new Slot<C>(generations.current, reader);
    const steady = new SteadyConnection(driver, {
      connectTimeoutMs,
      session,
      maxUses,
      maxLifetimeMs,
      clock,
      readOnly: reader,
      nextEpoch: () => ++this.#epoch,
      onLost: (cause) => this.#lost(slot, cause),
    });
    slot.steady = steady;
    slot.background = background;
    slot.bornAt = slot.begunAt = clock.now();
    bag.add(slot);
    events.tell("connecting", { background });
    this.#attempts++;
    const { root } = this.#parts;
    if (root === undefined) this.#open(slot, steady);
    else root(() => this.#open(slot, steady));
  }

  #open(slot: Slot<C>, steady: SteadyConnection<C>): void {
    steady.open().then(
      (connection) => {
        this.#attempts--;
        this.#connected(slot, connection);
      },
      (error) => {
        this.#attempts--;
        this.#failed(slot, error);
      },
    );
  }

  #connected(slot: Slot<C>, connection: C): void {
    // Lost or destroyed before this continuation ran.
    if (slot.state !== "connecting") return this.#parts.home.freed();
    const { clock, outage, slowStart, usage, events, home } = this.#parts;
    const { background, bornAt, steady } = slot;
    slot.connection = connection;
    slot.openedAt = clock.now();
    const connectMs = slot.openedAt - bornAt;
    usage.connected(connectMs);
    events.tell("connected", { epoch: steady?.epoch ?? 0, background, connectMs });
    if (outage.on) {
      outage.ended();
      slowStart.begin();
    }
    slowStart.succeeded();
    home.opened(slot);
  }

  #failed(slot: Slot<C>, error: unknown): void {
    // Given up: another may be started in its stead.
    if (slot.state !== "connecting") return this.#parts.home.freed();
    const { driver, clock, life, outage, removal, events, home } = this.#parts;
    const { background, bornAt } = slot;
    const connectMs = clock.now() - bornAt;
    events.tell("connectFailed", { background, phase: phaseOf(error), error, connectMs });
    removal.drop(slot);
    slot.steady?.destroy();
    if (life.isOpen) {
      if (isRejected(driver, error)) home.rejected(slot, error);
      else {
        outage.failed(error);
        home.failed(slot, error);
      }
    }
    home.freed();
  }

  #lost(slot: Slot<C>, cause: unknown): void {
    if (slot.state !== "connecting") this.#parts.home.lost(slot, cause);
    else this.#failed(slot, cause ?? new Error("the connection was lost at once"));
  }
}
