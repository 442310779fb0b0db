/**
 * Every behaviour of the ancestors has a test that names it, or a reason why it has none.
 */

import { assertEquals } from "@std/assert";
import { readdir, readFile } from "node:fs/promises";
import { OBSOLETE_POOL } from "./behaviours/obsolete_pool.ts";
import { OBSOLETE_SCOPES } from "./behaviours/obsolete_scopes.ts";
import { OBSOLETE_SCT } from "./behaviours/obsolete_sct.ts";

/** Behaviours of one part of the ancestors. */
interface Part {
  /** What they are about. */
  readonly about: string;
  /** How many each group has. */
  readonly groups: Readonly<Record<string, number>>;
  /** Which of them have no place in this module. */
  readonly obsolete: Readonly<Record<string, string>>;
}

const PARTS: readonly Part[] = [
  {
    about: "steady connections, statements and transactions",
    groups: { S: 61, C: 35, T: 22 },
    obsolete: OBSOLETE_SCT,
  },
  {
    about: "pools: dedicated, shared, simple, PyGreSQL's, antipool, webapp_pool",
    groups: { D: 57, H: 36, Q: 19, G: 29, A: 41, W: 15 },
    obsolete: OBSOLETE_POOL,
  },
  {
    about:
      "scopes: PersistentDB, psycopg2's persistent pool, Zope's resource managers; async-only rules",
    groups: { P: 35, Y: 23, Z: 17, X: 26 },
    obsolete: OBSOLETE_SCOPES,
  },
];

const TESTS = new URL("./", import.meta.url);

function idsOf(group: string, first: number, last: number): string[] {
  return Array.from(
    { length: last - first + 1 },
    (_, index) => `${group}-${String(first + index).padStart(2, "0")}`,
  );
}

/** An id, or a span of them. */
const IDS = /\b([A-Z])-(\d\d)(?:…\1-(\d\d))?\b/g;

/** Lines of comments: what only they name is not shown. */
const COMMENTS = /^\s*(?:\/\/|\/?\*).*$/gm;

/** The ids that test files name, but for comments; of a span such as "S-38…S-41" all. */
async function namedIds(): Promise<Set<string>> {
  const named = new Set<string>();
  for (const path of await readdir(TESTS, { recursive: true })) {
    if (!path.endsWith("_test.ts")) continue;
    const text = await readFile(new URL(path, TESTS), "utf8");
    const code = text.replace(COMMENTS, "");
    for (const [, group = "", first, last] of code.matchAll(IDS)) {
      for (const id of idsOf(group, Number(first), Number(last ?? first))) named.add(id);
    }
  }
  return named;
}

for (const { about, groups, obsolete } of PARTS) {
  Deno.test(`Every behaviour is named in a test, or listed as obsolete with a reason: ${about}`, async () => {
    const named = await namedIds();
    const all = Object.entries(groups).flatMap(([group, count]) => idsOf(group, 1, count));
    assertEquals(all.filter((id) => !named.has(id) && !(id in obsolete)), []);
    const listed = Object.entries(obsolete);
    assertEquals(listed.filter(([id]) => !all.includes(id)), []);
    // One of the two is not true.
    assertEquals(listed.filter(([id]) => named.has(id)), []);
    assertEquals(listed.filter(([, reason]) => reason.length < 20), []);
  });
}
