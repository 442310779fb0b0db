/**
 * What a driver promises about the signals of calls that take long.
 *
 * @module
 */

import type { Driver } from "../../core/driver.ts";
import type { DriverCheck } from "../driver_bench.ts";
import { expectRejection, expectSame } from "../expect.ts";

interface Call {
  readonly name: string;
  readonly start: <C>(driver: Driver<C>, connection: C, signal: AbortSignal) => Promise<void>;
}

const CALLS: readonly Call[] = [
  { name: "ping", start: (driver, connection, signal) => driver.ping(connection, { signal }) },
  {
    name: "reset",
    start: (driver, connection, signal) => driver.reset(connection, "rollback", { signal }),
  },
  {
    name: "execute",
    start: (driver, connection, signal) =>
      driver.execute(connection, { verb: "begin" }, { signal }),
  },
];

/** The checks of calls that wait behind a long statement, as behind a server that does not answer. */
export const signalChecks: readonly DriverCheck[] = CALLS.map(({ name, start }) => ({
  clause: `${name} that gets no answer ends by its signal, with the signal's reason`,
  async prove(bench) {
    const connection = await bench.open();
    await bench.startLong(connection);
    const reason = new Error("aborted while it waited");
    const abort = new AbortController();
    const call = start(bench.driver, connection, abort.signal);
    call.catch(() => {});
    await bench.pause(0);
    abort.abort(reason);
    const error = await expectRejection(
      bench.within(call, `${name} settles when its signal aborts`),
      `${name} rejects when its signal aborts`,
    );
    expectSame(error, reason, "the rejection is the signal's own reason");
  },
}));
