/** The set-up of a steady connection's sessions. */

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { Driver } from "../../src/core/driver.ts";
import { ConnectError } from "../../src/core/errors.ts";
import type { SessionSetup } from "../../src/core/session_setup.ts";
import { SteadyConnection } from "../../src/core/steady_connection.ts";
import { contextVariable, root } from "../../src/runtime/async_context.ts";
import { type FakeConnection, FakeDriver, FakeError, VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";
import { must, watch, type Watched } from "./setup.ts";
import { assertNothingLeft, bench, logOf, present, statement } from "./steady_setup.ts";

function connectError(watched: Watched<unknown>): ConnectError {
  assert(watched.error instanceof ConnectError, String(watched.error));
  return watched.error;
}

test("S-13, Z-17: the session's statements run once per opening, in order, before anything else, and are no uses", async () => {
  const { driver, steady } = bench({ session: ["set a 1", "set b 2", "set a 3"] });
  assertEquals(await steady.run(statement("show a")), "3");
  assertEquals(await steady.run(statement("show b")), "2");
  assertEquals(logOf(driver, "execute", "send"), [
    "execute session #1",
    "execute session #1",
    "execute session #1",
    "send show a #1",
    "send show b #1",
  ]);
  assertEquals([steady.uses, steady.counters.uses, steady.counters.opens], [2, 2, 1]);
});

test("S-13: a session of one statement is a string", async () => {
  const { steady } = bench({ session: "set a 1" });
  assertEquals(await steady.run(statement("show a")), "1");
});

test("S-61: a session's function gets each new connection", async () => {
  const seen: number[] = [];
  const { driver, steady } = bench({
    session: async (connection: FakeConnection) => {
      seen.push(connection.id);
      await connection.run("set a 1");
    },
  });
  assertEquals(await steady.run(statement("show a")), "1");
  driver.break(must(steady.connection));
  assertEquals(await steady.run(statement("show a")), "1");
  assertEquals(seen, [1, 2]);
});

test("S-14: the set-up runs again after a loss, and a listener hears that all else is gone", async () => {
  const { driver, steady, reopened } = bench({ session: ["set a 1"] });
  await steady.run(statement("set b 2"));
  assertEquals(reopened, []);
  driver.break(must(steady.connection));
  assertEquals(await steady.run(statement("show a")), "1");
  assertEquals(await steady.run(statement("show b")), "");
  assertEquals(reopened, [{ epoch: 2, reason: "lost" }]);
});

test("S-14: the set-up runs again before the next unit of work when a reset undid it", async () => {
  for (const level of ["session", "discard"] as const) {
    const { driver, steady } = bench({ session: ["set a 1"] });
    await steady.run(statement("set b 2"));
    assertEquals(await steady.reset(level), true);
    assertEquals(await steady.run(statement("show b")), "");
    assertEquals(await steady.run(statement("show a")), "1");
    assertEquals([driver.counts.open, driver.counts.execute], [1, 2]);
  }
});

test("S-14: a set-up that fails after a reset costs the connection, and the unit of work says why", async () => {
  const { clock, driver, steady } = bench({ session: ["set a 1"] });
  await steady.ready();
  await steady.reset("session");
  driver.refuse("execute", 1);
  const running = watch(steady.run(statement("select 1")));
  await clock.settle();
  assertEquals([connectError(running).phase, driver.open], ["session", 0]);
  assertEquals(await steady.run(statement("show a")), "1");
});

// S-15, and the pains of a misconfiguration that looks like an outage.
test("S-15: a statement that the server refuses destroys the connection and is not tried again", async () => {
  const { clock, driver, steady, losses } = bench({ session: ["set a 1", "fail no such setting"] });
  const opening = watch(steady.open());
  await clock.settle();
  const error = connectError(opening);
  assertEquals([error.phase, error.retryable, error.outcome], ["session", false, "not-applied"]);
  assertEquals(error.message, "Cannot set the session up: no such setting");
  assert(error.cause instanceof FakeError);
  assertEquals([driver.open, losses, steady.epoch, clock.pending], [0, [], 0, 0]);
  const running = watch(steady.run(statement("select 1")));
  await clock.advance(60_000);
  assertEquals([connectError(running).phase, connectError(running).retryable], ["session", false]);
  assertStrictEquals(connectError(running).cause instanceof FakeError, true);
  assertEquals(driver.counts.connect, 2);
  assertEquals([steady.counters.opens, steady.counters.closes], [2, 2]);
});

test("S-15: what the session's function throws is the cause, and is not tried again", async () => {
  const thrown = new Error("no such file");
  for (
    const session of [() => Promise.reject(thrown), () => {
      throw thrown;
    }]
  ) {
    const { clock, driver, steady } = bench({ session: session as SessionSetup<FakeConnection> });
    const running = watch(steady.run(statement("select 1")));
    await clock.advance(60_000);
    const error = connectError(running);
    assertEquals([error.phase, error.retryable], ["session", false]);
    assertStrictEquals(error.cause, thrown);
    assertEquals([driver.counts.connect, driver.open], [1, 0]);
  }
});

test("S-15: a loss in the middle of the set-up is tried again", async () => {
  const { clock, driver, steady } = bench({ session: ["set a 1"] });
  driver.breakAt("after send", 1, "execute");
  const opening = watch(steady.open());
  await clock.settle();
  const error = connectError(opening);
  assertEquals([error.phase, error.retryable, driver.open], ["session", true, 0]);
  driver.breakAt("after send", 1, "execute");
  const running = watch(steady.run(statement("show a")));
  await clock.advance(1_000);
  assertEquals([running.value, steady.epoch], ["1", 1]);
});

test("S-15: a session's function that hangs on a lost connection does not hold up the opening", async () => {
  const { clock, driver, steady } = bench({ session: () => new Promise<void>(() => {}) });
  const opening = watch(steady.open());
  await clock.settle();
  driver.break(must(driver.connections[0]), new Error("cable cut"));
  await clock.settle();
  const error = connectError(opening);
  assertEquals(
    [error.message, error.retryable],
    ["Cannot set the session up as the connection was lost: cable cut", true],
  );
  assertEquals([driver.open, clock.pending], [0, 0]);
});

test("The session's set-up has a deadline of its own, as long as the connect's", async () => {
  const b = bench({ session: ["set a 1"], connectTimeoutMs: 300 });
  const { clock, driver, steady } = b;
  driver.delay("connect", 299, 1);
  driver.hold("execute", 1);
  const opening = watch(steady.open());
  await clock.advance(598);
  assertEquals(opening.state, "pending");
  await clock.advance(1);
  const error = connectError(opening);
  assertEquals([error.code, error.phase, error.retryable], ["CONNECT_TIMEOUT", "session", true]);
  assertEquals(error.message, "Cannot set the session up as it took longer than 300 ms");
  assertNothingLeft(b);
});

// S-16: on servers where SET is undone by a rollback, settings made in a transaction would vanish before their first use.
test("S-16: a set-up that leaves a transaction open fails", async () => {
  const { clock, driver, steady } = bench({ session: ["begin", "set a 1"] });
  const opening = watch(steady.open());
  await clock.settle();
  const error = connectError(opening);
  assertEquals(error.message, 'Cannot set the session up: it left the connection "in transaction"');
  assertEquals([error.phase, error.retryable, driver.open], ["session", false, 0]);
});

test("S-16: the set-up is outside of any transaction, and no rollback undoes it", async () => {
  const { driver, steady } = bench({ session: ["set a 1"] });
  await steady.begin();
  await steady.rollback();
  assertEquals(await steady.run(statement("show a")), "1");
  assertEquals(logOf(driver, "execute"), [
    "execute session #1",
    "execute begin #1",
    "execute rollback #1",
  ]);
});

// S-17: a driver that reconnected by itself would skip the set-up. That it must not is a clause of the driver's contract
// (the driver kit checks it); here a lost connection is never pinged back to life.
test("S-17: a check that finds the connection dead opens another one with its set-up", async () => {
  const b = bench({ session: ["set a 1"], check: "statement", checkAfterIdleMs: 0 });
  await b.steady.ready();
  b.driver.refuse("ping", 1, new FakeError("lost", "dead"));
  assertEquals(await b.steady.run(statement("show a")), "1");
  assertEquals([present(b).id, b.driver.counts.ping], [2, 1]);
});

test("SteadyConnection.close() during the set-up leaves nothing, and its callers are told", async () => {
  for (const end of ["close", "destroy"] as const) {
    const b = bench({ session: ["set a 1"] });
    b.driver.hold("execute", 1);
    const opening = watch(b.steady.open());
    await b.clock.settle();
    assertEquals(b.driver.open, 1);
    await b.steady[end]();
    await b.clock.settle();
    assertEquals(
      (opening.error as Error).message,
      `Cannot open the connection as it was ${end === "close" ? "closed" : "destroyed"}`,
    );
    assertNothingLeft(b);
    assertEquals(b.losses, []);
  }
});

test("A session's list is copied: a later change of it changes nothing", async () => {
  const session = ["set a 1"];
  const { driver, steady } = bench({ session });
  session[0] = "set a 2";
  await steady.run(statement("show a"));
  driver.break(must(steady.connection));
  assertEquals(await steady.run(statement("show a")), "1");
});

test("With a context, set-up, connects and timers are in nobody's, whoever uses the connection (X-14)", async () => {
  const user = contextVariable<string>();
  const seen = new Set<string>();
  const see = (what: string): void => void seen.add(`${what} for ${user.get() ?? "nobody"}`);
  const clock = new VirtualClock();
  class Witnessed extends FakeDriver {
    override connect(
      ...args: Parameters<Driver<FakeConnection>["connect"]>
    ): Promise<FakeConnection> {
      see("connect");
      return super.connect(...args);
    }
  }
  const steady = new SteadyConnection(new Witnessed({ clock }), {
    context: { root },
    clock: {
      now: () => clock.now(),
      wallNow: () => clock.wallNow(),
      random: () => clock.random(),
      schedule: (delayMs, fn) => {
        see("timer");
        return clock.schedule(delayMs, fn);
      },
    },
    session: () => see("session"),
  });
  const answer = await user.run("ada", () =>
    steady.run(async (connection) => {
      await connection.run("select 1");
      return user.get();
    }));
  await user.run("grace", () => steady.close());
  assertEquals(answer, "ada");
  assertEquals([...seen].sort(), ["connect for nobody", "session for nobody", "timer for nobody"]);
});
