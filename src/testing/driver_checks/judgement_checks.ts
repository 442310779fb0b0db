/**
 * What `Driver.evidence` and `Driver.classify` promise; the checks of loss have the rest.
 *
 * @module
 */

import type { DriverCheck } from "../driver_bench.ts";
import { expect, expectRejection, expectSame } from "../expect.ts";

const CLASSES: ReadonlySet<string> = new Set([
  "lost",
  "unavailable",
  "rejected",
  "statement",
  "unknown",
]);

const SCOPES: ReadonlySet<string> = new Set(["own", "doubt", "single", "generation"]);

/** The checks of what a driver says about statements and errors. */
export const judgementChecks: readonly DriverCheck[] = [
  {
    clause: 'evidence of a statement that succeeded is "answered"',
    applies: (subject) => !subject.cannot?.evidence,
    async prove(bench) {
      const connection = await bench.open();
      const statement = bench.subject.run(connection);
      await bench.within(statement.done, "a statement settles");
      expectSame(bench.driver.evidence(statement.handle), "answered", "its evidence");
    },
  },
  {
    clause: 'a statement that the server refused is "answered", its error classified "statement"',
    async prove(bench) {
      const connection = await bench.open();
      const statement = bench.subject.fail(connection);
      const error = await expectRejection(
        bench.within(statement.done, "a refused statement settles"),
        "a refused statement rejects",
      );
      expectSame(bench.driver.classify(error), "statement", "its class");
      const expected = bench.subject.cannot?.evidence ? "sent" : "answered";
      expectSame(bench.driver.evidence(statement.handle), expected, "its evidence");
    },
  },
  {
    clause: 'evidence of what the driver does not know is "sent"',
    prove(bench) {
      for (const handle of [undefined, null, {}, "a statement", Promise.resolve()]) {
        expectSame(bench.driver.evidence(handle), "sent", "its evidence");
      }
      return Promise.resolve();
    },
  },
  {
    clause: "classify has an answer for anything, and never throws",
    prove(bench) {
      for (const error of [undefined, null, 0, "an error", {}, new Error("of somebody else")]) {
        const known = bench.driver.classify(error);
        expect(CLASSES.has(known), `classify answers with one of its classes: got "${known}"`);
      }
      return Promise.resolve();
    },
  },
  {
    clause: "lossOf, where there is one, has an answer for anything, and never throws",
    prove({ driver }) {
      for (const cause of [undefined, null, 0, "an error", {}, new Error("of somebody else")]) {
        const scope = driver.lossOf?.(cause) ?? "doubt";
        expect(SCOPES.has(scope), `lossOf answers with one of its scopes: got "${scope}"`);
      }
      return Promise.resolve();
    },
  },
];
