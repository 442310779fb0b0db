import { assertEquals } from "@std/assert";
import { test } from "../support/harness.ts";
import { query } from "../support/query.ts";
import { freshDatabase } from "../support/shared_server.ts";
import type { Fate } from "./fate.ts";
import { Ledger } from "./ledger.ts";
import { type Ask, checkLedger, type Findings } from "./ledger_check.ts";
import type { Rows } from "./operation.ts";
import { SoakRecord } from "./record.ts";
import { type Sabotage, sabotage } from "./sabotage.ts";
import { SCHEMA } from "./schema.ts";
import { judge } from "./verdict.ts";

const ALL_IS_WELL: Findings = {
  ...{ missing: [], doubled: [], refusedFound: [], accounts: [], strangers: [], torn: [] },
  unknown: { inForce: 1, notInForce: 1 },
  repeated: 1,
};

/** Tables that agree with {@linkcode ledgerOf}. */
const ROWS = [
  "truncate written, lines, upserted, transfers",
  "insert into written values (1, 0), (2, 0), (4, 0)",
  "insert into lines values (2, 1), (2, 2), (2, 3)",
  "insert into upserted values (6, 1), (7, 2)",
  "insert into transfers values (8, 1, 2, 10)",
  "update accounts set balance = 1000 + case id when 1 then -10 when 2 then 10 else 0 end",
].join(";");

const WORK = { kind: "insert", from: 100, to: 200 };

/** Writes of every fate. */
function ledgerOf(): Ledger {
  const ledger = new Ledger();
  const writes: [id: number, rows: Rows, fate: Fate][] = [
    [1, { written: 1 }, "acknowledged"],
    [2, { written: 1, lines: 3 }, "acknowledged"],
    [3, { written: 1 }, "refused"],
    [4, { written: 1 }, "unknown"],
    [5, { written: 1 }, "unknown"],
    [6, { upserted: 1 }, "acknowledged"],
    [7, { upserted: 1 }, "acknowledged"],
    [8, { transfers: 1 }, "acknowledged"],
  ];
  for (const [id, rows, fate] of writes) ledger.enter({ id, rows, fate, ...WORK });
  return ledger;
}

/** What each kind of damage is found as. */
const FOUND: Readonly<Record<Sabotage, Partial<Findings>>> = {
  lose: { missing: [1] },
  tear: { missing: [2] },
  double: { doubled: [1] },
  revive: { refusedFound: [3] },
  // That sums are wrong is seen at the account, and in the sum of all.
  steal: { accounts: [1, 0] },
};

test("checkLedger() finds nothing where tables and ledger agree, and all damage", async (t) => {
  await using database = await freshDatabase();
  const ask: Ask = (text, parameters) => query(database.url, text, parameters);
  await ask(SCHEMA);
  const ledger = ledgerOf();
  await ask(ROWS);
  assertEquals(await checkLedger(ask, ledger), ALL_IS_WELL);
  for (const [kind, found] of Object.entries(FOUND) as [Sabotage, Partial<Findings>][]) {
    await t.step(kind, async () => {
      await ask(ROWS);
      await sabotage(ask, ledger, kind);
      assertEquals(await checkLedger(ask, ledger), { ...ALL_IS_WELL, ...found });
    });
  }
  await t.step("unknown writes that are doubled or there in part; rows of nobody", async () => {
    ledger.enter({ id: 9, rows: { lines: 2 }, fate: "unknown", ...WORK });
    await ask(ROWS);
    await ask("insert into lines values (9, 1), (10, 1)");
    await ask("insert into written values (5, 0), (5, 0)");
    assertEquals(await checkLedger(ask, ledger), {
      ...ALL_IS_WELL,
      ...{ torn: [9], strangers: [10], doubled: [5], unknown: { inForce: 2, notInForce: 0 } },
    });
  });
});

test("judge() names everything that is wrong", () => {
  const stats = { state: "closed", max: 5, total: 0, connecting: 0, idle: 0, used: 0 } as const;
  const none = { shared: 0, sharedLeases: 0, sharing: false };
  const pool = { ...stats, ...none, checking: 0, resetting: 0, closing: 0, waiters: 0 };
  const closed = { type: "closed", pools: [pool], timers: 0 } as const;
  const farewell = { closed, sockets: 0, exit: 0, problems: [] };
  assertEquals(judge(ALL_IS_WELL, new SoakRecord(), farewell, 1), []);

  const record = new SoakRecord();
  record.ledger.enter({ id: 1, rows: { written: 1 }, fate: "acknowledged", ...WORK });
  record.accidents.push({ name: "flood", details: "1 m", from: 150, to: 160 });
  record.accidents.push({ name: "fire", details: "", from: 250, to: 260 });
  for (const what of ["answer", "hang", "unhandled", "unlabelled", "counts"] as const) {
    record.take({ type: "wrong", what, text: `such as this ${what}` });
  }
  const problems = judge(
    {
      ...ALL_IS_WELL,
      ...{ missing: [1], doubled: [2], refusedFound: [3], accounts: [4], torn: [5] },
      strangers: [6, 7, 8, 9, 10, 11],
    },
    record,
    {
      closed: { ...closed, pools: [{ ...pool, total: 1 }], timers: 2 },
      sockets: 3,
      problems: ["the working process does not end by itself"],
    },
    0,
  );
  assertEquals(problems, [
    "1 acknowledged and missing: 1 (insert: acknowledged, 100 to 200 ms; flood (1 m) at 150)",
    "1 doubled: 2",
    "1 refused, but there: 3",
    "1 accounts with wrong sums: 4",
    "1 there in part: 5",
    "6 there, but never written: 6, 7, 8, 9, 10, …",
    "1 wrong answers: such as this answer",
    "1 operations that hang: such as this hang",
    "1 errors that nobody handled: such as this unhandled",
    "1 errors that don't say what became of the work: such as this unlabelled",
    "1 counts that don't add up: such as this counts",
    "the working process does not end by itself",
    "3 sockets are open after the pools were closed",
    `1 pools are not empty: ${JSON.stringify({ ...pool, total: 1 })}`,
    "2 timers are left of closed pools",
    "nothing was acknowledged after the last accident",
  ]);
});
