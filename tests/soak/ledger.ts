/**
 * The client's own record of what it wrote and what it was told.
 *
 * @module
 */

import type { Fate } from "./fate.ts";
import type { EndedWrite } from "./operation.ts";

/** A write as the ledger remembers it. */
export interface Entry extends EndedWrite {
  /** What kind of work it was. */
  readonly kind: string;
  /** When the work began and ended, in milliseconds since the start. */
  readonly from: number;
  readonly to: number;
}

/** The record. */
export class Ledger {
  readonly #writes = new Map<number, Entry>();
  readonly #counts: Record<Fate, number> = { acknowledged: 0, refused: 0, unknown: 0 };

  /** All writes that are over, by id. */
  get writes(): ReadonlyMap<number, Entry> {
    return this.#writes;
  }

  /**
   * Counts writes.
   *
   * @param fate Which.
   * @returns How many.
   */
  count(fate: Fate): number {
    return this.#counts[fate];
  }

  /**
   * A write is over.
   *
   * @param entry The write.
   */
  enter(entry: Entry): void {
    this.#writes.set(entry.id, entry);
    this.#counts[entry.fate]++;
  }

  /**
   * Finds a write.
   *
   * @param wanted Which.
   * @returns The first; undefined if there is none.
   */
  find(wanted: (write: EndedWrite) => boolean): EndedWrite | undefined {
    for (const write of this.#writes.values()) if (wanted(write)) return write;
    return undefined;
  }
}
