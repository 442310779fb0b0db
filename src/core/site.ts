/**
 * Where a connection was asked for.
 *
 * @module
 */

import type { TurnClock } from "./turn_clock.ts";

/** What is known of where a connection was asked for. */
export interface Site {
  /** The `label` of the acquire. */
  readonly label: string | undefined;
  /** The stack of the call, where one was taken. */
  readonly stack: string | undefined;
}

/**
 * Notes where connections are asked for. A stack costs microseconds, so at most one is taken in so many milliseconds: under load
 * of some, otherwise of all. It is text at once: what an engine keeps until it is asked for the text could keep a
 * forgotten lease alive.
 */
export class Sites {
  readonly #turn: Pick<TurnClock, "now">;
  readonly #everyMs: number;
  #takenAt = -Infinity;

  /**
   * @param turn Tells the time.
   * @param everyMs How long after one stack the next may be taken, in whole milliseconds.
   */
  constructor(turn: Pick<TurnClock, "now">, everyMs = 1) {
    this.#turn = turn;
    this.#everyMs = everyMs;
  }

  /**
   * Notes where the caller stands.
   *
   * @param label What the caller says.
   * @returns What is known; `undefined` if nothing is.
   */
  note(label: string | undefined): Site | undefined {
    const now = this.#turn.now();
    if (now - this.#takenAt < this.#everyMs) {
      return label === undefined ? undefined : { label, stack: undefined };
    }
    this.#takenAt = now;
    return { label, stack: framesHere() };
  }
}

/** Frames of a stack: between a front end's transaction and here there are more than engines keep by default. */
const DEPTH = 30;

/** The frames of whoever calls, without a head line. */
function framesHere(): string | undefined {
  const engine = Error as unknown as { stackTraceLimit?: number };
  const limit = engine.stackTraceLimit;
  engine.stackTraceLimit = DEPTH;
  const { stack } = new Error("acquired here");
  engine.stackTraceLimit = limit;
  const lines = stack?.split("\n").filter((line) => /^\s*at\s/.test(line));
  return lines?.join("\n");
}

/** Where this file is, seen from a frame in it: what stands before is where all of this package is. */
const OWN_FILE = /([^\s()]*)\/core\/site\.[jt]s\b/;

/**
 * Finds the first frame that is not of this package.
 *
 * @param stack Taken by {@linkcode Sites.note}.
 * @returns Such as `handle (file:///app/main.ts:7:20)`; `undefined` where the files of this package cannot be told from
 * others, as in a bundle.
 */
export function callSite(stack: string): string | undefined {
  const own = OWN_FILE.exec(stack)?.[1];
  if (own === undefined) return undefined;
  const frame = stack.split("\n").find((line) => !line.includes(`${own}/`));
  return frame?.trim().replace(/^at (?:async )?/, "");
}
