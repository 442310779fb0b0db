/**
 * What a driver promises about lost connections: `Driver.onLost`, and what is in hand when it happens.
 *
 * @module
 */

import type { DriverBench, DriverCheck } from "../driver_bench.ts";
import { expect, expectRejection, expectSame } from "../expect.ts";

/** The checks of loss. */
export const lossChecks: readonly DriverCheck[] = [
  {
    clause: "onLost tells every listener exactly once of a connection that the server broke",
    async prove(bench) {
      const connection = await bench.open();
      const watches = [bench.watch(connection), bench.watch(connection)];
      await bench.lose(connection);
      await bench.within(Promise.all(watches.map((watch) => watch.first)), "onLost tells all");
      await endTwice(bench, connection);
      for (const watch of watches) expectSame(watch.count, 1, "times that onLost told");
    },
  },
  {
    clause: "onLost tells at once of a connection that is lost already",
    async prove(bench) {
      const connection = await bench.open();
      await bench.lose(connection);
      expectSame(bench.watch(connection).count, 1, "times that onLost told before it returned");
    },
  },
  {
    clause: "lossOf, where there is one, does not call a connection that the server broke its own",
    async prove(bench) {
      const { driver } = bench;
      const connection = await bench.open();
      await bench.lose(connection);
      let cause: unknown;
      driver.onLost(connection, (reason) => cause = reason);
      const scope = driver.lossOf?.(cause) ?? "single";
      expect(scope !== "own", "a loss that the server caused concerns the others");
    },
  },
  {
    clause: "onLost tells exactly once of a close",
    async prove(bench) {
      const connection = await bench.open();
      const watch = bench.watch(connection);
      await bench.within(bench.driver.close(connection), "close settles");
      await bench.within(watch.first, "onLost tells of a close");
      await endTwice(bench, connection);
      expectSame(watch.count, 1, "times that onLost told");
    },
  },
  {
    clause: "onLost tells exactly once of a destroy",
    async prove(bench) {
      const connection = await bench.open();
      const watch = bench.watch(connection);
      bench.driver.destroy(connection);
      await bench.within(watch.first, "onLost tells of a destroy");
      await endTwice(bench, connection);
      expectSame(watch.count, 1, "times that onLost told");
    },
  },
  {
    clause: "a lost connection is not ready for anything",
    async prove(bench) {
      const connection = await bench.open();
      await bench.lose(connection);
      expect(bench.driver.status(connection) !== "idle", 'status after a loss is not "idle"');
      await expectRejection(
        bench.within(bench.driver.ping(connection), "ping after a loss settles"),
        "ping after a loss rejects",
      );
      await expectRejection(
        bench.within(bench.driver.reset(connection, "rollback"), "reset after a loss settles"),
        "reset after a loss rejects",
      );
      await expectRejection(
        bench.within(
          bench.driver.execute(connection, { verb: "begin" }),
          "execute after a loss settles",
        ),
        "execute after a loss rejects",
      );
      await bench.within(bench.driver.close(connection), "close after a loss settles");
    },
  },
  {
    clause: 'a statement on a lost connection rejects, classified "lost", and was not sent',
    async prove(bench) {
      const connection = await bench.open();
      await bench.lose(connection);
      const statement = bench.subject.run(connection);
      const error = await expectRejection(
        bench.within(statement.done, "a statement after a loss settles"),
        "a statement after a loss rejects",
      );
      expectSame(bench.driver.classify(error), "lost", "its class");
      const evidence = bench.driver.evidence(statement.handle);
      expectSame(evidence, bench.subject.cannot?.evidence ? "sent" : "unsent", "its evidence");
      await bench.expectNothingOpen("after a statement on a lost one");
    },
  },
  {
    clause: 'a loss ends the statement in hand, classified "lost", and says that it was sent',
    async prove(bench) {
      const connection = await bench.open();
      const statement = await bench.startLong(connection);
      await bench.lose(connection);
      const error = await expectRejection(
        bench.within(statement.done, "a statement settles when its connection is lost"),
        "a statement rejects when its connection is lost",
      );
      expectSame(bench.driver.classify(error), "lost", "its class");
      const evidence = bench.driver.evidence(statement.handle);
      expect(
        evidence === "sent" || evidence === "fatal",
        `evidence after a loss in the middle is "sent" or "fatal": got "${evidence}"`,
      );
    },
  },
  {
    clause: "a loss leaves other connections alone",
    async prove(bench) {
      const connection = await bench.open();
      const other = await bench.open();
      const watch = bench.watch(other);
      await bench.lose(connection);
      await bench.expectUsable(other, "after another one was lost");
      expectSame(watch.count, 0, "losses told of the other one");
    },
  },
];

/** Whatever is done to a connection that is gone, nobody is told again. */
async function endTwice<C>(bench: DriverBench<C>, connection: C): Promise<void> {
  await bench.within(bench.driver.close(connection), "close settles on a connection that is gone");
  bench.driver.destroy(connection);
  await bench.pause(0);
}
