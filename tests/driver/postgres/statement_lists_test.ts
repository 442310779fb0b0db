/**
 * Statements that wait, and statements in flight: their order, and what becomes of their links.
 */

import { assert, assertEquals } from "@std/assert";
import type { Outcome } from "../../../src/core/errors.ts";
import { resolvePostgresOptions } from "../../../src/driver/postgres/options.ts";
import { judge } from "../../../src/driver/postgres/outcome.ts";
import { Statement } from "../../../src/driver/postgres/statement.ts";
import { StatementsInFlight } from "../../../src/driver/postgres/statements_in_flight.ts";
import { WaitingStatements } from "../../../src/driver/postgres/waiting_statements.ts";
import { WireTap } from "../../../src/driver/postgres/wire_tap.ts";
import { test } from "../../support/harness.ts";

const { template } = resolvePostgresOptions("postgres://app@127.0.0.1:1/app", {});

function statement(text = "select 1"): Statement {
  return new Statement(new template.Query([text], [], () => {}, () => {}, {}));
}

type Four = [Statement, Statement, Statement, Statement];

function four(): Four {
  return [statement(), statement(), statement(), statement()];
}

/** All from one on. */
function chain(first: Statement | undefined): Statement[] {
  const all: Statement[] = [];
  for (let next = first; next !== undefined; next = next.next) all.push(next);
  return all;
}

/** Which they are, by their places in a list: statements of one text equal each other. */
function places(
  all: readonly Statement[],
  some: readonly (Statement | undefined)[],
): (number | undefined)[] {
  return some.map((each) => each && all.indexOf(each));
}

test("WaitingStatements keeps the order, and who goes back goes to the front", () => {
  const waiting = new WaitingStatements();
  const all = four();
  const [a, b, c, d] = all;
  waiting.add(b);
  waiting.add(c);
  waiting.addFirst(a);
  assertEquals(places(all, chain(waiting.first)), [0, 1, 2]);
  assertEquals(all.map((each) => waiting.has(each)), [true, true, true, false]);
  waiting.delete(a);
  waiting.add(d);
  assertEquals(places(all, chain(waiting.first)), [1, 2, 3]);
});

test("WaitingStatements.delete() takes any of them out, and leaves it no links", () => {
  for (const taken of [0, 1, 2, 3]) {
    const waiting = new WaitingStatements();
    const all = four();
    for (const each of all) waiting.add(each);
    const out = all[taken];
    assert(out !== undefined);
    waiting.delete(out);
    assertEquals([out.previous, out.next, waiting.has(out)], [undefined, undefined, false]);
    waiting.add(out);
    const order = [0, 1, 2, 3].filter((place) => place !== taken);
    assertEquals(places(all, chain(waiting.first)), [...order, taken]);
    for (const each of all) waiting.delete(each);
    assertEquals(waiting.first, undefined);
  }
});

/** Three in flight and one that is not; as many as wanted have left. */
function inFlight(left: number): { tap: WireTap; flight: StatementsInFlight; all: Four } {
  const tap = new WireTap();
  tap.executesSent = 7;
  tap.syncsSent = tap.syncsAnswered = 8;
  const flight = new StatementsInFlight(tap);
  const all = four();
  const [a, b, c] = all;
  flight.start(a);
  flight.follow(b, a);
  flight.follow(c, a);
  tap.executesSent += left;
  tap.syncsSent += left;
  flight.wrote();
  return { tap, flight, all };
}

test("StatementsInFlight tells by what left which statements are on their way", () => {
  for (const left of [0, 1, 2, 3]) {
    const evidence = inFlight(left).all.map((each) => each.evidence === "sent");
    assertEquals(evidence, [0, 1, 2, 3].map((place) => place < left));
  }
});

test("StatementsInFlight.takeAnswered() leaves the newest", () => {
  const { tap, flight, all } = inFlight(3);
  const take = () => places(all, [flight.takeAnswered()])[0];
  const ends = () => places(all, [flight.oldest, flight.newest]);
  assertEquals([take(), ...ends()], [undefined, 0, 2]);
  tap.syncsAnswered++;
  assertEquals(all.map((each) => flight.isAnswered(each)), [true, false, false, false]);
  assertEquals([take(), take(), ...ends()], [0, undefined, 1, 2]);
  assertEquals([all[0].next, flight.areSeveral], [undefined, true]);
  tap.syncsAnswered += 2;
  assertEquals([take(), take(), ...ends()], [1, undefined, 2, 2]);
  assertEquals(flight.areSeveral, false);
  assertEquals(places(all, [flight.takeAll()]), [2]);
  assertEquals(ends(), [undefined, undefined]);
});

test("judge() takes each statement by itself, and one of them for what was executing", () => {
  const cases: readonly (readonly [left: number, code: string | undefined, Outcome, Outcome])[] = [
    [1, undefined, "unknown", "not-applied"],
    [2, undefined, "unknown", "unknown"],
    [2, "57P01", "not-applied", "not-applied"],
    [2, "57P02", "unknown", "unknown"],
  ];
  for (const [left, code, ...outcomes] of cases) {
    const { tap, flight, all } = inFlight(1 + left);
    tap.transaction = "idle";
    tap.syncsAnswered++;
    if (code !== undefined) tap.fatal = { fatal: true, code, message: "terminating" };
    const waiting = new WaitingStatements();
    waiting.add(all[3]);
    const { answered, others, executing } = judge(flight, waiting, tap);
    assertEquals(places(all, [...answered, executing]), [0, 1]);
    assertEquals(places(all, others.map((each) => each.statement)), [1, 2, 3]);
    assertEquals(others.map(({ outcome }) => outcome), [...outcomes, "not-applied"]);
  }
});
