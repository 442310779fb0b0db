/**
 * How the working process ended, as seen from outside.
 *
 * @module
 */

import { pause } from "../demo/pause.ts";
import { type Closed, END } from "./protocol.ts";
import type { SoakRecord } from "./record.ts";
import type { Exit, Script } from "./script.ts";
import type { World } from "./world.ts";

/** How long tasks may take to end, beside what one operation may take, in milliseconds. */
const DRAIN_MS = 40_000;

/** How long pools may take to close. */
const CLOSE_MS = 10_000;

/** How long a socket that was closed may take to be seen as such. */
const SOCKET_MS = 2_000;

/** How long a process that nothing holds may take to end. */
const EXIT_MS = 10_000;

/** How it ended. */
export interface Farewell {
  /** How the pools were in the end; undefined if they were never closed. */
  readonly closed?: Closed;
  /** Connections to the proxy that were open although the pools were closed. */
  readonly sockets: number;
  /** How the process ended; undefined if it did not end by itself. */
  readonly exit?: Exit;
  /** What kept it from ending; empty if nothing did. */
  readonly problems: readonly string[];
}

/** What it is about. */
export interface FarewellContext {
  readonly worker: Script;
  readonly record: SoakRecord;
  readonly world: World;
  /** Longest that one operation may take, in milliseconds. */
  readonly hangMs: number;
  readonly signal: AbortSignal;
}

const LATE = Symbol("late");

/** Waits for something, so long at most. */
async function within<T>(
  ms: number,
  signal: AbortSignal,
  promise: Promise<T>,
): Promise<T | typeof LATE> {
  const done = new AbortController();
  const patience = pause(ms, AbortSignal.any([signal, done.signal]));
  const result = await Promise.race([promise, patience.then((): typeof LATE => LATE)]);
  done.abort();
  return result;
}

/**
 * Ends the working process, and looks how it does that.
 *
 * @param context What it is about.
 * @returns How it ended.
 */
export async function sayFarewell(context: FarewellContext): Promise<Farewell> {
  const { worker, record, world, hangMs, signal } = context;
  // One that has ended already will not say anything more.
  const gone = worker.exit.then((exit): Farewell => ({
    sockets: world.proxy.open.length,
    exit,
    problems: [`the working process ended before its time (${exit})`],
  }));
  const steps = async (): Promise<Farewell> => {
    worker.say(END);
    if (await within(hangMs + DRAIN_MS, signal, record.drained) === LATE) {
      return { sockets: NaN, problems: ["tasks did not end"] };
    }
    const closed = await within(CLOSE_MS, signal, record.closed);
    if (closed === LATE) return { sockets: NaN, problems: ["the pools did not close"] };
    const { open } = world.proxy;
    await within(SOCKET_MS, signal, Promise.all(open.map(({ closed }) => closed)));
    const sockets = world.proxy.open.length;
    worker.release();
    const exit = await within(EXIT_MS, signal, worker.exit);
    if (exit === LATE) {
      return { closed, sockets, problems: ["the working process does not end by itself"] };
    }
    const problems = exit === 0 ? [] : [`the working process ended with ${exit}`];
    return { closed, sockets, exit, problems };
  };
  return await Promise.race([steps(), gone.then(later)]);
}

/** So that whoever ended well is told of by what it said. */
async function later<T>(value: T): Promise<T> {
  await new Promise((resolve) => setTimeout(resolve, 100));
  return value;
}
