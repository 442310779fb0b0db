import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { runChild } from "../support/child.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { scriptCommand } from "../support/this_runtime.ts";
import { test } from "../support/harness.ts";

const SCRIPT = fileURLToPath(new URL("./forgotten_child.ts", import.meta.url));

async function run(what: string): Promise<unknown> {
  await using schema = await Schema.create();
  const { program, args } = scriptCommand(SCRIPT, [what, schema.url], { collectsGarbage: true });
  return await runChild(program, args);
}

test("a lease that is forgotten is told of, its connection closed, and the next is served (D-36, Q-16, A-27)", async () => {
  const stdout = "collected forgetful\nserved 2\nover\n";
  assertEquals(await run("forgets a lease"), { code: 0, stdout, stderr: "" });
});

test("a scope that is forgotten with its connection is told of by its name, also where no stacks are taken (A-27)", async () => {
  const stdout = "collected forgetful\nserved 2\nover\n";
  assertEquals(await run("forgets a scope"), { code: 0, stdout, stderr: "" });
});

test("a share that is forgotten is told of and given back; the others keep their connection (A-27)", async () => {
  const stdout = "collected forgetful\n1 of 2, not lost\ncollected forgetful\n" +
    "idle 1, connected 1\nover\n";
  assertEquals(await run("forgets shares"), { code: 0, stdout, stderr: "" });
});

/** Who keeps enough of a lease not to have forgotten it, and what it says. */
const KEEPERS: Record<string, string> = {
  "keeps the sql of a lease": "over\n",
  "keeps the query of a lease": "over\n",
  "keeps the sql of a share": "over\n",
  "keeps the query of a share": "over\n",
  "keeps the cursor of a lease": "3 rows\nover\n",
  "keeps the stream of a lease": "6 bytes\nover\n",
  "keeps the cursor of a single statement": "3 rows\nover\n",
  "pauses in a transaction": "over\n",
  "waits for a single statement": "over\n",
};

for (const [what, stdout] of Object.entries(KEEPERS)) {
  test(`a lease is not forgotten as long as somebody ${what} (D-37, X-24)`, async () => {
    assertEquals(await run(what), { code: 0, stdout, stderr: "" });
  });
}
