import { assertEquals } from "@std/assert";
import { FewSet } from "../../src/core/few_set.ts";
import { test } from "../support/harness.ts";

const [a, b, c] = ["a", "b", "c"].map((name) => ({ name })) as [object, object, object];

function contents(set: FewSet<object>): [object[], number] {
  return [[...set], set.size];
}

test("FewSet keeps one, as long as there is only one", () => {
  const set = new FewSet<object>();
  set.delete(a);
  assertEquals(contents(set), [[], 0]);
  for (let time = 0; time < 2; time++) {
    set.add(a);
    set.add(a);
    set.delete(b);
    assertEquals(contents(set), [[a], 1]);
    set.delete(a);
    assertEquals(contents(set), [[], 0]);
  }
});

test("FewSet keeps each of several once, in the order they came", () => {
  const set = new FewSet<object>();
  for (const item of [b, a, b, c]) set.add(item);
  assertEquals(contents(set), [[b, a, c], 3]);
  set.delete(b);
  set.delete(b);
  set.add(b);
  assertEquals(contents(set), [[a, c, b], 3]);
  for (const item of [a, b, c]) set.delete(item);
  assertEquals(contents(set), [[], 0]);
  set.add(a);
  assertEquals(contents(set), [[a], 1]);
});
