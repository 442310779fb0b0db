import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { runChild } from "../support/child.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { scriptCommand } from "../support/this_runtime.ts";
import { test } from "../support/harness.ts";

const SCRIPT = fileURLToPath(new URL("./retained_child.ts", import.meta.url));

const REQUESTS: readonly string[] = [
  "a statement",
  "a lease",
  "a transaction",
  "a cursor",
  "a callback for each row",
  "a scope",
  "a scope that is one transaction",
  "a lost connection",
  "an acquire that times out",
];

for (const what of REQUESTS) {
  for (const [how, count] of [["cold", 1], ["busy", 20]] as const) {
    test(`a ${how} pool keeps the store of no request alive that made use of ${what} (X-14)`, async () => {
      await using schema = await Schema.create();
      const { program, args } = scriptCommand(SCRIPT, [what, String(count), schema.url], {
        collectsGarbage: true,
      });
      const stdout = `0 of ${count} kept\n`;
      assertEquals(await runChild(program, args), { code: 0, stdout, stderr: "" });
    });
  }
}
