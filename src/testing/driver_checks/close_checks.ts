/**
 * What `Driver.close` and `Driver.destroy` promise.
 *
 * @module
 */

import type { DriverCheck } from "../driver_bench.ts";
import { expect, expectRejection, expectSame } from "../expect.ts";

/** The checks of closing. */
export const closeChecks: readonly DriverCheck[] = [
  {
    clause: "close resolves when the connection is gone",
    async prove(bench) {
      const connection = await bench.open();
      await bench.within(bench.driver.close(connection), "close settles");
      expect(bench.driver.status(connection) !== "idle", 'status after close is not "idle"');
      await bench.expectNothingOpen("after close");
    },
  },
  {
    clause: "close is idempotent, also while it goes on",
    async prove(bench) {
      const connection = await bench.open();
      const { driver } = bench;
      await bench.within(
        Promise.all([driver.close(connection), driver.close(connection)]),
        "close settles when it is called twice",
      );
      await bench.within(driver.close(connection), "close settles on a closed connection");
    },
  },
  {
    clause: "close gives up and destroys when its signal aborts",
    async prove(bench) {
      const connection = await bench.open();
      const watch = bench.watch(connection);
      await bench.startLong(connection);
      const abort = new AbortController();
      const closing = bench.driver.close(connection, { signal: abort.signal }).catch(() => {});
      abort.abort(new Error("close takes too long"));
      await bench.within(closing, "close settles when its signal aborts");
      await bench.within(watch.first, "the connection is gone when close's signal aborted");
    },
  },
  {
    clause: "destroy takes effect at once, without an answer from the server",
    async prove(bench) {
      const connection = await bench.open();
      bench.driver.destroy(connection);
      expect(bench.driver.status(connection) !== "idle", 'status after destroy is not "idle"');
      await bench.expectNothingOpen("after destroy");
    },
  },
  {
    clause: "destroy is idempotent and never throws, before, during and after close",
    async prove(bench) {
      const { driver } = bench;
      const connection = await bench.open();
      const closing = driver.close(connection).catch(() => {});
      driver.destroy(connection);
      driver.destroy(connection);
      await bench.within(closing, "close settles when the connection is destroyed meanwhile");
      driver.destroy(connection);
      await bench.within(driver.close(connection), "close settles on a destroyed connection");
    },
  },
  {
    clause: 'destroy ends the statement in hand, classified "lost"',
    async prove(bench) {
      const connection = await bench.open();
      const statement = await bench.startLong(connection);
      bench.driver.destroy(connection);
      const error = await expectRejection(
        bench.within(statement.done, "a statement settles when its connection is destroyed"),
        "a statement rejects when its connection is destroyed",
      );
      expectSame(bench.driver.classify(error), "lost", "its class");
    },
  },
  {
    clause: "a connection that was closed is never reopened",
    async prove(bench) {
      const connection = await bench.open();
      await bench.within(bench.driver.close(connection), "close settles");
      await expectRejection(
        bench.within(bench.subject.run(connection).done, "a statement after close settles"),
        "a statement after close rejects",
      );
      await expectRejection(
        bench.within(bench.driver.ping(connection), "ping after close settles"),
        "ping after close rejects",
      );
      await bench.expectNothingOpen("after a statement on a closed one");
    },
  },
];
