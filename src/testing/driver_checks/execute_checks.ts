/**
 * What `Driver.execute` promises.
 *
 * @module
 */

import type { DriverCheck } from "../driver_bench.ts";
import { expectRejection, expectSame } from "../expect.ts";

/** A savepoint's name that only works if the driver quotes it. */
const AWKWARD_NAME = `a "b"; 'c' \\d -- é`;

/** The checks of transaction verbs and session statements. */
export const executeChecks: readonly DriverCheck[] = [
  {
    clause: "execute begins a transaction of every kind",
    async prove(bench) {
      const { driver } = bench;
      const connection = await bench.open();
      for (
        const isolation of [
          "read uncommitted",
          "read committed",
          "repeatable read",
          "serializable",
        ] as const
      ) {
        for (const readOnly of [undefined, false, true]) {
          for (const deferrable of [undefined, false, true]) {
            await bench.within(
              driver.execute(connection, { verb: "begin", isolation, readOnly, deferrable }),
              "begin settles",
            );
            bench.expectStatus(connection, "in transaction", "after begin");
            await bench.within(driver.execute(connection, { verb: "commit" }), "commit settles");
            bench.expectStatus(connection, "idle", "after commit");
          }
        }
      }
    },
  },
  {
    clause: "execute sets savepoints, returns to them and forgets them",
    applies: (subject) => !subject.cannot?.savepoints,
    async prove(bench) {
      const { driver } = bench;
      const connection = await bench.open();
      await driver.execute(connection, { verb: "begin" });
      for (const name of ["a", AWKWARD_NAME]) {
        await bench.within(
          driver.execute(connection, { verb: "savepoint", name }),
          "savepoint settles",
        );
        await expectRejection(
          bench.within(bench.subject.fail(connection).done, "a refused statement settles"),
          "a refused statement rejects",
        );
        bench.expectStatus(connection, "failed", "after an error behind a savepoint");
        await bench.within(
          driver.execute(connection, { verb: "rollback to savepoint", name }),
          "rollback to savepoint settles",
        );
        bench.expectStatus(connection, "in transaction", "after rollback to savepoint");
        await bench.within(
          driver.execute(connection, { verb: "release savepoint", name }),
          "release savepoint settles",
        );
        bench.expectStatus(connection, "in transaction", "after release savepoint");
      }
      await bench.within(driver.execute(connection, { verb: "commit" }), "commit settles");
      await bench.expectUsable(connection, "after a transaction with savepoints");
    },
  },
  {
    clause: "execute refuses to return to a savepoint that was not set",
    applies: (subject) => !subject.cannot?.savepoints,
    async prove(bench) {
      const { driver } = bench;
      const connection = await bench.open();
      await driver.execute(connection, { verb: "begin" });
      const error = await expectRejection(
        bench.within(
          driver.execute(connection, { verb: "rollback to savepoint", name: "nowhere" }),
          "rollback to savepoint settles",
        ),
        "rollback to a savepoint that was not set rejects",
      );
      expectSame(driver.classify(error), "statement", "its class");
      bench.expectStatus(connection, "failed", "after that");
    },
  },
  {
    clause: "execute's commit keeps what was written, its rollback does not",
    applies: ({ write, countWritten }) => write !== undefined && countWritten !== undefined,
    async prove(bench) {
      const { driver, subject } = bench;
      const { write, countWritten } = subject;
      if (write === undefined || countWritten === undefined) return;
      const connection = await bench.open();
      const before = await countWritten.call(subject, connection);
      for (const verb of ["rollback", "commit"] as const) {
        await driver.execute(connection, { verb: "begin" });
        await bench.within(write.call(subject, connection), "a write settles");
        await bench.within(driver.execute(connection, { verb }), `${verb} settles`);
      }
      const after = await countWritten.call(subject, connection);
      expectSame(after - before, 1, "rows after one transaction rolled back and one committed");
    },
  },
  {
    clause: "execute's read-only transaction refuses to write",
    applies: (subject) => subject.write !== undefined,
    async prove(bench) {
      const { driver, subject } = bench;
      const { write } = subject;
      if (write === undefined) return;
      const connection = await bench.open();
      await driver.execute(connection, { verb: "begin", readOnly: true });
      await expectRejection(
        bench.within(write.call(subject, connection), "a write in a read-only transaction settles"),
        "a write in a read-only transaction rejects",
      );
      bench.expectStatus(connection, "failed", "after that");
    },
  },
  {
    clause: "execute runs a statement of the session's set-up",
    applies: (subject) => subject.sessionStatement !== undefined,
    async prove(bench) {
      const connection = await bench.open();
      const text = bench.subject.sessionStatement ?? "";
      await bench.within(
        bench.driver.execute(connection, { verb: "session", text }),
        "a session statement settles",
      );
      await bench.expectUsable(connection, "after a session statement");
    },
  },
  {
    clause: "execute with an aborted signal rejects with its reason and does nothing",
    async prove(bench) {
      const connection = await bench.open();
      const reason = new Error("aborted before");
      const beginning = bench.driver.execute(
        connection,
        { verb: "begin" },
        { signal: AbortSignal.abort(reason) },
      );
      const error = await expectRejection(
        bench.within(beginning, "execute with an aborted signal settles"),
        "execute with an aborted signal rejects",
      );
      expectSame(error, reason, "the rejection is the signal's own reason");
      await bench.expectUsable(connection, "after a begin that was aborted before");
    },
  },
];
