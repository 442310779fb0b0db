/**
 * What `Driver.connect` promises.
 *
 * @module
 */

import type { DriverBench, DriverCheck } from "../driver_bench.ts";
import { expect, expectRejection, expectSame } from "../expect.ts";

/** Moments of an attempt, in milliseconds after its start, at which it is aborted. */
const MOMENTS_MS = [0, 1, 2, 5, 10];

/** The checks of connecting. */
export const connectChecks: readonly DriverCheck[] = [
  {
    clause: "connect opens a connection that is ready for its first statement",
    async prove(bench) {
      const connection = await bench.open();
      bench.expectStatus(connection, "idle", "after connect");
      await bench.expectUsable(connection, "after connect");
    },
  },
  {
    clause: "connect opens another connection every time",
    async prove(bench) {
      const [first, second] = await Promise.all([bench.open(), bench.open()]);
      expect(first !== second, "two connects give two connections");
      bench.driver.destroy(first);
      await bench.expectUsable(second, "after another one was destroyed");
    },
  },
  {
    clause: "connect with an aborted signal rejects with its reason and opens nothing",
    async prove(bench) {
      const reason = new Error("aborted before");
      const connecting = bench.driver.connect({ signal: AbortSignal.abort(reason) });
      const error = await expectRejection(
        bench.within(connecting, "connect with an aborted signal settles"),
        "connect with an aborted signal rejects",
      );
      expectSame(error, reason, "the rejection is the signal's own reason");
      await bench.expectNothingOpen("after a connect that was aborted before");
    },
  },
  {
    clause: "connect aborted in the same turn rejects with the reason and leaves nothing behind",
    async prove(bench) {
      const reason = new Error("aborted at once");
      const abort = new AbortController();
      const connecting = bench.driver.connect({ signal: abort.signal });
      abort.abort(reason);
      const error = await expectRejection(
        bench.within(connecting, "connect settles when it is aborted"),
        "connect rejects when it is aborted in the same turn",
      );
      expectSame(error, reason, "the rejection is the signal's own reason");
      await bench.expectNothingOpen("after a connect that was aborted at once");
    },
  },
  {
    clause: "connect aborted midway settles and leaves nothing behind",
    async prove(bench) {
      for (const momentMs of MOMENTS_MS) await abortAt(bench, momentMs);
      await bench.expectNothingOpen("after connects that were aborted midway");
    },
  },
  {
    clause: "connect to a server that never answers ends by its signal",
    applies: (subject) => subject.silent !== undefined,
    async prove(bench) {
      const silent = await bench.subject.silent?.();
      if (silent === undefined) return;
      const reason = new Error("aborted while the server was silent");
      const abort = new AbortController();
      const connecting = silent.connect({ signal: abort.signal });
      connecting.catch(() => {});
      await bench.pause(MOMENTS_MS.length);
      abort.abort(reason);
      const error = await expectRejection(
        bench.within(connecting, "connect settles when it is aborted"),
        "connect rejects when it is aborted while the server is silent",
      );
      expectSame(error, reason, "the rejection is the signal's own reason");
    },
  },
  {
    clause: "connect's signal has no power over a connection that is open",
    async prove(bench) {
      const abort = new AbortController();
      const connection = await bench.within(
        bench.driver.connect({ signal: abort.signal }),
        "connect settles",
      );
      try {
        const watch = bench.watch(connection);
        abort.abort(new Error("aborted too late"));
        await bench.expectUsable(connection, "after connect's signal aborted");
        expectSame(watch.count, 0, "losses told");
      } finally {
        bench.driver.destroy(connection);
      }
    },
  },
  {
    clause: 'connect to a server that cannot be had rejects, classified "unavailable"',
    applies: (subject) => subject.unreachable !== undefined,
    async prove(bench) {
      const driver = await bench.subject.unreachable?.();
      if (driver === undefined) return;
      const error = await expectRejection(
        bench.within(driver.connect(), "connect settles when the server cannot be had"),
        "connect rejects when the server cannot be had",
      );
      expectSame(driver.classify(error), "unavailable", "its class");
    },
  },
  {
    clause: 'connect that the server refuses for good rejects, classified "rejected"',
    applies: (subject) => subject.rejected !== undefined,
    async prove(bench) {
      const driver = await bench.subject.rejected?.();
      if (driver === undefined) return;
      const error = await expectRejection(
        bench.within(driver.connect(), "connect settles when the server refuses it"),
        "connect rejects when the server refuses it",
      );
      expectSame(driver.classify(error), "rejected", "its class");
    },
  },
];

/** Either outcome is right, as the connection may stand before the signal aborts. */
async function abortAt<C>(bench: DriverBench<C>, momentMs: number): Promise<void> {
  const reason = new Error(`aborted after ${momentMs} ms`);
  const abort = new AbortController();
  const connecting = bench.driver.connect({ signal: abort.signal }).then(
    (connection) => ({ connection }),
    (error: unknown) => ({ error }),
  );
  await bench.pause(momentMs);
  abort.abort(reason);
  const settled = await bench.within(connecting, "connect settles when it is aborted midway");
  if ("connection" in settled) bench.driver.destroy(settled.connection);
  else expectSame(settled.error, reason, "the rejection is the signal's own reason");
}
