import { assert, assertEquals } from "@std/assert";
import { fingerprint } from "../../../src/driver/postgres/fingerprint.ts";
import { test } from "../../support/harness.ts";

for (
  const [text, expected] of [
    ["select * from t where id = $1 and x2 = $12", "select * from t where id = $1 and x2 = $12"],
    ["select 'secret', 12, 1.5e3, 0xff, -7", "select ?, ?, ?, ?, -?"],
    ["select 'it''s secret' || 'b'", "select ? || ?"],
    ["select E's', U&'s', B'01', x'ff', n's' where'a'", "select ?, ?, ?, ?, ? where?"],
    [String.raw`select a, 'a\', 'secret', b`, "select a, ?"],
    [String.raw`select E'a\'secret', b`, "select ?"],
    ["select $$secret$$, $tag$ se $$ cret $tag$", "select ?, ?"],
    [`select "a 'quoted' name" from "T1"`, `select "a 'quoted' name" from "T1"`],
    ["select 1 -- secret\nfrom t /* secret\n */ where a", "select ? from t where a"],
    ["insert  into\n\tt values\n('secret unended", "insert into t values (?"],
    ["select $q$ secret unended", "select ?"],
    ["select /* secret unended", "select"],
    ["select abs(-5), t1.c2 from t1", "select abs(-?), t1.c2 from t1"],
    ["", ""],
  ] as const
) {
  test(`fingerprint() of ${JSON.stringify(text)}`, () => {
    assertEquals(fingerprint(text), expected);
  });
}

test("fingerprint() is cut, also where the text is very long", () => {
  const long = fingerprint(`select ${"a, ".repeat(100_000)}'secret'`);
  assertEquals([long.length, long.at(-1)], [200, "…"]);
  const blank = fingerprint(`select '${"secret".repeat(10_000)}', a`);
  assertEquals(blank, "select ?");
  assert(!fingerprint(`${" ".repeat(9_995)}'secret'`).includes("sec"));
});
