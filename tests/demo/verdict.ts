/**
 * Whether the demo showed what it is there to show.
 *
 * @module
 */

import type { Accident } from "./accident.ts";
import type { Ledger } from "./ledger.ts";
import type { Findings } from "./ledger_check.ts";
import type { Meter } from "./meter.ts";

/** As many ids are named of each kind; more would hide the rest. */
const EXAMPLES = 3;

/**
 * Judges.
 *
 * @param findings What is in the database.
 * @param ledger What the client was told.
 * @param meter When.
 * @param accident What happened half-way.
 * @returns One sentence for each thing that is wrong; none if all is well.
 */
export function judge(
  findings: Findings,
  ledger: Ledger,
  meter: Meter,
  accident: Accident,
): string[] {
  const problems: string[] = [];
  const complain = (ids: readonly string[], what: string): void => {
    if (ids.length === 0) return;
    const more = ids.length > EXAMPLES ? ", …" : "";
    problems.push(`${ids.length} ${what}: ${ids.slice(0, EXAMPLES).join(", ")}${more}`);
  };
  complain(findings.missing, "acknowledged and missing");
  complain(findings.doubled, "doubled");
  complain(findings.altered, "not as ordered");
  complain(findings.failedFound, "said to have no effect, but there");
  complain(findings.strangers, "there, but never ordered");
  for (const { name, broken } of findings.invariants) {
    if (broken !== 0) problems.push(`broken in ${broken} rows: ${name}`);
  }
  complain(ledger.surprises, "contradictions");
  if (meter.acknowledgedIn({ from: 0, to: accident.from }) === 0) {
    problems.push("nothing was acknowledged before the accident");
  }
  if (meter.needless > 0) {
    problems.push(
      `${meter.needless} requests failed although it was known that nothing came of them`,
    );
  }
  if (!accident.recovered) {
    problems.push("the service did not recover: no new order was acknowledged after the accident");
  }
  return problems;
}
