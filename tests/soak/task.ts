/**
 * A task: does one piece of work after the other, at a steady pace, until it is told to end.
 *
 * @module
 */

import type { PostgresPool } from "../../src/entry/postgres_pool.ts";
import { pause } from "../demo/pause.ts";
import type { Chance } from "./chance.ts";
import { type Failure, failureOf, type Fate } from "./fate.ts";
import { Operation, type Work } from "./operation.ts";
import type { Report } from "./protocol.ts";
import { WORKS } from "./works/all.ts";
import { insert } from "./works/single_statements.ts";

/** Of the latest one in the average. */
const WEIGHT = 0.05;

/** Ids of one task; more than it can use up. */
const IDS = 10_000_000;

/** What a plain statement takes, averaged over the last ones. */
export class Pace {
  /** In milliseconds. */
  typicalMs = 0;

  /**
   * One more was acknowledged.
   *
   * @param ms After which time.
   */
  add(ms: number): void {
    this.typicalMs += (ms - this.typicalMs) * WEIGHT;
  }
}

/** What a task is made from. */
export interface TaskOptions {
  /** Number of the task. */
  readonly index: number;
  readonly db: PostgresPool;
  readonly chance: Chance;
  /** From the beginning of one operation to that of the next, in milliseconds, unless it takes longer. */
  readonly intervalMs: number;
  readonly hangMs: number;
  /** Of all tasks on the same pool. */
  readonly pace: Pace;
  readonly tell: (report: Report) => void;
  /** No more work. */
  readonly ending: AbortSignal;
}

/** Did not end in time. */
const HANGS = Symbol("hangs");

/**
 * Works.
 *
 * @param options What it is made from.
 * @returns Resolved when it was told to end and its last operation is over.
 */
export async function runTask(options: TaskOptions): Promise<void> {
  const { index, chance, intervalMs, ending } = options;
  let id = index * IDS;
  const nextId = (): number => ++id;
  let next = performance.now() + chance.unit() * intervalMs;
  while (true) {
    const waitMs = next - performance.now();
    if (waitMs > 0) await pause(waitMs, ending);
    if (ending.aborted) return;
    // Who was kept waiting does not hurry afterwards.
    next = Math.max(next, performance.now()) + intervalMs;
    await runOperation(chance.weighted(WORKS), nextId, options);
  }
}

async function runOperation(
  work: Work,
  nextId: () => number,
  { db, chance, hangMs, pace, tell }: TaskOptions,
): Promise<void> {
  const operation = new Operation({
    ...{ db, chance, nextId, typicalMs: pace.typicalMs },
    surprise: (text) => tell({ type: "wrong", what: "answer", text: `${work.kind}: ${text}` }),
  });
  const started = performance.now();
  const result = await within(hangMs, outcome(work, operation));
  const ms = performance.now() - started;
  if (result === HANGS) {
    const text = `${work.kind}: not over after ${hangMs} ms`;
    tell({ type: "wrong", what: "hang", text });
  } else if (result?.labelled === false) {
    tell({ type: "wrong", what: "unlabelled", text: `${work.kind}: ${result.label}` });
  }
  const fate: Fate = result === HANGS ? "unknown" : result?.fate ?? "acknowledged";
  operation.end(fate);
  if (work === insert && fate === "acknowledged") pace.add(ms);
  tell({
    ...{ type: "operation", kind: work.kind, fate, ms, writes: operation.ended },
    ...(result !== HANGS && result && { failure: result.label }),
  });
}

/** Undefined if all went well. */
async function outcome(work: Work, operation: Operation): Promise<Failure | undefined> {
  try {
    await work.run(operation);
    return undefined;
  } catch (error) {
    return failureOf(error);
  }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T | typeof HANGS> {
  const { promise: late, resolve } = Promise.withResolvers<typeof HANGS>();
  const timer = setTimeout(() => resolve(HANGS), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
