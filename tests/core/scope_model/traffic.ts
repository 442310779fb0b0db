/**
 * What reaches the servers: every statement says whose it is.
 *
 * @module
 */

import { demand } from "../model/demand.ts";
import type { Party } from "./party.ts";
import type { ScopeRecord } from "./place.ts";
import type { Use } from "./use.ts";

/** Statements that can say whose they are. */
const TAGGED: ReadonlySet<string> = new Set(["select", "write"]);

/** Reads what was sent and what was written for good. */
export class Traffic {
  readonly #parties: readonly Party[];
  readonly #uses: readonly Use[];
  readonly #logged = new Map<Party, number>();
  readonly #written = new Map<Party, number>();
  /** The single statement of a place that was sent last. */
  readonly #last = new Map<unknown, number>();

  /**
   * @param parties The pools.
   * @param uses All uses, by number; grows.
   */
  constructor(parties: readonly Party[], uses: readonly Use[]) {
    this.#parties = parties;
    this.#uses = uses;
  }

  /**
   * Makes a statement say whose it is.
   *
   * @param use Whose.
   * @param text The statement.
   * @returns The same with its number, where that can be.
   */
  tag(use: Use, text: string): string {
    return TAGGED.has(text) ? `${text} ${use.number}` : text;
  }

  /** Reads on: nothing comes from where all is over, and single statements come in the order they were asked for. */
  read(): void {
    for (const party of this.#parties) {
      const { log, applied } = party.driver;
      for (let i = this.#logged.get(party) ?? 0; i < log.length; i++) {
        const { event, detail = "" } = log[i] ?? {};
        if (event === "send") this.#sent(detail);
      }
      this.#logged.set(party, log.length);
      for (let i = this.#written.get(party) ?? 0; i < applied.length; i++) {
        const use = this.#uses[Number(applied[i])];
        demand(!isPassed(use), `what use ${use?.number} had left open was committed`);
      }
      this.#written.set(party, applied.length);
    }
  }

  #sent(text: string): void {
    const [word = "", number = ""] = text.split(" ");
    const use = TAGGED.has(word) ? this.#uses[Number(number)] : undefined;
    if (use === undefined) return;
    demand(!isPassed(use), `use ${use.number} is over and sends a statement`);
    const { node } = use.parts;
    if (node === undefined || !use.isStatement) return;
    const last = this.#last.get(node) ?? -1;
    demand(last < use.number, `statement ${use.number} came after ${last}`);
    this.#last.set(node, use.number);
  }

  /**
   * Looks at what is over by now: everything has settled.
   *
   * @param records All scopes.
   */
  pass(records: Iterable<ScopeRecord>): void {
    const going = new Set<ScopeRecord | undefined>();
    for (const { uses } of this.#parties) {
      for (const use of uses) {
        if (!use.settled) going.add(use.scope);
        else if (!use.has && isOver(use)) uses.delete(use);
      }
    }
    for (const record of records) {
      if (record.passed || going.has(record) || !record.scope.ended) continue;
      // A context cleans what its scopes have left before it lends it on.
      record.passed = record.scope.released && !isBusy(record);
    }
  }
}

/** Whether it is over for good: what it had said can do nothing any more. */
function isOver(use: Use): boolean {
  const { scope, outermost } = use;
  if (scope === undefined || outermost !== use || use.isStatement || use.beganInside) return true;
  if (use.state === "refused") return true;
  use.passed = scope.connection !== undefined && !isBusy(scope);
  return use.passed || scope.connection === undefined;
}

function isBusy({ connection, party }: ScopeRecord): boolean {
  return connection !== undefined && party.driver.status(connection) === "busy";
}

/** Whether its scope is over, or the callback that it was within, and who has that connection now is another. */
function isPassed(use: Use | undefined): boolean {
  return use !== undefined && ((use.scope?.passed ?? false) || use.outermost.passed);
}
