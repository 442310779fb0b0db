import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { runChild } from "../support/child.ts";
import { Schema } from "../driver/postgres/schema.ts";
import { scriptCommand } from "../support/this_runtime.ts";
import { test } from "../support/harness.ts";

const SCRIPT = fileURLToPath(new URL("./exit_child.ts", import.meta.url));

/** What a program does, and what it says before it ends by itself. */
const ENDS: Record<string, string> = {
  "an idle connection": "idle 1\n",
  "an idle lease": "used 1\n",
  "a stock of idle connections": "idle 2\n",
  "a stock that is refilled in vain": "idle 0\n",
};

/** What holds a process until it is over, and what the process says then. */
const HOLDS: Record<string, string> = {
  "a cold statement": "over\n",
  "a warm statement": "over\n",
  "a statement on a lease": "over\n",
  "a transaction": "over\n",
  "a transaction that waits": "over\n",
  "a cancelled statement": "over\n",
  "a waiter": "over AcquireTimeoutError\n",
  "a waiter for a server that is not there": "over AcquireTimeoutError\n",
  "a close that waits": "over\n",
  "a close": "over\n",
};

async function run(what: string): Promise<unknown> {
  await using schema = await Schema.create();
  // A process that does not end makes the test hang: how long is too long is not ours to say.
  const { program, args } = scriptCommand(SCRIPT, [what, schema.url]);
  return await runChild(program, args);
}

for (const [what, stdout] of Object.entries(ENDS)) {
  test(`A process ends by itself with a pool that has ${what}`, async () => {
    assertEquals(await run(what), { code: 0, stdout, stderr: "" });
  });
}

for (const [what, stdout] of Object.entries(HOLDS)) {
  test(`A process does not end before ${what} is over`, async () => {
    assertEquals(await run(what), { code: 0, stdout, stderr: "" });
  });
}
