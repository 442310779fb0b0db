import { assertEquals, assertThrows } from "@std/assert";
import { ScopeError } from "../../src/core/errors.ts";
import { Hooks } from "../../src/entry/transaction_hooks.ts";
import { test } from "../support/harness.ts";

test("Hooks take nothing that would never be called", async () => {
  for (const end of [(hooks: Hooks) => hooks.committed(), (hooks: Hooks) => hooks.rolledBack(1)]) {
    const hooks = new Hooks();
    await end(hooks);
    assertThrows(() => hooks.afterCommit(() => {}), ScopeError, "as that has ended");
    assertThrows(() => hooks.afterRollback(() => {}), ScopeError, "as that has ended");
  }
});

test("Hooks take over those of a savepoint, which are called once, by the end of the transaction", async () => {
  const called: unknown[] = [];
  const [inner, outer] = [new Hooks(), new Hooks()];
  inner.afterCommit(() => called.push("committed"));
  assertEquals(outer.take(inner), undefined);
  assertEquals(called, []);
  await outer.committed();
  assertEquals(called, ["committed"]);
});

test("Hooks of a savepoint that comes to its end after the transaction was rolled back are called for that", async () => {
  const called: unknown[] = [];
  const [inner, outer] = [new Hooks(), new Hooks()];
  inner.afterCommit(() => called.push("committed"));
  inner.afterRollback((error) => called.push(error));
  await outer.rolledBack("lost");
  const failure = outer.take(inner);
  assertEquals([failure, called], [{ error: "lost" }, []]);
  await inner.rolledBack(failure?.error);
  await outer.committed();
  assertEquals(called, ["lost"]);
});
