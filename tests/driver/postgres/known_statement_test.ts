import { assertEquals } from "@std/assert";
import { KnownStatement, KnownStatements } from "../../../src/driver/postgres/known_statement.ts";
import { OutgoingBytes } from "../../../src/driver/postgres/outgoing_bytes.ts";
import type { PorsagerQuery } from "../../../src/driver/postgres/porsager.ts";
import { concat, message } from "./messages.ts";
import { test } from "../../support/harness.ts";

const STATE = { pid: 1 };

function known(types: number[], inferred: number[]): KnownStatement {
  return new KnownStatement({ string: "text", name: "n1", types, columns: [] }, STATE, inferred);
}

function bytesOf(statement: KnownStatement, values: readonly unknown[], serializers = {}): unknown {
  const bytes = new OutgoingBytes();
  const written = statement.write(values, serializers);
  if (written === undefined) return undefined;
  statement.append(written, bytes);
  return [...bytes.take()];
}

/** Bind, Execute and Sync. */
function messages(...values: (string | null)[]): number[] {
  const count = Uint8Array.of(0, values.length);
  const formats = Uint8Array.of(0, 0);
  const parts = values.flatMap((value) => {
    const text = new TextEncoder().encode(value ?? "");
    return value === null ? [-1] : [text.length, text];
  });
  return [...concat(
    message("B", "", "n1", formats, count, ...parts, formats),
    message("E", "", 0),
    message("S"),
  )];
}

test("KnownStatement.append() binds, executes and asks for an answer", () => {
  assertEquals(bytesOf(known([], []), []), messages());
  assertEquals(bytesOf(known([25], [0]), ["text"]), messages("text"));
  const values = [null, "", "é€𝄞", "x".repeat(100), "é".repeat(1_000), -1];
  assertEquals(
    bytesOf(known([], [0, 0, 0, 0, 0, 0]), values),
    messages(...values.map((value) => value === null ? null : String(value))),
  );
});

test("KnownStatement.append() adds to what is there", () => {
  const statement = known([25], [0]);
  const bytes = new OutgoingBytes();
  for (let time = 0; time < 100; time++) statement.append([`value ${time}`], bytes);
  const all = Array.from({ length: 100 }, (_, time) => messages(`value ${time}`)).flat();
  assertEquals([...bytes.take()], all);
  assertEquals(bytes.length, 0);
  statement.append(["next"], bytes);
  assertEquals([...bytes.take()], messages("next"));
});

test("KnownStatement.write() writes values out by their types, as the server named them", () => {
  const serializers = { 23: (value: unknown) => `int ${value}`, 16: () => 1, 25: undefined };
  const write = (types: number[], value: unknown) => known(types, [0]).write([value], serializers);
  assertEquals(write([23], 5), ["int 5"]);
  assertEquals(write([25], 5), ["5"]);
  assertEquals(write([23], null), [null]);
  assertEquals(write([16], true), undefined);
  const throwing = () => {
    throw new Error("no");
  };
  assertEquals(known([23], [0]).write([5], { 23: throwing }), undefined);
});

test("KnownStatement.takes() values that porsager would take for the same", () => {
  const takes = (inferred: number, value: unknown) => known([], [inferred]).takes([value]);
  for (const value of ["text", 1, null, [], [1], ["x"], [null], [[1]]]) {
    assertEquals([takes(0, value), takes(16, value)], [true, false]);
  }
  assertEquals([takes(16, true), takes(16, [false]), takes(0, true)], [true, true, false]);
  assertEquals([takes(20, 1n), takes(20, [1n]), takes(0, 1n)], [true, true, false]);
  assertEquals([takes(1184, new Date()), takes(1184, [new Date()])], [true, true]);
  assertEquals([takes(17, new Uint8Array()), takes(0, new Uint8Array())], [true, false]);
  for (
    const value of [undefined, {}, [{}], [undefined], Symbol("x"), () => {}, Promise.resolve()]
  ) {
    for (const inferred of [0, 16, 20, 17, 1184]) assertEquals(takes(inferred, value), false);
  }
  assertEquals([known([], [0]).takes([]), known([], []).takes([1])], [false, false]);
});

test("KnownStatements learn from queries that succeed, and are found for plain ones", () => {
  const strings = Object.freeze(["select ", ""]);
  const statement = { string: "select $1", name: "n1", types: [0], columns: [] };
  const query = (more: object = {}): PorsagerQuery =>
    ({
      strings,
      args: [1],
      options: {},
      tagged: true,
      prepare: "name",
      signature: "0select $1",
      statement,
      resolve: () => {},
      ...more,
    }) as unknown as PorsagerQuery;
  const learns = (more: object, value: unknown = []): boolean => {
    const statements = new KnownStatements();
    const taught = query(more);
    statements.learnFrom(taught);
    assertEquals(statements.find(query()), undefined);
    taught.resolve(value);
    return statements.find(query()) !== undefined;
  };
  assertEquals(learns({}), true);
  assertEquals(learns({}, {}), false);
  assertEquals(learns({}, Object.assign([], { command: "COPY" })), false);
  assertEquals(learns({ strings: [...strings] }), false);
  const unfit = [
    { tagged: false },
    { prepare: false },
    { isRaw: true },
    { isRaw: "values" },
    { forEachFn: () => {} },
    { cursorRows: 1 },
    { cursorFn: () => {} },
    { streaming: true },
    { onlyDescribe: true },
    { options: { simple: true } },
    { args: [{}] },
    { args: [true] },
    { signature: "0select other" },
    { statement: null },
    { statement: { ...statement, columns: undefined } },
    { statement: { ...statement, columns: null } },
  ];
  for (const more of unfit) assertEquals(learns(more), false, JSON.stringify(more));
  const statements = new KnownStatements();
  const taught = query();
  statements.learnFrom(taught);
  taught.resolve([]);
  for (const more of unfit.slice(2, 12)) {
    assertEquals(statements.find(query(more)), undefined, JSON.stringify(more));
  }
  assertEquals(statements.find(query({ strings: [...strings] })), undefined);
});
