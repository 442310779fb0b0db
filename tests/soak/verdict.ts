/**
 * Whether all is well.
 *
 * @module
 */

import type { PoolCounts } from "../../src/core/stats.ts";
import type { Farewell } from "./farewell.ts";
import type { Findings } from "./ledger_check.ts";
import type { SoakRecord } from "./record.ts";

/** As many are named of each kind; more would hide the rest. */
const EXAMPLES = 5;

const TITLES = {
  answer: "wrong answers",
  hang: "operations that hang",
  unhandled: "errors that nobody handled",
  unlabelled: "errors that don't say what became of the work",
  counts: "counts that don't add up",
} as const;

/** Whether nothing is left of a closed pool. */
function isEmpty({ state, total, waiters }: PoolCounts): boolean {
  return state === "closed" && total === 0 && waiters === 0;
}

/**
 * Judges.
 *
 * @param findings What is in the tables.
 * @param record What the client was told.
 * @param farewell How the working process ended.
 * @param aftermath Operations acknowledged after the last accident.
 * @returns One sentence for each thing that is wrong; none if all is well.
 */
export function judge(
  findings: Findings,
  record: SoakRecord,
  farewell: Farewell,
  aftermath: number,
): string[] {
  const problems: string[] = [];
  const complain = (what: string, items: readonly unknown[]): void => {
    if (items.length === 0) return;
    const more = items.length > EXAMPLES ? ", …" : "";
    problems.push(`${items.length} ${what}: ${items.slice(0, EXAMPLES).join(", ")}${more}`);
  };
  complain("acknowledged and missing", findings.missing.map((id) => record.describe(id)));
  complain("doubled", findings.doubled.map((id) => record.describe(id)));
  complain("refused, but there", findings.refusedFound.map((id) => record.describe(id)));
  complain("accounts with wrong sums", findings.accounts);
  complain("there in part", findings.torn.map((id) => record.describe(id)));
  complain("there, but never written", findings.strangers);
  for (const [what, title] of Object.entries(TITLES)) {
    const texts = record.wrongs.filter((wrong) => wrong.what === what).map(({ text }) => text);
    complain(title, [...new Set(texts)]);
  }
  problems.push(...farewell.problems);
  const { closed, sockets } = farewell;
  if (sockets > 0) problems.push(`${sockets} sockets are open after the pools were closed`);
  if (closed !== undefined) {
    complain("pools are not empty", closed.pools.filter((stats) => !isEmpty(stats)).map(describe));
    if (closed.timers > 0) problems.push(`${closed.timers} timers are left of closed pools`);
  }
  if (aftermath === 0) problems.push("nothing was acknowledged after the last accident");
  return problems;
}

function describe(stats: PoolCounts): string {
  return JSON.stringify(stats);
}
