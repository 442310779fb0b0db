import { assertEquals, assertMatch } from "@std/assert";
import { Bag } from "../../src/core/bag.ts";
import { describeHolders, longestHolders } from "../../src/core/holders.ts";
import { callSite, Sites } from "../../src/core/site.ts";
import { test } from "../support/harness.ts";
import { addSlot } from "./pool_parts/slots.ts";

test("longestHolders() finds three, the longest first, of those that are alone", () => {
  const bag = new Bag<string>();
  for (const lentAt of [50, 10, 30, 20, 40]) addSlot(bag, "used").lentAt = lentAt;
  addSlot(bag, "idle");
  const shared = addSlot(bag, "used");
  shared.shares = 1;
  assertEquals(longestHolders(bag.slots(), 100).map(({ heldMs }) => heldMs), [90, 80, 70]);
  assertEquals(longestHolders([], 100), []);
});

test("describeHolders() names holders by label, place, or number (W-14)", () => {
  let now = 5;
  const sites = new Sites({ now: () => now }, { now: () => now });
  const { stack } = sites.note(undefined) ?? {};
  now++;
  const named = sites.note("import");
  const text = describeHolders([
    { epoch: 1, heldMs: 300, label: named?.label, stack: named?.stack },
    { epoch: 2, heldMs: 200, label: undefined, stack },
    { epoch: 3, heldMs: 100, label: undefined, stack: undefined },
  ]);
  assertMatch(
    text,
    /^"import" for 300 ms, .*holders_test\.ts:\d+:\d+\)? for 200 ms, connection 3 for 100 ms$/,
  );
});

test("Sites takes one stack in a millisecond, and keeps every label", () => {
  let now = 5;
  const sites = new Sites({ now: () => now }, { now: () => now });
  assertMatch(sites.note("a")?.stack ?? "", /holders_test/);
  assertEquals(sites.note(undefined), undefined);
  assertEquals(sites.note("b"), { label: "b", stack: undefined });
  now = 6;
  assertMatch(sites.note(undefined)?.stack ?? "", /holders_test/);
});

test("Sites spends no more than a hundredth of the time on stacks, though the first took longer than any", () => {
  let now = 0;
  let tookMs = 0.2;
  let readings = 0;
  const sites = new Sites({ now: () => now }, { now: () => readings++ % 2 * tookMs });
  const takes = () => sites.note(undefined) !== undefined;
  assertEquals([takes(), (now = 19, takes()), (now = 20, tookMs = 900, takes())], [
    true,
    false,
    true,
  ]);
  assertEquals([(now = 69, takes()), (now = 70, takes())], [false, true]);
});

test("callSite() is the first frame that is not of this package", () => {
  const stack = [
    "    at Sites.note (file:///a/steady/src/core/site.ts:1:1)",
    "    at Pool.acquire (file:///a/steady/src/core/pool.ts:1:1)",
    "    at async PostgresPool.acquire (file:///a/steady/src/entry/postgres_pool.ts:1:1)",
    "    at async handle (file:///a/app/main.ts:7:20)",
    "    at async serve (file:///a/app/main.ts:1:1)",
  ].join("\n");
  assertEquals(callSite(stack), "handle (file:///a/app/main.ts:7:20)");
  assertEquals(
    callSite(stack.replace("site.ts", "site.js")),
    "handle (file:///a/app/main.ts:7:20)",
  );
  assertEquals(callSite("    at a (/bundle.js:1:1)\n    at b (/bundle.js:2:2)"), undefined);
  assertEquals(callSite(stack.split("\n").slice(0, 3).join("\n")), undefined);
});
