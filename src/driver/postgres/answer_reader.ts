/**
 * Reads the answer to a statement that porsager was not asked to execute, and makes the same of it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { KnownStatement } from "./known_statement.ts";
import { Result } from "./light_result.ts";
import type { ParsedTransform } from "./parse_options.ts";
import { type Column, describeError, type PorsagerQuery, postgresError } from "./porsager.ts";

const DATA_ROW = 0x44; // D
const COMMAND_COMPLETE = 0x43; // C
const ERROR_RESPONSE = 0x45; // E
const READY_FOR_QUERY = 0x5a; // Z
/** What the server may say at any time, and not about what it executes. */
const NOTICE = 0x4e; // N
const NOTIFICATION = 0x41; // A
const PARAMETER_STATUS = 0x53; // S
/** Type and length of a message. */
const HEADER = 5;
const SPACE = 0x20;
const ZERO = 0x30;
const CAPITAL_A = 0x41;

/** Reads one answer after the other. */
export class AnswerReader {
  readonly #transform: ParsedTransform;
  readonly #aside: (message: Uint8Array) => void;
  #result: Result | undefined;
  #error: Uint8Array | undefined;
  /** Why rows are not made any more: a function of the user's threw. */
  #thrown = false;
  /** Whether the connection is gone: a function of the user's may close it amid the bytes that came. */
  #closed = false;
  /** The beginning of a message, in pieces, and how many bytes of it are yet to come; 0 if not even that is known. */
  #pieces: Uint8Array[] = [];
  #missing = 0;

  /**
   * @param transform The user's.
   * @param aside Told what is not about a statement, whole messages each.
   */
  constructor(transform: ParsedTransform, aside: (message: Uint8Array) => void) {
    this.#transform = transform;
    this.#aside = aside;
  }

  /**
   * Reads on; settles the query with the last of its answer.
   *
   * @param query Whose answer it is.
   * @param known What it executes.
   * @param bytes As they came.
   * @param from Where its answer begins, or goes on.
   * @param to Where it ends, or is cut.
   * @returns Whether that was the last of it.
   */
  read(
    query: PorsagerQuery,
    known: KnownStatement,
    bytes: Buffer,
    from: number,
    to: number,
  ): boolean {
    if (this.#pieces.length > 0) {
      const all = this.#together(bytes.subarray(from, to));
      return all !== undefined && this.read(query, known, all, 0, all.length);
    }
    let over = false;
    let at = from;
    while (at + HEADER <= to && !this.#closed) {
      const end = at + 1 + integerAt(bytes, at + 1);
      if (end > to) {
        this.#missing = end - to;
        break;
      }
      over = bytes[at] === READY_FOR_QUERY;
      this.#message(query, known, bytes, at, end);
      at = end;
    }
    if (at < to && !this.#closed) this.#pieces.push(bytes.subarray(at, to));
    return over;
  }

  /** Puts the pieces of a message together once the last of them has come. */
  #together(bytes: Buffer): Buffer | undefined {
    this.#missing -= bytes.length;
    if (this.#missing > 0) {
      this.#pieces.push(bytes);
      return undefined;
    }
    const all = Buffer.concat([...this.#pieces, bytes]);
    this.#pieces = [];
    this.#missing = 0;
    return all;
  }

  /** The connection is gone: what came of an answer counts for nothing. */
  close(): void {
    this.#closed = true;
    this.#pieces = [];
    this.#result = this.#error = undefined;
  }

  #message(
    query: PorsagerQuery,
    known: KnownStatement,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    switch (bytes[start]) {
      case DATA_ROW:
        if (!this.#thrown) this.#row(query, known, bytes, start, end);
        return;
      case COMMAND_COMPLETE:
        return complete(this.#resultOf(known), known, bytes, start + HEADER, end - 1);
      case READY_FOR_QUERY:
        return this.#settle(query, known);
      case ERROR_RESPONSE:
        this.#error = bytes.subarray(start + HEADER, end);
        return;
      case NOTICE:
      case NOTIFICATION:
      case PARAMETER_STATUS:
        this.#aside(bytes.subarray(start, end));
    }
  }

  #resultOf({ statement }: KnownStatement): Result {
    return this.#result ??= Result.empty(statement, statement.columns);
  }

  #row(
    query: PorsagerQuery,
    known: KnownStatement,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    // The user's functions are called as porsager does, whatever they make of their `this`.
    const { value: ofValues, row: ofRows } = this.#transform;
    const row: Record<string, unknown> = {};
    let at = start + HEADER + 2;
    try {
      for (const column of known.statement.columns ?? []) {
        // A cursor of the same name, or a statement of PREPARE, may have other columns by now.
        if (at + 4 > end) throw new RangeError("The server sent fewer columns than it described");
        const length = integerAt(bytes, at);
        at += 4;
        let value: unknown = null;
        if (length >= 0) {
          value = parse(column, bytes, at, at + length);
          at += length;
        }
        row[column.name] = ofValues.from === undefined ? value : ofValues.from(value, column);
      }
      this.#resultOf(known).push(ofRows.from === undefined ? row : ofRows.from(row));
    } catch (error) {
      this.#thrown = true;
      query.reject(describeError(error, query));
    }
  }

  #settle(query: PorsagerQuery, known: KnownStatement): void {
    const error = this.#error;
    const result = error === undefined ? this.#resultOf(known) : undefined;
    this.#result = this.#error = undefined;
    this.#thrown = false;
    if (error === undefined) query.resolve(result);
    else query.reject(describeError(postgresError(error), query));
  }
}

/** Reads a command tag, such as `INSERT 0 5`: the command, and how many rows if it ends with a number. */
function complete(
  result: Result,
  known: KnownStatement,
  bytes: Buffer,
  start: number,
  end: number,
): void {
  let wordEnd = end;
  while (wordEnd > start && byteAt(bytes, wordEnd - 1) < CAPITAL_A) wordEnd--;
  result.state = known.state;
  // It is the same each time, and to compare it takes less than to decode it.
  if (!isText(bytes, start, wordEnd, known.command)) {
    known.command = textOf(bytes, start, wordEnd);
  }
  result.command = known.command;
  let count = 0;
  let scale = 1;
  for (let at = end - 1; at > wordEnd && byteAt(bytes, at) !== SPACE; at--) {
    count += scale * (byteAt(bytes, at) - ZERO);
    scale *= 10;
  }
  if (scale > 1) result.count = count;
}

function parse(column: Column, bytes: Buffer, start: number, end: number): unknown {
  if (column.parser === undefined) return textOf(bytes, start, end);
  // Of an array, what is behind its first brace.
  return column.parser(textOf(bytes, column.parser.array === true ? start + 1 : start, end));
}

/** Decodes UTF-8; what is short and ASCII without asking the runtime, which takes longer than that. */
function textOf(bytes: Buffer, start: number, end: number): string {
  switch (end - start) {
    case 0:
      return "";
    case 1: {
      const only = byteAt(bytes, start);
      if (only < 0x80) return String.fromCharCode(only);
      break;
    }
    case 2: {
      const first = byteAt(bytes, start);
      const second = byteAt(bytes, start + 1);
      if ((first | second) < 0x80) return String.fromCharCode(first, second);
      break;
    }
    case 3: {
      const first = byteAt(bytes, start);
      const second = byteAt(bytes, start + 1);
      const third = byteAt(bytes, start + 2);
      if ((first | second | third) < 0x80) return String.fromCharCode(first, second, third);
    }
  }
  return bytes.toString("utf8", start, end);
}

/** Whether bytes are those of a text that is ASCII. */
function isText(bytes: Buffer, start: number, end: number, text: string): boolean {
  if (end - start !== text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (bytes[start + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

function integerAt(bytes: Uint8Array, at: number): number {
  return byteAt(bytes, at) << 24 | byteAt(bytes, at + 1) << 16 | byteAt(bytes, at + 2) << 8 |
    byteAt(bytes, at + 3);
}

/** Reads a byte that is known to be there. */
function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}
