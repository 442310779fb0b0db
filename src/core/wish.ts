/**
 * What an acquire wants.
 *
 * @module
 */

/**
 * What a connection is wanted for: one borrower alone; one single statement, which may be sent behind those of others; or
 * single statements of a borrower who shares it with others.
 */
export type Use = "exclusive" | "statement" | "shared";

/** What an acquire wants; there are few of them, shared by all who want the same. */
export interface Wish {
  /** What for. */
  readonly use: Use;
  /** Whether of the connections that are opened read-only. */
  readonly reader: boolean;
  /** Whether it goes before those that are not. */
  readonly high: boolean;
}

/** A connection for one borrower alone, as most want it. */
export const EXCLUSIVE: Wish = { use: "exclusive", reader: false, high: false };
/** {@linkcode EXCLUSIVE}, before the others. */
export const EXCLUSIVE_HIGH: Wish = { use: "exclusive", reader: false, high: true };
/** A connection for one single statement. */
export const STATEMENT: Wish = { use: "statement", reader: false, high: false };
/** {@linkcode STATEMENT}, before the others. */
export const STATEMENT_HIGH: Wish = { use: "statement", reader: false, high: true };
