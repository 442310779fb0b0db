/**
 * What `Driver.ping` promises of a connection that lives; `loss_checks.ts` has the others.
 *
 * @module
 */

import type { DriverCheck } from "../driver_bench.ts";
import { expectRejection, expectSame } from "../expect.ts";

/** The checks of a sign of life. */
export const pingChecks: readonly DriverCheck[] = [
  {
    clause: "ping resolves on a connection that lives, and changes nothing",
    async prove(bench) {
      const connection = await bench.open();
      await bench.within(bench.driver.ping(connection), "ping settles");
      bench.expectStatus(connection, "idle", "after ping");
      await bench.expectUsable(connection, "after ping");
    },
  },
  {
    clause: "ping with an aborted signal rejects with its reason",
    async prove(bench) {
      const connection = await bench.open();
      const reason = new Error("aborted before");
      const error = await expectRejection(
        bench.within(
          bench.driver.ping(connection, { signal: AbortSignal.abort(reason) }),
          "ping with an aborted signal settles",
        ),
        "ping with an aborted signal rejects",
      );
      expectSame(error, reason, "the rejection is the signal's own reason");
      await bench.expectUsable(connection, "after a ping that was aborted before");
    },
  },
];
