import { assertEquals } from "@std/assert";
import { test } from "../support/harness.ts";
import { Ledger } from "./ledger.ts";
import type { Findings } from "./ledger_check.ts";
import { Meter } from "./meter.ts";
import { judge } from "./verdict.ts";

test("judge() wants orders before and after the accident", () => {
  const nothing: Findings = {
    ...{ rows: 0, acknowledged: 0, unknown: 0, unknownFound: 0, failed: 0 },
    ...{ missing: [], doubled: [], altered: [], failedFound: [], strangers: [], invariants: [] },
  };
  const meter = new Meter();
  const accident = { from: 1_000, to: 2_000, killed: 1, down: undefined, recovered: false };
  assertEquals(judge(nothing, new Ledger(), meter, accident), [
    "nothing was acknowledged before the accident",
    "the service did not recover: no new order was acknowledged after the accident",
  ]);
  meter.acknowledged(0);
  assertEquals(judge(nothing, new Ledger(), meter, { ...accident, recovered: true }), []);
  meter.needless = 2;
  assertEquals(judge(nothing, new Ledger(), meter, { ...accident, recovered: true }), [
    "2 requests failed although it was known that nothing came of them",
  ]);
});
