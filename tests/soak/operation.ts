/**
 * One piece of work that a task does, with what it wrote.
 *
 * @module
 */

import type { PostgresPool } from "../../src/entry/postgres_pool.ts";
import type { Chance } from "./chance.ts";
import { failureOf, type Fate } from "./fate.ts";
import type { TableName } from "./schema.ts";

/** How many rows of which tables a write has if it is in force. */
export type Rows = Readonly<Partial<Record<TableName, number>>>;

/** One write, of one statement or one transaction: in force as a whole or not at all. */
export interface Write {
  readonly id: number;
  readonly rows: Rows;
}

/** A write that is over, as the ledger has it. */
export interface EndedWrite extends Write {
  readonly fate: Fate;
}

/** A kind of work. */
export interface Work {
  /** Its name. */
  readonly kind: string;
  /** How often it is chosen, beside the others. */
  readonly weight: number;
  /**
   * Does it once.
   *
   * @param operation What to do it with. When this returns, the writes that were not settled count as acknowledged;
   *   when it rejects, the error says what they are.
   */
  run(operation: Operation): Promise<void>;
}

/** What an operation is made from. */
export interface OperationContext {
  readonly db: PostgresPool;
  readonly chance: Chance;
  /** What a plain statement takes at present, in milliseconds. */
  readonly typicalMs: number;
  /** Gives the next id. */
  readonly nextId: () => number;
  /** Told what can't be true. */
  readonly surprise: (what: string) => void;
}

/** One piece of work. */
export class Operation {
  /** The pool. */
  readonly db: PostgresPool;
  /** Draws. */
  readonly chance: Chance;
  /** What a plain statement takes at present, in milliseconds. */
  readonly typicalMs: number;
  readonly #context: OperationContext;
  readonly #open = new Map<number, Write>();
  readonly #ended: EndedWrite[] = [];

  /** @param context What it is made from. */
  constructor(context: OperationContext) {
    this.#context = context;
    this.db = context.db;
    this.chance = context.chance;
    this.typicalMs = context.typicalMs;
  }

  /** Writes that are over. */
  get ended(): readonly EndedWrite[] {
    return this.#ended;
  }

  /**
   * Begins a write.
   *
   * @param rows What it has if it is in force.
   * @returns The write, with an id of its own.
   */
  write(rows: Rows): Write {
    const write = { id: this.#context.nextId(), rows };
    this.#open.set(write.id, write);
    return write;
  }

  /**
   * Ends a write before the operation is over.
   *
   * @param write The write.
   * @param fate How.
   */
  settle(write: Write, fate: Fate): void {
    if (this.#open.delete(write.id)) this.#ended.push({ ...write, fate });
  }

  /**
   * Waits for a statement that is a write of its own.
   *
   * @param write The write.
   * @param statement Its statement.
   * @returns What the statement returns; rejects as it does, with the write settled.
   */
  async settled<T>(write: Write, statement: PromiseLike<T>): Promise<T> {
    try {
      const result = await statement;
      this.settle(write, "acknowledged");
      return result;
    } catch (error) {
      this.settle(write, failureOf(error).fate);
      throw error;
    }
  }

  /**
   * Ends the writes that are left.
   *
   * @param fate How.
   */
  end(fate: Fate): void {
    for (const write of [...this.#open.values()]) this.settle(write, fate);
  }

  /**
   * States what has to be true.
   *
   * @param holds Whether it is.
   * @param what What it is when it is not.
   */
  expect(holds: boolean, what: string): void {
    if (!holds) this.#context.surprise(what);
  }
}

/**
 * Waits, for a time or for an abort: work that takes time, at the client.
 *
 * @param ms How long, in milliseconds.
 */
export function think(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
