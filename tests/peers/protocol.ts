/**
 * What a process that writes by one client is told, and tells: one line of JSON for each thing.
 *
 * @module
 */

/** How a client writes: by statements, plain, with a deadline, or that may be repeated; or by transactions. */
export type Mode = "statement" | "deadline" | "idempotent" | "transaction";

/** What it is told on its command line. */
export interface WriterInput {
  readonly client: string;
  readonly url: string;
  readonly mode: Mode;
}

/** Its connections are open and idle; it waits for {@linkcode GO}. */
export interface Warm {
  readonly type: "warm";
}

/** A write is over for the one who asked for it. */
export interface Settled {
  readonly type: "settled";
  readonly id: string;
  readonly acknowledged: boolean;
  readonly ms: number;
  /** What it was rejected with, to count by. */
  readonly error?: string;
}

/** An error or rejection that nobody could handle: it would have ended the process. */
export interface Crash {
  readonly type: "crash";
  readonly text: string;
}

/** All writes are over, or had time enough. */
export interface Done {
  readonly type: "done";
  /** Those that never settled. */
  readonly hung: readonly string[];
}

/** Anything that it tells. */
export type Report = Warm | Settled | Crash | Done;

/** The word for it to begin. */
export const GO = "go";

/** Those who write side by side. */
export const WRITERS = 20;

/** Writes of each, one after the other. */
export const WRITES = 25;

/** From the beginning of one to that of the next, in milliseconds, unless it takes longer. */
export const INTERVAL_MS = 200;

/** Deadline of a write that has one, in milliseconds. */
export const DEADLINE_MS = 2_000;

/** A write that is not over by so many milliseconds hangs: longer than any limit that a client has, or was given. */
export const HUNG_MS = 20_000;
