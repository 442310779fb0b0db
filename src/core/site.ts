/**
 * Where a connection was asked for.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { TurnClock } from "./turn_clock.ts";

/** What is known of where a connection was asked for. */
export interface Site {
  /** The `label` of the acquire. */
  readonly label: string | undefined;
  /** The stack of the call, where one was taken. */
  readonly stack: string | undefined;
}

/** A name, or the number of a scope that has none. */
export class NamedSite implements Site {
  readonly #name: string | number;
  readonly stack: undefined = undefined;

  /** @param name Which. */
  constructor(name: string | number) {
    this.#name = name;
  }

  get label(): string {
    return nameOf(this.#name);
  }
}

/**
 * Gives a scope's name.
 *
 * @param name The name, or the number of one that has none.
 * @returns The name.
 */
export function nameOf(name: string | number): string {
  return typeof name === "number" ? `scope-${name}` : name;
}

/**
 * At most this part of the time goes into stacks. One takes four microseconds on Bun, fifty on Node, some hundreds on Deno,
 * which looks for the source of each frame.
 */
const PART = 0.01;
/** The first one takes longer than all that follow: more than that it keeps nobody from being noted, in milliseconds. */
const LONGEST_MS = 50;

/**
 * Notes where connections are asked for: under load of some, otherwise of all, as stacks take their time. A stack is text at
 * once: what an engine keeps until it is asked for the text could keep a forgotten lease alive.
 */
export class Sites {
  readonly #turn: Pick<TurnClock, "now">;
  readonly #clock: Pick<Clock, "now">;
  readonly #everyMs: number;
  #nextAt = -Infinity;

  /**
   * @param turn Tells the time.
   * @param clock Tells how long a stack takes.
   * @param everyMs How long after one stack the next may be taken at the earliest, in whole milliseconds.
   */
  constructor(turn: Pick<TurnClock, "now">, clock: Pick<Clock, "now">, everyMs = 1) {
    this.#turn = turn;
    this.#clock = clock;
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
    if (now < this.#nextAt) return label === undefined ? undefined : { label, stack: undefined };
    const begin = this.#clock.now();
    const stack = framesHere();
    const tookMs = this.#clock.now() - begin;
    const pauseMs = Math.min(LONGEST_MS, Math.ceil(tookMs / PART));
    this.#nextAt = now + Math.max(this.#everyMs, pauseMs);
    return { label, stack };
  }
}

/** Frames of a stack: between a front end's transaction and here there are more than engines keep by default. */
const DEPTH = 30;

/** The frames of whoever calls, without a head line. */
function framesHere(): string | undefined {
  return framesOf(markHere());
}

/**
 * Marks where the caller stands. The mark is cheap, as engines make its text when that is asked for; until then it may
 * keep what is on the stack alive.
 *
 * @returns The mark.
 */
export function markHere(): Error {
  const engine = Error as unknown as { stackTraceLimit?: number };
  const limit = engine.stackTraceLimit;
  engine.stackTraceLimit = DEPTH;
  const mark = new Error("acquired here");
  engine.stackTraceLimit = limit;
  return mark;
}

function framesOf({ stack }: Error): string | undefined {
  return stack?.split("\n").filter((line) => /^\s*at\s/.test(line)).join("\n");
}

/**
 * Gives an error the frames of a mark in the place of its own.
 *
 * @param error The error.
 * @param mark The mark.
 * @returns The error.
 */
export function withFramesOf<E extends Error>(error: E, mark: Error): E {
  const frames = framesOf(mark);
  if (frames !== undefined) error.stack = `${error.name}: ${error.message}\n${frames}`;
  return error;
}

/** Where this file is, seen from a frame in it: what stands before is where all of this package is. */
const OWN_FILE = /([^\s()]*)\/core\/site\.[jt]s\b/;

/** A frame of the engine's own. */
const NATIVE = /\((?:native:[\d:]+|<anonymous>)\)$/;

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
  const frame = stack.split("\n").find((line) => !line.includes(`${own}/`) && !NATIVE.test(line));
  return frame?.trim().replace(/^at (?:async )?/, "");
}
