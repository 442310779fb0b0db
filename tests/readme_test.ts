/**
 * What the README says is true.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { POOL_OPTION_NAMES } from "../src/core/options.ts";
import { FRONT_OPTION_NAMES } from "../src/entry/options.ts";
import { runChild } from "./support/child.ts";

const ROOT = new URL("../", import.meta.url);
const README = await Deno.readTextFile(new URL("README.md", ROOT));

Deno.test("README: its snippets type-check (Q-18)", async () => {
  const { code, stderr } = await runChild(
    Deno.execPath(),
    ["check", "--doc-only", "README.md"],
    { cwd: fileURLToPath(ROOT) },
  );
  assertEquals([code, code === 0 ? "" : stderr], [0, ""]);
});

Deno.test("README: its table has every option of the pool, and no other", () => {
  const table = README.slice(README.indexOf("| option"), README.indexOf("And porsager's:"));
  const names = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
  assertEquals(names.toSorted(), [...POOL_OPTION_NAMES, ...FRONT_OPTION_NAMES].toSorted());
});

Deno.test("README: its commands are tasks", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  for (const name of ["demo", "test", "soak", "check", "bench"]) {
    assertStringIncludes(README, `task ${name}`);
    assertEquals(name in tasks, true);
  }
});
