/**
 * What the process that works tells the one that watches: one line of JSON for each thing.
 *
 * The other way there are two words on its standard input: `end` (no more work), and the end of the input (good bye).
 *
 * @module
 */

import type { PoolCounts } from "../../src/core/stats.ts";
import type { Fate } from "./fate.ts";
import type { EndedWrite } from "./operation.ts";

/** What the working process is told on its command line, as JSON. */
export interface WorkerOptions {
  readonly url: string;
  readonly seed: number;
  /** Tasks that work side by side. */
  readonly tasks: number;
  /** Operations a second, of all tasks together. */
  readonly rate: number;
  /** Longest that one operation may take, in milliseconds; one that takes longer hangs. */
  readonly hangMs: number;
}

/** An operation is over. */
export interface OperationEnd {
  readonly type: "operation";
  readonly kind: string;
  readonly fate: Fate;
  readonly ms: number;
  readonly writes: readonly EndedWrite[];
  /** What it failed with, to count by. */
  readonly failure?: string;
}

/** Something is wrong, whatever the tables say. */
export interface Wrong {
  readonly type: "wrong";
  /**
   * An answer that can't be right; an operation that does not end; a rejection that nobody handles; an error that does
   * not say what became of the work; counts of a pool that don't add up.
   */
  readonly what: "answer" | "hang" | "unhandled" | "unlabelled" | "counts";
  readonly text: string;
}

/** How the pools are. */
export interface Counts {
  readonly type: "counts";
  readonly pools: readonly PoolCounts[];
}

/** All is closed; the process holds nothing any more and ends by itself, once its input has ended. */
export interface Closed {
  readonly type: "closed";
  readonly pools: readonly PoolCounts[];
  /** Timers of the pools that are still pending. */
  readonly timers: number;
}

/** All tasks have ended, and the pools have lent as many connections at once as they may. */
export interface Drained {
  readonly type: "drained";
}

/** Anything that it tells. */
export type Report = OperationEnd | Wrong | Counts | Drained | Closed;

/** The word for no more work. */
export const END = "end";
