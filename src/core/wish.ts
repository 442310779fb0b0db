/**
 * What an acquire wants.
 *
 * @module
 */

/**
 * What a connection is wanted for: one borrower alone; one single statement, which may be sent behind those of others; or
 * single statements of a borrower who shares it with others for a while.
 */
export type Use = "exclusive" | "statement" | "shared";

/** What an acquire wants; there are few of them, the same for all who want the same. */
export interface Wish {
  /** What for. */
  readonly use: Use;
  /** Whether of the connections that are opened read-only. */
  readonly reader: boolean;
  /** Whether it goes before those that are not. */
  readonly high: boolean;
}

/** A wish of normal and one of high priority. */
export interface Wishes {
  readonly normal: Wish;
  readonly high: Wish;
}

function both(use: Use, reader: boolean): Wishes {
  return { normal: { use, reader, high: false }, high: { use, reader, high: true } };
}

/** A connection for one borrower alone. */
export const FOR_ONE: Wishes = both("exclusive", false);
/** A connection for one single statement. */
export const FOR_STATEMENT: Wishes = both("statement", false);
/** A connection to be shared. */
export const FOR_MANY: Wishes = both("shared", false);
/** A read-only connection for one borrower alone. */
export const READER_FOR_ONE: Wishes = both("exclusive", true);
/** A read-only connection to be shared. */
export const READER_FOR_MANY: Wishes = both("shared", true);

/** A connection for one borrower alone. */
export const EXCLUSIVE: Wish = FOR_ONE.normal;
/**
 * The same, as most want it: by a promise. Who is told by one comes to nothing, neither gives back nor asks again, before
 * who lends is through.
 */
export const PROMISED: Wish = { ...EXCLUSIVE };
/** {@linkcode FOR_ONE} by a promise. */
export const PROMISED_TO_ONE: Wishes = { normal: PROMISED, high: FOR_ONE.high };
