/**
 * What `Driver.cancel` promises.
 *
 * @module
 */

import type { DriverCheck } from "../driver_bench.ts";
import type { DriverSubject } from "../driver_subject.ts";
import { expectRejection, expectSame } from "../expect.ts";

/** The checks of cancelling. */
export const cancelChecks: readonly DriverCheck[] = [
  {
    clause: 'cancel ends the statement that runs, classified "statement", and keeps the connection',
    applies: cancels,
    async prove(bench) {
      const connection = await bench.open();
      const watch = bench.watch(connection);
      const statement = await bench.startLong(connection);
      await bench.within(bench.driver.cancel(connection), "cancel settles");
      const error = await expectRejection(
        bench.within(statement.done, "a cancelled statement settles"),
        "a cancelled statement rejects",
      );
      expectSame(bench.driver.classify(error), "statement", "its class");
      await bench.expectUsable(connection, "after a cancel");
      expectSame(watch.count, 0, "losses told");
    },
  },
  {
    clause: "cancel in a transaction fails the transaction",
    applies: cancels,
    async prove(bench) {
      const connection = await bench.open();
      await bench.within(bench.driver.execute(connection, { verb: "begin" }), "begin settles");
      const statement = await bench.startLong(connection);
      await bench.within(bench.driver.cancel(connection), "cancel settles");
      await expectRejection(
        bench.within(statement.done, "a cancelled statement settles"),
        "a cancelled statement rejects",
      );
      bench.expectStatus(connection, "failed", "after a cancel in a transaction");
    },
  },
  {
    clause: "cancel leaves other connections alone",
    applies: (subject) => cancels(subject) && !subject.cannot?.status,
    async prove(bench) {
      const connection = await bench.open();
      const other = await bench.open();
      const statement = await bench.startLong(connection);
      await bench.startLong(other);
      await bench.within(bench.driver.cancel(connection), "cancel settles");
      await expectRejection(
        bench.within(statement.done, "a cancelled statement settles"),
        "a cancelled statement rejects",
      );
      bench.expectStatus(other, "busy", "after another one was cancelled");
    },
  },
  {
    clause: "cancel with nothing to cancel resolves and keeps the connection",
    applies: cancels,
    async prove(bench) {
      const connection = await bench.open();
      const watch = bench.watch(connection);
      await bench.within(bench.driver.cancel(connection), "cancel settles");
      expectSame(watch.count, 0, "losses told");
    },
  },
  {
    clause: "cancel with an aborted signal rejects with its reason and cancels nothing",
    applies: (subject) => cancels(subject) && !subject.cannot?.status,
    async prove(bench) {
      const connection = await bench.open();
      await bench.startLong(connection);
      const reason = new Error("aborted before");
      const error = await expectRejection(
        bench.within(
          bench.driver.cancel(connection, { signal: AbortSignal.abort(reason) }),
          "cancel with an aborted signal settles",
        ),
        "cancel with an aborted signal rejects",
      );
      expectSame(error, reason, "the rejection is the signal's own reason");
      await bench.pause(0);
      bench.expectStatus(connection, "busy", "after a cancel that was aborted before");
    },
  },
  {
    clause: "cancel rejects if the driver cannot cancel",
    applies: (subject) => !cancels(subject),
    async prove(bench) {
      const connection = await bench.open();
      await bench.startLong(connection);
      await expectRejection(
        bench.within(bench.driver.cancel(connection), "cancel settles"),
        "cancel rejects",
      );
    },
  },
];

function cancels(subject: DriverSubject<unknown>): boolean {
  return !subject.cannot?.cancel;
}
