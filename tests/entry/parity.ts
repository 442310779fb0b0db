/**
 * Runs the same code against porsager's own `postgres()` and against `createPool().sql`, and compares what came of it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import postgres from "postgres";
import { createPool } from "../support/entry.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { test } from "../support/harness.ts";

/** Code that uses an `sql`, and returns what is to be compared; it must not throw. */
export type Body = (sql: postgres.Sql, schema: Schema) => Promise<unknown>;

/** Options that both take; one connection unless it says otherwise, so that temporary tables last. */
export type ParityOptions = postgres.Options<Record<string, postgres.PostgresType>> & {
  /** Statements that are run before, in a schema of each side's own. */
  readonly setUp?: string;
};

/**
 * Registers a test that passes if the body comes to the same with both.
 *
 * @param name What is the same.
 * @param body What to run.
 * @param options Options for both.
 */
export function parity(name: string, body: Body, options: ParityOptions = {}): void {
  const { setUp, ...rest } = options;
  const both = { max: 1, onnotice: () => {}, ...rest };
  test(`sql as porsager's: ${name}`, async () => {
    const theirs = await observe(setUp, body, (url) => postgres(url, both));
    const ours = await observe(setUp, body, (url) => createPool(url, both).sql as postgres.Sql);
    assertEquals(ours, theirs);
  });
}

async function observe(
  setUp: string | undefined,
  body: Body,
  open: (url: string) => postgres.Sql,
): Promise<unknown> {
  await using schema = await Schema.create(setUp);
  const sql = open(schema.url);
  const shape = new Shape(schema.name);
  try {
    return shape.of(await body(sql, schema));
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Tells how a promise ends: its value, or its error. */
export async function outcome(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return error;
  }
}

/** Brings values into a form that is the same when they are as good as the same. */
class Shape {
  readonly #schema: string;

  constructor(schema: string) {
    this.#schema = schema;
  }

  of(value: unknown): unknown {
    if (typeof value === "string") return this.#text(value);
    if (typeof value !== "object" || value === null) return value;
    if (value instanceof Error) return this.#error(value);
    if (Array.isArray(value)) return "command" in value ? this.#result(value) : this.#list(value);
    if (value instanceof Date) return { date: value.getTime() };
    if (ArrayBuffer.isView(value)) return { bytes: [...value as Uint8Array] };
    return { class: className(value), ...this.#properties(value) };
  }

  /** Names that differ from session to session. */
  #text(text: string): string {
    return text.replaceAll(this.#schema, "schema").replaceAll(/pg_(toast_)?temp_\d+/g, "pg_temp");
  }

  #list(values: readonly unknown[]): unknown[] {
    return [...values].map((value) => this.of(value));
  }

  #properties(value: object): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(value).map(([name, member]) => [name, this.of(member)]),
    );
  }

  #error(error: Error): unknown {
    return {
      class: className(error),
      name: error.name,
      message: this.#text(error.message),
      // Not enumerable, unless `debug` is on.
      query: this.of(Reflect.get(error, "query")),
      parameters: this.of(Reflect.get(error, "parameters")),
      args: this.of(Reflect.get(error, "args")),
      types: this.of(Reflect.get(error, "types")),
      own: { ...this.#properties(error), stack: Object.keys(error).includes("stack") },
    };
  }

  #result(rows: readonly unknown[]): unknown {
    const { count, command, columns, statement, state } = rows as unknown as postgres.RowList<[]>;
    return {
      class: className(rows),
      rows: this.#list(rows),
      count,
      command,
      columns: this.#columns(columns),
      statement: this.statement(statement),
      pid: typeof state?.pid,
    };
  }

  #columns(columns: unknown): unknown {
    if (!Array.isArray(columns)) return columns;
    return columns.map(({ name, type, table, number, parser }) => ({
      name,
      type,
      number,
      ofTable: table !== 0,
      parser: typeof parser,
    }));
  }

  statement(statement: postgres.Statement | null | undefined): unknown {
    if (!statement) return statement;
    const { string, types, name, columns } = statement;
    return {
      string: this.of(string),
      types: this.of(types),
      named: name === undefined ? name : name !== "",
      columns: this.#columns(columns),
    };
  }
}

function className(value: object): unknown {
  return Object.getPrototypeOf(value)?.constructor?.name;
}
