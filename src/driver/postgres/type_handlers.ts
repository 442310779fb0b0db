/**
 * How values are written and read: porsager's own types, which it hands out to nobody, and the user's on top.
 *
 * Read off `src/types.js` of version 3.4.9; a test holds them against what porsager makes of them.
 *
 * @module
 */

import { Buffer } from "node:buffer";

/** One type, as porsager takes it. */
interface TypeHandler {
  /** Type that a value is sent as. */
  readonly to: number;
  /** Types that are read, and written, by it. */
  readonly from?: number | readonly number[] | null;
  /** Writes a value. */
  readonly serialize?: (value: never) => unknown;
  /** Reads a value; without it, text stays text. */
  readonly parse?: (raw: string) => unknown;
}

/** Functions by the number of their type. */
export interface TypeHandlers {
  readonly parsers: Record<number, unknown>;
  readonly serializers: Record<number, unknown>;
}

const DEFAULT_TYPES: Readonly<Record<string, TypeHandler>> = {
  string: { to: 25, from: null, serialize: (value: unknown) => "" + value },
  number: {
    to: 0,
    from: [21, 23, 26, 700, 701],
    serialize: (value: unknown) => "" + value,
    parse: (raw) => +raw,
  },
  json: {
    to: 114,
    from: [114, 3802],
    serialize: (value: unknown) => JSON.stringify(value),
    parse: (raw) => JSON.parse(raw),
  },
  boolean: {
    to: 16,
    from: 16,
    serialize: (value: unknown) => value === true ? "t" : "f",
    parse: (raw) => raw === "t",
  },
  date: {
    to: 1184,
    from: [1082, 1114, 1184],
    serialize: (value: Date | string | number) =>
      (value instanceof Date ? value : new Date(value)).toISOString(),
    parse: (raw) => new Date(raw),
  },
  bytea: {
    to: 17,
    from: 17,
    serialize: (value: Uint8Array) => "\\x" + Buffer.from(value).toString("hex"),
    parse: (raw) => Buffer.from(raw.slice(2), "hex"),
  },
};

/**
 * Puts types of the user's on top of porsager's.
 *
 * @param types Types by name.
 * @returns Functions by the number of the type, in objects of the caller's own.
 */
export function typeHandlers(types: object): TypeHandlers {
  const handlers: TypeHandlers = { parsers: {}, serializers: {} };
  addTypes(handlers, DEFAULT_TYPES);
  addTypes(handlers, types as Readonly<Record<string, TypeHandler>>);
  return handlers;
}

function addTypes(
  { parsers, serializers }: TypeHandlers,
  types: Readonly<Record<string, TypeHandler>>,
): void {
  for (const { to, from, serialize, parse } of Object.values(types)) {
    const read = from ? [from].flat() : [];
    for (const type of read) parsers[type] = parse;
    if (serialize) { for (const type of [to, ...read]) serializers[type] = serialize; }
  }
}
