import { assertEquals, assertThrows } from "@std/assert";
import type { Command, IsolationLevel } from "../../../src/core/driver.ts";
import {
  commandText,
  quoteIdentifier,
  quoteLiteral,
  resetTexts,
} from "../../../src/driver/postgres/commands.ts";
import { Schema } from "./schema.ts";
import { test } from "../../support/harness.ts";

const ODD = [
  "plain",
  "",
  'dou"ble',
  "sin'gle",
  "back\\slash",
  "$1",
  ";--",
  "é\n\t",
  "a.b",
  "'\\''",
];

test("quoteIdentifier() and quoteLiteral() come back as they were", async () => {
  await using schema = await Schema.create();
  for (const text of ODD) {
    for (const conforming of ["on", "off"]) {
      const setting =
        `set standard_conforming_strings to ${conforming}; set escape_string_warning to off;`;
      // Several statements have several results.
      const results: unknown[] = await schema.query(
        `${setting} select ${quoteLiteral(text)} as ${quoteIdentifier(text || "empty")}`,
      );
      const [row] = results.at(-1) as [unknown];
      assertEquals(row, { [text || "empty"]: text });
    }
  }
});

test("commandText() says each command in PostgreSQL's words", () => {
  const words: [Command, string][] = [
    [{ verb: "begin" }, "begin"],
    [{ verb: "begin", isolation: "serializable" }, "begin isolation level serializable"],
    [{ verb: "begin", readOnly: true }, "begin read only"],
    [{ verb: "begin", readOnly: false, deferrable: false }, "begin read write not deferrable"],
    [
      { verb: "begin", isolation: "repeatable read", readOnly: true, deferrable: true },
      "begin isolation level repeatable read read only deferrable",
    ],
    [{ verb: "commit" }, "commit"],
    [{ verb: "rollback" }, "rollback"],
    [{ verb: "savepoint", name: 'a"b' }, 'savepoint "a""b"'],
    [{ verb: "release savepoint", name: "a" }, 'release savepoint "a"'],
    [{ verb: "rollback to savepoint", name: "a" }, 'rollback to savepoint "a"'],
    [{ verb: "session", text: "set time zone 'UTC'" }, "set time zone 'UTC'"],
  ];
  for (const [command, text] of words) assertEquals(commandText(command), text);
});

test("commandText() refuses an isolation level that does not exist", () => {
  for (const isolation of ["snapshot", "serializable; drop table t", "SERIALIZABLE", "", null]) {
    assertThrows(
      () => commandText({ verb: "begin", isolation: isolation as IsolationLevel }),
      TypeError,
      `received ${JSON.stringify(isolation)}`,
    );
  }
});

test("resetTexts() cleans more with each level", () => {
  assertEquals(resetTexts("none", false), []);
  assertEquals(resetTexts("rollback", false), ["rollback"]);
  const [session = "", ...more] = resetTexts("session", false);
  const [discard = "", ...others] = resetTexts("discard", false);
  assertEquals([more, others], [[], []]);
  assertEquals([session.includes("discard plans"), discard.includes("discard plans")], [
    false,
    true,
  ]);
  // What the driver has names for stays.
  for (const text of [session, discard]) assertEquals(/deallocate|discard all/.test(text), false);
});

test("resetTexts() rolls back only where there is something to roll back", () => {
  assertEquals(resetTexts("rollback", true), []);
  for (const level of ["session", "discard"] as const) {
    const [text = ""] = resetTexts(level, false);
    assertEquals(resetTexts(level, true), [text.replace("rollback; ", "")]);
    assertEquals(text.startsWith("rollback; "), true);
  }
});
