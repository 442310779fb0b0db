/**
 * What happened at the fake driver: counts that never go back, and every event in order.
 *
 * @module
 */

/**
 * What can happen: a connect was asked for, succeeded, was refused; a connection broke; close, destroy, ping, reset,
 * execute and cancel were called; a statement was sent, applied by the server, answered.
 */
export type FakeEventName =
  | "connect"
  | "open"
  | "refuse"
  | "break"
  | "close"
  | "destroy"
  | "ping"
  | "reset"
  | "execute"
  | "cancel"
  | "send"
  | "apply"
  | "answer";

/** One event. */
export interface FakeEvent {
  /** Id of the connection; 0 before there is one. */
  readonly connection: number;
  /** What happened. */
  readonly event: FakeEventName;
  /** To what: the statement, the command, the reset level; else empty. */
  readonly detail: string;
}

/** How often each thing happened; never zeroed. */
export type FakeCounts = Readonly<Record<FakeEventName, number>>;

/** Counts for one connection, or for all. */
export type MutableCounts = Record<FakeEventName, number>;

/**
 * Makes counts that are all 0.
 *
 * @returns The counts.
 */
export function zeroCounts(): MutableCounts {
  return {
    connect: 0,
    open: 0,
    refuse: 0,
    break: 0,
    close: 0,
    destroy: 0,
    ping: 0,
    reset: 0,
    execute: 0,
    cancel: 0,
    send: 0,
    apply: 0,
    answer: 0,
  };
}

/** The connection to which something happened. */
export interface EventPlace {
  /** Its number. */
  readonly id: number;
  /** Its own counts. */
  readonly counts: MutableCounts;
}

/** Writes down what happens. */
export class FakeLedger {
  /** In total. */
  readonly counts: MutableCounts = zeroCounts();
  /** In order. */
  readonly log: FakeEvent[] = [];

  /**
   * Writes down one event.
   *
   * @param event What happened.
   * @param place To which connection, and that one's own counts; not given before there is one.
   * @param detail To what.
   */
  record(event: FakeEventName, place?: EventPlace, detail = ""): void {
    this.counts[event]++;
    if (place !== undefined) place.counts[event]++;
    this.log.push({ connection: place?.id ?? 0, event, detail });
  }
}
