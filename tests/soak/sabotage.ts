/**
 * Damage done on purpose, behind everybody's back, to show that the check finds it.
 *
 * @module
 */

import type { Ledger } from "./ledger.ts";
import type { Ask } from "./ledger_check.ts";
import type { EndedWrite } from "./operation.ts";

interface Damage {
  /** What it is done to. */
  readonly to: (write: EndedWrite) => boolean;
  /** How. */
  readonly text: string;
}

const isSimple = ({ rows }: EndedWrite): boolean =>
  rows.written === 1 && Object.keys(rows).length === 1;

const DAMAGES = {
  lose: {
    to: (write) => write.fate === "acknowledged" && isSimple(write),
    text: "delete from written where id = $1",
  },
  tear: {
    to: ({ fate, rows }) => fate === "acknowledged" && (rows.lines ?? 0) > 1,
    text: "delete from lines where ctid = (select max(ctid) from lines where id = $1)",
  },
  double: {
    to: (write) => write.fate === "acknowledged" && isSimple(write),
    text: "insert into written values ($1, 0)",
  },
  revive: {
    to: (write) => write.fate === "refused" && isSimple(write),
    text: "insert into written values ($1, 0)",
  },
  steal: {
    to: ({ fate, rows }) => fate === "acknowledged" && rows.transfers === 1,
    text: `
      update accounts set balance = balance - 1
       where id = (select source from transfers where id = $1)`,
  },
} as const satisfies Record<string, Damage>;

/**
 * The kinds: an acknowledged write is lost, lost in part, there twice; a refused one is there; money is taken from an
 * account.
 */
export type Sabotage = keyof typeof DAMAGES;

/** All kinds. */
export const SABOTAGES: readonly string[] = Object.keys(DAMAGES);

/**
 * Tells whether there is such a kind.
 *
 * @param name Its name.
 * @returns Whether there is.
 */
export function isSabotage(name: string): name is Sabotage {
  return Object.hasOwn(DAMAGES, name);
}

/**
 * Damages one write.
 *
 * @param ask How to reach the database.
 * @param ledger Where to find the write.
 * @param kind How.
 * @returns Its id; undefined if there is none.
 */
export async function sabotage(
  ask: Ask,
  ledger: Ledger,
  kind: Sabotage,
): Promise<number | undefined> {
  const { to, text } = DAMAGES[kind];
  const id = ledger.find(to)?.id;
  if (id !== undefined) await ask(text, [id]);
  return id;
}
