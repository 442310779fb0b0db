/**
 * What `Driver.reset` promises.
 *
 * @module
 */

import type { ResetLevel } from "../../core/driver.ts";
import type { DriverBench, DriverCheck } from "../driver_bench.ts";
import { expect, expectRejection, expectSame } from "../expect.ts";

/** The checks of cleaning. */
export const resetChecks: readonly DriverCheck[] = [
  ...(["rollback", "session", "discard"] as const).map((level): DriverCheck => ({
    clause: `reset of level "${level}" ends any transaction`,
    prove: (bench) => endsTransactions(bench, level),
  })),
  {
    clause: 'reset of level "none" changes nothing',
    async prove(bench) {
      const connection = await bench.open();
      await bench.within(bench.driver.execute(connection, { verb: "begin" }), "begin settles");
      await bench.within(bench.driver.reset(connection, "none"), "reset settles");
      bench.expectStatus(connection, "in transaction", 'after a reset of level "none"');
    },
  },
  ...(["session", "discard"] as const).map((level): DriverCheck => ({
    clause: `reset of level "${level}" cleans the session's state`,
    applies: ({ dirtySession, isSessionDirty }) =>
      dirtySession !== undefined && isSessionDirty !== undefined,
    prove: (bench) => cleansSession(bench, level),
  })),
  {
    clause: "reset with an aborted signal rejects with its reason and does nothing",
    async prove(bench) {
      const connection = await bench.open();
      await bench.within(bench.driver.execute(connection, { verb: "begin" }), "begin settles");
      const reason = new Error("aborted before");
      const resetting = bench.driver.reset(connection, "rollback", {
        signal: AbortSignal.abort(reason),
      });
      const error = await expectRejection(
        bench.within(resetting, "reset with an aborted signal settles"),
        "reset with an aborted signal rejects",
      );
      expectSame(error, reason, "the rejection is the signal's own reason");
      bench.expectStatus(connection, "in transaction", "after a reset that was aborted before");
    },
  },
];

async function endsTransactions<C>(bench: DriverBench<C>, level: ResetLevel): Promise<void> {
  const { driver } = bench;
  const connection = await bench.open();
  await bench.within(driver.reset(connection, level), "reset settles");
  await bench.expectUsable(connection, "after a reset with nothing to clean");
  await bench.within(driver.execute(connection, { verb: "begin" }), "begin settles");
  await bench.within(driver.reset(connection, level), "reset settles in a transaction");
  bench.expectStatus(connection, "idle", "after a reset in a transaction");
  await bench.within(driver.execute(connection, { verb: "begin" }), "begin settles after a reset");
  await expectRejection(
    bench.within(bench.subject.fail(connection).done, "a refused statement settles"),
    "a refused statement rejects",
  );
  await bench.within(driver.reset(connection, level), "reset settles in a failed transaction");
  bench.expectStatus(connection, "idle", "after a reset in a failed transaction");
  await bench.expectUsable(connection, "after a reset");
}

async function cleansSession<C>(bench: DriverBench<C>, level: ResetLevel): Promise<void> {
  const { subject } = bench;
  if (subject.dirtySession === undefined || subject.isSessionDirty === undefined) return;
  const connection = await bench.open();
  await bench.within(subject.dirtySession(connection), "a session's state can be changed");
  expect(await subject.isSessionDirty(connection), "a session's state is what it was changed to");
  await bench.within(bench.driver.reset(connection, level), "reset settles");
  expect(
    !await subject.isSessionDirty(connection),
    `reset of level "${level}" cleans the session's state`,
  );
  await bench.expectUsable(connection, "after its session was cleaned");
}
