/**
 * What a connection knows of statements that it executed before: prepared at the server, parameters and columns described.
 * Executed again they pass porsager by, which takes several times as long for it as what is needed.
 *
 * @module
 */

import { passFor } from "./light_result.ts";
import { OutgoingBytes } from "./outgoing_bytes.ts";
import type { DescribedStatement, PorsagerQuery } from "./porsager.ts";

/** Writes a value as the server reads it. */
type Serializer = (value: unknown) => unknown;

/** Serializers by type. */
type Serializers = Readonly<Record<number, Serializer | undefined>>;

/** The value of a parameter, written out; `null` is NULL. */
type Written = string | null;

const NO_PARAMETERS: readonly Written[] = [];
/** Bind: no formats of parameters; behind these it has none of results. Execute of the unnamed portal, all rows. Sync. */
const BIND = 0x42;
const BEHIND = Uint8Array.of(0, 0, 0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0x53, 0, 0, 0, 4);
/** Bytes of Bind behind its head: the count of formats of results. */
const FORMATS = 2;
/** Not one of the values that are written by themselves. */
const OTHER = -1;

/** A statement that can be executed without porsager. */
export class KnownStatement {
  /** As porsager has it. */
  readonly statement: DescribedStatement;
  /** Process id and secret of the session, as porsager has them: part of each result. */
  readonly state: unknown;
  /** What the server said that it executed, the last time. */
  command = "";
  readonly #inferred: readonly number[];
  /** Bind up to the values. */
  readonly #head: Uint8Array;
  /** All of it, if there are no values. */
  readonly #whole: Uint8Array | undefined;

  /**
   * @param statement As porsager has it.
   * @param state Process id and secret of the session.
   * @param inferred What porsager took the values for: it prepares a statement for each such list.
   */
  constructor(statement: DescribedStatement, state: unknown, inferred: readonly number[]) {
    this.statement = statement;
    this.state = state;
    this.#inferred = inferred;
    this.#head = headOf(statement.name, inferred.length);
    if (inferred.length === 0) {
      const bytes = new OutgoingBytes();
      this.append(NO_PARAMETERS, bytes);
      // Copied: kept for as long as the statement is known, the place they are in would be.
      this.#whole = Uint8Array.from(bytes.take());
    }
  }

  /**
   * Tells whether it was prepared for such values.
   *
   * @param values As they were given.
   * @returns Whether porsager would use the same statement for them.
   */
  takes(values: readonly unknown[]): boolean {
    const inferred = this.#inferred;
    if (values.length !== inferred.length) return false;
    for (let i = 0; i < inferred.length; i++) {
      if (inferType(values[i]) !== inferred[i]) return false;
    }
    return true;
  }

  /**
   * Writes the values out.
   *
   * @param values Such as it takes.
   * @param serializers By type.
   * @returns Them, each as text; `undefined` if one of them cannot be written out, which porsager is to tell of.
   */
  write(values: readonly unknown[], serializers: Serializers): readonly Written[] | undefined {
    if (values.length === 0) return NO_PARAMETERS;
    const { types } = this.statement;
    const written: Written[] = [];
    try {
      for (let i = 0; i < values.length; i++) {
        const value = values[i];
        const text = value === null ? null : serialize(value, types[i] ?? 0, serializers);
        if (text !== null && typeof text !== "string") return undefined;
        written.push(text);
      }
    } catch {
      return undefined;
    }
    return written;
  }

  /**
   * Adds the messages that execute it.
   *
   * @param parameters Its values, as {@linkcode KnownStatement.write} gave them.
   * @param bytes Where to.
   */
  append(parameters: readonly Written[], bytes: OutgoingBytes): void {
    if (this.#whole !== undefined) return bytes.appendShared(this.#whole);
    const start = bytes.length;
    bytes.append(this.#head);
    for (const text of parameters) {
      if (text === null) bytes.appendInteger(-1);
      else bytes.appendText(text);
    }
    bytes.setInteger(start + 1, bytes.length + FORMATS - start - 1);
    bytes.append(BEHIND);
  }
}

function headOf(name: string, parameters: number): Uint8Array {
  const text = new TextEncoder().encode(name);
  const head = new Uint8Array(5 + 1 + text.length + 1 + 2 + 2);
  head[0] = BIND;
  head.set(text, 6);
  new DataView(head.buffer).setUint16(head.length - 2, parameters);
  return head;
}

function serialize(value: unknown, type: number, serializers: Serializers): unknown {
  // Called as porsager does, whatever it makes of its `this`.
  return serializers[type] === undefined ? "" + value : serializers[type](value);
}

/**
 * What porsager takes a value for, without asking the server; {@linkcode OTHER} for what need not be a value at all, such as
 * fragments and helpers, and for what has to be replaced.
 */
function inferType(value: unknown): number {
  switch (typeof value) {
    case "string":
    case "number":
      return 0;
    case "boolean":
      return 16;
    case "bigint":
      return 20;
    case "object":
      if (value === null) return 0;
      if (value instanceof Date) return 1184;
      if (value instanceof Uint8Array) return 17;
      return Array.isArray(value) ? inferElementType(value) : OTHER;
    default:
      return OTHER;
  }
}

function inferElementType(values: readonly unknown[]): number {
  return values.length === 0 ? 0 : inferType(values[0]);
}

/** The statements that one connection knows, by where they are written. */
export class KnownStatements {
  #known = new WeakMap<readonly string[], KnownStatement>();

  /**
   * Looks for what a query executes.
   *
   * @param query Not built.
   * @returns The statement, if it can be executed without porsager.
   */
  find(query: PorsagerQuery): KnownStatement | undefined {
    const known = this.#known.get(query.strings);
    return known !== undefined && isPlain(query) && takes(known, query.args) ? known : undefined;
  }

  /**
   * Keeps what porsager finds out of a query that it executes, when that has succeeded.
   *
   * @param query Built, and not answered.
   */
  learnFrom(query: PorsagerQuery): void {
    const { strings, args, statement } = query;
    if (!query.tagged || !query.prepare || statement === null || !isPlain(query)) return;
    // One that is no template's, but made by hand, may have another text the next time.
    if (!Object.isFrozen(strings)) return;
    const inferred = inferTypes(args);
    // With fragments or helpers, the same places make another text the next time.
    if (inferred === undefined || query.signature !== inferred + statement.string) return;
    const { resolve } = query;
    query.resolve = (value) => {
      // It may be answered on another connection in the end, or as one that was prepared anew.
      if (query.statement === statement && isResult(value) && Array.isArray(statement.columns)) {
        passFor(value);
        this.#known.set(strings, new KnownStatement(statement, query.state, inferred));
      }
      resolve.call(query, value);
    };
  }

  /** Forgets all: one was prepared anew, and its text may be that of others. */
  forget(): void {
    this.#known = new WeakMap();
  }
}

/** Whether it is rows: a COPY comes to a stream, and then to a result all the same. */
function isResult(value: unknown): value is unknown[] {
  return Array.isArray(value) && Reflect.get(value, "command") !== "COPY";
}

function takes(known: KnownStatement, values: readonly unknown[]): boolean {
  try {
    return known.takes(values);
  } catch {
    // Values can be such that to look at them throws: porsager tells of it.
    return false;
  }
}

function inferTypes(values: readonly unknown[]): readonly number[] | undefined {
  try {
    const types = values.map(inferType);
    return types.includes(OTHER) ? undefined : types;
  } catch {
    return undefined;
  }
}

/** Whether all its rows are wanted, at once, and made as usual. */
function isPlain(query: PorsagerQuery): boolean {
  return query.isRaw === undefined && query.forEachFn === undefined &&
    query.cursorRows === undefined && query.cursorFn === undefined && !query.streaming &&
    !query.onlyDescribe && !query.options.simple;
}
