/**
 * What the README says is true.
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { POOL_OPTION_NAMES } from "../src/core/options.ts";
import { POSTGRES_OPTION_NAMES } from "../src/driver/postgres/options.ts";
import { FRONT_OPTION_NAMES } from "../src/entry/options.ts";
import { PostgresPool } from "../src/entry/postgres_pool.ts";
import { ScopedPool } from "../src/entry/scoped_pool.ts";
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

Deno.test("README: what DBUtils' options are here exists", () => {
  const table = README.slice(README.indexOf("## Coming from"), README.indexOf("## Where does"));
  const rows = table.split("\n").filter((line) => line.startsWith("| ") && !line.includes("---"));
  const known = new Set([...POOL_OPTION_NAMES, ...FRONT_OPTION_NAMES, ...POSTGRES_OPTION_NAMES]);
  const methods = new Set(
    [PostgresPool, ScopedPool].flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype)),
  );
  for (const row of rows.slice(1)) {
    const here = row.split(/(?<!\\)\|/)[2] ?? "";
    for (const [, name = ""] of here.matchAll(/`([a-z]\w*)(?:: [^`]*)?`/g)) {
      assertEquals(known.has(name), true, `option ${name}`);
    }
    for (const [, name = ""] of here.matchAll(/`(?:await )?db\.(\w+)/g)) {
      assertEquals(methods.has(name), true, `method ${name}`);
    }
  }
  assertEquals(rows.length > 25, true);
});

Deno.test("README: its commands are tasks", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  for (const name of ["demo", "test", "soak", "check", "bench"]) {
    assertStringIncludes(README, `task ${name}`);
    assertEquals(name in tasks, true);
  }
});
