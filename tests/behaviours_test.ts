/**
 * Every behaviour of the ancestors has a test that names it, or a reason why it has none.
 */

import { assertEquals } from "@std/assert";
import { readdir, readFile } from "node:fs/promises";
import { OBSOLETE_SCT } from "./behaviours/obsolete_sct.ts";

/** Number of behaviours, by group: steady connections, steady statements, transactions. */
const GROUPS = { S: 61, C: 35, T: 22 } as const;

const TESTS = new URL("./", import.meta.url);

/** The ids that test files name; of "S-38…S-41" all four. */
async function namedIds(): Promise<Set<string>> {
  const named = new Set<string>();
  for (const path of await readdir(TESTS, { recursive: true })) {
    if (!path.endsWith("_test.ts")) continue;
    const text = await readFile(new URL(path, TESTS), "utf8");
    for (const [, group, first = "", last] of text.matchAll(/\b([SCT])-(\d\d)(?:…\1-(\d\d))?\b/g)) {
      for (let id = Number(first); id <= Number(last ?? first); id++) {
        named.add(`${group}-${String(id).padStart(2, "0")}`);
      }
    }
  }
  return named;
}

Deno.test("Every behaviour of groups S, C and T is named in a test, or listed as obsolete with a reason", async () => {
  const named = await namedIds();
  const all = Object.entries(GROUPS).flatMap(([group, count]) =>
    Array.from({ length: count }, (_, index) => `${group}-${String(index + 1).padStart(2, "0")}`)
  );
  assertEquals(all.filter((id) => !named.has(id) && !(id in OBSOLETE_SCT)), []);
  assertEquals(Object.keys(OBSOLETE_SCT).filter((id) => !all.includes(id)), []);
  assertEquals(Object.values(OBSOLETE_SCT).filter((reason) => reason.length < 20), []);
});
