import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  checkBoolean,
  checkDuration,
  checkFunction,
  checkInteger,
  checkNames,
  checkSignal,
  checkWord,
  show,
} from "../../src/core/validate.ts";
import { test } from "../support/harness.ts";

const SECRET = "s3cret";

test("show() puts simple values as they are", () => {
  const shown: [unknown, string][] = [
    [1.5, "1.5"],
    [NaN, "NaN"],
    [-0, "0"],
    [10n, "10"],
    [true, "true"],
    [null, "null"],
    [undefined, "undefined"],
    ["10", '"10"'],
    ["ten", '"ten"'],
    ["", '""'],
    [Symbol("s"), "Symbol(s)"],
    [[1], "an array"],
    [{ a: 1 }, "a value of type object"],
    [() => 1, "a value of type function"],
  ];
  for (const [value, text] of shown) assertEquals(show(value), text);
});

test("show() never shows text that could hold a secret", () => {
  for (
    const text of [
      `postgres://app:${SECRET}@db/app`,
      `app:${SECRET}@db`,
      `host=db password=${SECRET}`,
      `password ${SECRET}`,
      `${SECRET} and more than forty characters of whatever it is`,
    ]
  ) {
    assertEquals(show(text), "a string", text);
    assert(!show([text]).includes(SECRET));
    assert(!show({ text }).includes(SECRET));
  }
});

test("checkNames() refuses what is no object of options", () => {
  for (const options of [null, 5, "text", [], () => {}]) {
    assertThrows(
      () => checkNames("do it", options, new Set()),
      TypeError,
      `Cannot do it as options must be an object: received ${show(options)}`,
    );
  }
});

test("checkNames() refuses names that do not exist, and knows the others", () => {
  const known = new Set(["max", "min"]);
  checkNames("do it", { max: 1, min: undefined }, known);
  checkNames("do it", {}, known);
  assertThrows(
    () => checkNames("do it", { max: 1, maximum: SECRET }, known),
    TypeError,
    'Cannot do it as there is no option "maximum"',
  );
});

test("checkInteger() gives the value, or says rule and value", () => {
  for (const value of [0, 1, 7, Number.MAX_SAFE_INTEGER]) {
    assertEquals(checkInteger("do it", "n", value, 0, false), value);
  }
  assertEquals(checkInteger("do it", "n", Infinity, 1, true), Infinity);
  for (const value of [0, -1, 1.5, NaN, Infinity, -Infinity]) {
    assertThrows(
      () => checkInteger("do it", "n", value, 1, false),
      RangeError,
      `Cannot do it as n must be an integer >= 1: received ${value}`,
    );
  }
  for (const value of ["5", null, undefined, {}, 5n, true]) {
    assertThrows(
      () => checkInteger("do it", "n", value, 2, true),
      TypeError,
      `Cannot do it as n must be an integer >= 2 or Infinity: received ${show(value)}`,
    );
  }
});

test("checkDuration() gives the value, or says rule and value", () => {
  const open = { zero: true, infinity: true };
  const strict = { zero: false, infinity: false };
  for (const value of [0, 0.5, 1e12, Infinity]) {
    assertEquals(checkDuration("do it", "ms", value, open), value);
  }
  for (const value of [0, -1, NaN, Infinity, -Infinity]) {
    assertThrows(
      () => checkDuration("do it", "ms", value, strict),
      RangeError,
      `Cannot do it as ms must be a number of milliseconds > 0: received ${value}`,
    );
  }
  for (const value of [-1, NaN, -Infinity]) {
    assertThrows(
      () => checkDuration("do it", "ms", value, open),
      RangeError,
      `Cannot do it as ms must be a number of milliseconds >= 0 or Infinity: received ${value}`,
    );
  }
  for (const value of ["5s", null, undefined, {}, 5n]) {
    assertThrows(
      () => checkDuration("do it", "ms", value, open),
      TypeError,
      `received ${show(value)}`,
    );
  }
});

test("checkSignal() takes signals, also of other realms, and nothing", () => {
  const { signal } = new AbortController();
  assertStrictEquals(checkSignal("do it", signal), signal);
  assertStrictEquals(checkSignal("do it", undefined), undefined);
  assertStrictEquals(checkSignal("do it", null), undefined);
  const foreign = { aborted: false, addEventListener: () => {} };
  assertStrictEquals<unknown>(checkSignal("do it", foreign), foreign);
  for (const value of [new AbortController(), 5, "signal", {}, () => {}]) {
    assertThrows(
      () => checkSignal("do it", value),
      TypeError,
      `Cannot do it as signal must be an AbortSignal: received ${show(value)}`,
    );
  }
});

test("checkWord(), checkFunction() and checkBoolean() give the value, or name rule and value", () => {
  const words = ["a", "b", "c"] as const;
  assertEquals(checkWord("go", "way", "b", words), "b");
  const fn = () => {};
  assertStrictEquals(checkFunction("go", "way", fn), fn);
  assertEquals([checkFunction("go", "way", undefined), checkBoolean("go", "way", undefined)], [
    undefined,
    undefined,
  ]);
  assertEquals([checkBoolean("go", "way", true), checkBoolean("go", "way", false)], [true, false]);
  const cases: [() => unknown, string][] = [
    [() => checkWord("go", "way", "d", words), 'way must be "a", "b" or "c": received "d"'],
    [() => checkWord("go", "way", 1, words), 'way must be "a", "b" or "c": received 1'],
    [() => checkWord("go", "way", SECRET + " x", words), "received a string"],
    [() => checkFunction("go", "way", 1), "way must be a function: received 1"],
    [() => checkBoolean("go", "way", 0), "way must be true or false: received 0"],
    [() => checkBoolean("go", "way", null), "way must be true or false: received null"],
  ];
  for (const [call, message] of cases) {
    const error = assertThrows(call, TypeError);
    assert(error.message.startsWith("Cannot go as way must be"), error.message);
    assert(error.message.endsWith(message), error.message);
  }
});
