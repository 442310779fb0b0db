import { assertEquals } from "@std/assert";
import { FewSet } from "../../src/core/few_set.ts";
import { test } from "../support/harness.ts";

test("FewSet keeps each of what it is given once, in order", () => {
  const set = new FewSet<string>();
  assertEquals([[...set], set.size, set.delete("a")], [[], 0, false]);
  for (const item of ["b", "a", "b", "c"]) set.add(item);
  assertEquals([[...set], set.size], [["b", "a", "c"], 3]);
  assertEquals([set.delete("a"), set.delete("a"), [...set], set.size], [
    true,
    false,
    ["b", "c"],
    2,
  ]);
});
