/**
 * What `Driver.status` promises.
 *
 * @module
 */

import type { DriverCheck } from "../driver_bench.ts";
import { expectRejection } from "../expect.ts";

/** The checks of status. */
export const statusChecks: readonly DriverCheck[] = [
  {
    clause: "status follows a transaction from begin to commit and to rollback",
    async prove(bench) {
      const { driver } = bench;
      const connection = await bench.open();
      for (const verb of ["commit", "rollback"] as const) {
        await bench.within(driver.execute(connection, { verb: "begin" }), "begin settles");
        bench.expectStatus(connection, "in transaction", "after begin");
        await bench.within(bench.subject.run(connection).done, "a statement settles");
        bench.expectStatus(connection, "in transaction", "after a statement in a transaction");
        await bench.within(driver.execute(connection, { verb }), `${verb} settles`);
        bench.expectStatus(connection, "idle", `after ${verb}`);
      }
    },
  },
  {
    clause: "status tells a failed transaction until it is rolled back",
    async prove(bench) {
      const { driver } = bench;
      const connection = await bench.open();
      await bench.within(driver.execute(connection, { verb: "begin" }), "begin settles");
      await expectRejection(
        bench.within(bench.subject.fail(connection).done, "a refused statement settles"),
        "a refused statement rejects",
      );
      bench.expectStatus(connection, "failed", "after an error in a transaction");
      await bench.within(driver.execute(connection, { verb: "rollback" }), "rollback settles");
      await bench.expectUsable(connection, "after a failed transaction was rolled back");
    },
  },
  {
    clause: 'status is "idle" after an error outside a transaction',
    async prove(bench) {
      const connection = await bench.open();
      await expectRejection(
        bench.within(bench.subject.fail(connection).done, "a refused statement settles"),
        "a refused statement rejects",
      );
      bench.expectStatus(connection, "idle", "after an error outside a transaction");
      await bench.expectUsable(connection, "after an error");
    },
  },
  {
    clause: 'status is "busy" while a statement runs, in a transaction too',
    applies: (subject) => !subject.cannot?.status,
    async prove(bench) {
      const connection = await bench.open();
      await bench.within(bench.driver.execute(connection, { verb: "begin" }), "begin settles");
      await bench.startLong(connection);
      await bench.pause(0);
      bench.expectStatus(connection, "busy", "while a statement runs");
    },
  },
];
