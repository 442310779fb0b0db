/** Units of work on a steady connection, and what a loss means for them: groups S and C of the behaviours. */

import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { ConnectError, ConnectionLostError, SteadyError } from "../../src/core/errors.ts";
import { type FakeConnection, FakeDriver, FakeError, VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";
import { countedSignal, must, watch } from "./setup.ts";
import {
  assertFails,
  assertNothingLeft,
  bench,
  failure,
  logOf,
  present,
  statement,
} from "./steady_setup.ts";

// S-07, S-09: opened lazily, always with the same parameters, which are the driver's own.
test("S-07: the first unit of work opens exactly one connection", async () => {
  const { driver, steady } = bench();
  assertEquals([driver.counts.connect, steady.epoch, steady.status], [0, 0, "idle"]);
  assertEquals(await steady.run(statement("select 1")), "1");
  assertEquals([driver.counts.connect, steady.epoch, steady.uses], [1, 1, 1]);
  assertEquals(steady.counters, { opens: 1, closes: 0, uses: 1, pings: 0, resets: 0 });
});

test("S-07: ready() opens, too, and is no use", async () => {
  const { driver, steady } = bench();
  await steady.ready();
  await steady.ready();
  assertEquals([driver.counts.connect, steady.uses], [1, 0]);
});

test("S-08, G-15: a refused connect surfaces as the cause, without delay where waiting makes no sense", async () => {
  const { clock, driver, steady } = bench();
  driver.rejectCredentials();
  const running = watch(steady.run(statement("select 1")));
  await clock.settle();
  assertInstanceOf(running.error, ConnectError);
  assertEquals([running.error.retryable, running.error.outcome], [false, "not-applied"]);
  assertEquals(running.error.message, "Cannot connect: wrong credentials");
  assertInstanceOf(running.error.cause, FakeError);
  assertEquals([driver.counts.connect, driver.open, clock.pending], [1, 0, 0]);
});

// S-09: that credentials are asked for at each opening is the driver's part: it is called anew for each.
test("S-09: each opening asks the driver anew", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.break(present(b));
  await b.steady.ready();
  assertEquals(b.driver.counts.connect, 2);
});

test("S-10: by default a loss is what the driver classifies as one", async () => {
  for (const kind of ["lost", "unavailable"] as const) {
    const b = bench();
    await b.steady.ready();
    b.driver.hold("statement", 1);
    const running = watch(b.steady.run(statement("write a")));
    await b.clock.settle();
    b.driver.break(present(b), new FakeError(kind, "cable cut"));
    await b.clock.settle();
    assertInstanceOf(running.error, ConnectionLostError);
    assertEquals(running.error.outcome, "unknown");
  }
});

test("S-11, S-28: an error that means no loss passes as it came, and the connection stays", async () => {
  const b = bench();
  const thrown = new Error("of the caller");
  const error = await b.steady.run(() => Promise.reject(thrown)).catch((error: unknown) => error);
  assertStrictEquals(error, thrown);
  const refused: unknown = await b.steady.run(statement("fail")).catch((error: unknown) => error);
  assertInstanceOf(refused, FakeError);
  assertEquals([b.driver.counts.open, b.driver.open, b.steady.epoch], [1, 1, 1]);
});

test("S-11: `failures` says which errors mean that the connection is gone", async () => {
  const told: unknown[] = [];
  const b = bench({
    failures: (error) => {
      told.push(error);
      return error instanceof Error && error.message === "the cluster moved";
    },
  });
  await b.steady.run(statement("fail something")).catch(() => {});
  assertEquals(b.steady.epoch, 1);
  const lost = await failure(b.steady.run(statement("fail the cluster moved")));
  assertEquals([lost.outcome, b.driver.open, told.length], ["unknown", 0, 2]);
  await b.steady.run(statement("select 1"));
  assertEquals([b.steady.epoch, b.reopened], [2, [{ epoch: 2, reason: "lost" }]]);
});

test("S-11: what `failures` does not list is passed on, though the connection broke; the next use reopens by state", async () => {
  const b = bench({ failures: () => false });
  await b.steady.ready();
  b.driver.breakAt("after send");
  const error: unknown = await b.steady.run(statement("write a")).catch((error: unknown) => error);
  assertInstanceOf(error, FakeError);
  assertEquals(await b.steady.run(statement("select 1")), "1");
  assertEquals(b.steady.epoch, 2);
});

// S-12: no artificial error stands for a failure; what a driver said is in `cause`.
test("S-12: an error of ours carries what the driver said", async () => {
  const b = bench();
  b.driver.breakAt("after send");
  const lost = await failure(b.steady.run(statement("write a")));
  assertInstanceOf(lost.cause, FakeError);
  assertEquals(lost.code, "CONNECTION_CLOSED");
});

// C-34, S-25 (hazard): a class of errors is no proof: the server still answers on this connection.
test("C-34: an error classified as lost does not cost a connection on which the server answers", async () => {
  const b = bench();
  await b.steady.ready();
  for (const kind of ["lost", "unavailable"] as const) {
    b.driver.refuse("statement", 1, new FakeError(kind, "lock timeout"));
    const error: unknown = await b.steady.run(statement("write a")).catch((error) => error);
    assertInstanceOf(error, FakeError);
  }
  assertEquals([b.driver.counts.open, b.driver.open, b.driver.counts.send], [1, 1, 2]);
});

test("S-25, S-27: after a loss the next use reopens, and the caller notices nothing", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.break(present(b), new Error("cable cut"));
  assertEquals([b.losses.length, b.steady.connection], [1, undefined]);
  assertEquals(await b.steady.run(statement("select 1")), "1");
  assertEquals([b.driver.counts.open, b.steady.uses], [2, 1]);
});

test("S-26: a statement that is wrong in itself costs no connection", async () => {
  const b = bench();
  for (let i = 0; i < 3; i++) await b.steady.run(statement("nonsense")).catch(() => {});
  assertEquals(b.steady.counters, { opens: 1, closes: 0, uses: 3, pings: 0, resets: 0 });
});

test("S-26, S-27: what could not be reopened is told with both causes", async () => {
  const b = bench({ reopenTimeoutMs: 0 });
  await b.steady.ready();
  b.driver.breakAt("after apply");
  b.driver.refuse("connect");
  const lost = await failure(b.steady.run(statement("write a"), { idempotent: true }));
  assertInstanceOf(lost, ConnectionLostError);
  assertEquals([lost.outcome, lost.retryable], ["unknown", false]);
  assertEquals(
    lost.message,
    "The connection was lost, and no other could be opened: Cannot connect: the server cannot be had",
  );
  assertInstanceOf(lost.cause, AggregateError);
  assertInstanceOf(lost.cause.errors[0], ConnectionLostError);
  assertInstanceOf(lost.cause.errors[1], ConnectError);
});

test("S-37: attempts are counted, those that failed, too", async () => {
  const b = bench();
  await b.steady.run(statement("select 1"));
  await b.steady.run(statement("fail")).catch(() => {});
  b.driver.breakAt("before send");
  await b.steady.run(statement("select 1"));
  assertEquals([b.steady.uses, b.steady.counters.uses], [1, 4]);
});

// C-05, C-06: one unit of work is one use, however many statements it has.
test("C-05, C-06: a unit of work of many statements is one use", async () => {
  const b = bench();
  await b.steady.run(async (connection) => {
    for (let i = 0; i < 5; i++) await connection.run(`write ${i}`);
  });
  assertEquals([b.steady.uses, b.driver.applied.length], [1, 5]);
});

test("C-07: a semantic error is passed on, and nothing is executed again", async () => {
  const b = bench();
  await b.steady.run(statement("fail"), { idempotent: true }).catch(() => {});
  assertEquals([b.driver.counts.send, b.driver.counts.open], [1, 1]);
});

// C-10, X-03: the epoch is looked at before anything is sent.
test("C-10, X-03: what waits while the connection breaks is sent on the new one only", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.hold("statement", 1);
  const first = watch(b.steady.run(statement("write a")));
  const second = watch(b.steady.run(statement("write b")));
  await b.clock.settle();
  b.driver.break(present(b));
  await b.clock.settle();
  assertEquals([first.state, second.state], ["rejected", "fulfilled"]);
  assertEquals(logOf(b.driver, "send"), ["send write a #1", "send write b #2"]);
});

test("C-11, C-15: a write whose answer was lost is not executed again", async () => {
  for (const point of ["after send", "after apply"] as const) {
    const b = bench();
    b.driver.breakAt(point);
    const lost = await failure(b.steady.run(statement("write a")));
    assertInstanceOf(lost, ConnectionLostError);
    assertEquals([lost.outcome, lost.retryable, b.driver.counts.send], ["unknown", false, 1]);
    assertEquals(b.driver.applied, point === "after apply" ? ["a"] : []);
    assertEquals(await b.steady.run(statement("write b")), "");
    assertEquals(b.steady.epoch, 2);
  }
});

test("C-11: what was not sent is done again on another connection, unseen", async () => {
  const b = bench();
  b.driver.breakAt("before send");
  await b.steady.run(statement("write a"));
  assertEquals([b.driver.applied, b.steady.epoch], [["a"], 2]);
});

test("C-11: what met a fatal error and was not executed is done again", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.hold("statement", 1);
  const running = watch(b.steady.run(statement("write a")));
  await b.clock.settle();
  b.driver.terminate(present(b));
  await b.clock.settle();
  assertEquals([running.state, b.driver.applied, b.steady.epoch], ["fulfilled", ["a"], 2]);
});

// The trap in "not-applied": it speaks for one statement, not for those of the same unit before it.
test("C-11: a unit whose first statement was executed is not done again for its second", async () => {
  const b = bench();
  const lost = await failure(b.steady.run(async (connection) => {
    await connection.run("write a");
    b.driver.breakAt("before send");
    await connection.run("write b");
  }));
  assertEquals([lost.outcome, b.driver.applied], ["unknown", ["a"]]);
  assertEquals(b.driver.counts.open, 1);
});

test("C-11: what an error says of its statement does not speak for the unit", async () => {
  const b = bench();
  const told = Object.assign(new FakeError("lost", "gone"), { outcome: "not-applied" });
  const lost = await failure(b.steady.run(async (connection) => {
    await connection.run("write a");
    b.driver.break(connection);
    throw told;
  }));
  assertEquals([lost.outcome, lost.retryable], ["unknown", false]);
  assertStrictEquals(lost.cause, told);
});

test("C-11: a driver that cannot tell what had an effect gets nothing done again unasked", async () => {
  const clock = new VirtualClock();
  const driver = new FakeDriver({ clock });
  Object.defineProperty(driver, "effects", { value: undefined });
  const b = bench({}, { driver, clock });
  driver.breakAt("before send");
  const lost = await failure(b.steady.run(statement("write a")));
  assertEquals([lost.outcome, driver.counts.open], ["unknown", 1]);
  driver.breakAt("before send");
  await b.steady.run(statement("write a"), { idempotent: true });
  assertEquals(driver.applied, ["a"]);
});

test("C-12: it is done again at most twice, and then says that nothing was applied", async () => {
  const b = bench();
  b.driver.breakAt("before send", 3);
  const lost = await failure(b.steady.run(statement("write a")));
  assertInstanceOf(lost, ConnectionLostError);
  assertEquals([lost.outcome, lost.retryable], ["not-applied", true]);
  assertEquals([b.driver.counts.open, b.driver.counts.send, b.driver.applied], [3, 0, []]);
});

test("C-12: what is idempotent is done again at most twice", async () => {
  const b = bench();
  b.driver.breakAt("after apply", 3);
  const lost = await failure(b.steady.run(statement("write a"), { idempotent: true }));
  assertEquals([lost.outcome, b.driver.applied], ["unknown", ["a", "a", "a"]]);
  b.driver.breakAt("after apply", 2);
  await b.steady.run(statement("write b"), { idempotent: true });
  assertEquals(b.driver.applied.slice(3), ["b", "b", "b"]);
});

// What is known of a unit is what is known of all its attempts.
test("C-12: of a unit that may have been executed once, nothing is said of its last attempt alone", async () => {
  const b = bench({ reopenTimeoutMs: 0 });
  b.driver.breakAt("after apply");
  b.driver.breakAt("before send", 2);
  const idempotent = true;
  const lost = await failure(b.steady.run(statement("write a"), { idempotent }));
  assertEquals([lost.outcome, lost.retryable, b.driver.applied], ["unknown", false, ["a"]]);

  b.driver.breakAt("before send");
  b.driver.breakAt("after apply");
  b.driver.breakAt("before send");
  const other = await failure(b.steady.run(statement("write b"), { idempotent }));
  assertEquals([other.outcome, b.driver.applied], ["unknown", ["a", "b"]]);

  await b.steady.ready();
  b.driver.breakAt("after apply");
  b.driver.hold("connect");
  const running = watch(b.steady.run(statement("write c"), { idempotent, timeoutMs: 500 }));
  await b.clock.advance(500);
  assertEquals(Reflect.get(running.error as object, "outcome"), "unknown");
  assertEquals(b.driver.applied, ["a", "b", "c"]);
});

test("C-13: a semantic error of the repeat is reported, and the new connection adopted", async () => {
  const b = bench();
  b.driver.breakAt("before send");
  const error: unknown = await b.steady.run(statement("fail")).catch((error: unknown) => error);
  assertInstanceOf(error, FakeError);
  assertEquals([error.kind, b.steady.epoch, b.driver.open, b.steady.uses], ["statement", 2, 1, 1]);
});

test("C-14: a healthy server that keeps refusing is asked once", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.refuse("statement", 5, new FakeError("lost", "deadlock"));
  await b.steady.run(statement("write a"), { idempotent: true }).catch(() => {});
  assertEquals([b.driver.counts.send, b.driver.counts.open], [1, 1]);
});

test("C-16: while the server is down units of work wait for it, and it is not stormed", async () => {
  const b = bench({ reopenTimeoutMs: 10_000 });
  await b.steady.ready();
  b.driver.refuse("connect");
  b.driver.break(present(b));
  const running = Array.from({ length: 20 }, () => watch(b.steady.run(statement("select 1"))));
  // The last pause may be longer than what is left of the patience: then there is no sense in waiting for its end.
  await b.clock.advance(7_500);
  assertEquals(new Set(running.map(({ state }) => state)), new Set(["pending"]));
  await b.clock.advance(2_500);
  await b.clock.settle(1_000);
  assertEquals(new Set(running.map(({ state }) => state)), new Set(["rejected"]));
  assert(b.driver.counts.connect < 20, `${b.driver.counts.connect} attempts`);
  const errors = running.map(({ error }) => error);
  for (const error of errors) {
    assertInstanceOf(error, ConnectError);
    assertEquals([error.retryable, error.outcome], [true, "not-applied"]);
  }
  // each has an error object of its own.
  assertEquals(new Set(errors).size, 20);
  assertEquals(b.clock.pending, 0);
});

test("C-16: a server that comes back is found within the pause, by all who wait", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.refuse("connect");
  b.driver.break(present(b));
  const running = Array.from({ length: 5 }, (_, i) => watch(b.steady.run(statement(`write ${i}`))));
  await b.clock.advance(3_000);
  b.driver.restore();
  await b.clock.advance(2_500);
  assertEquals(new Set(running.map(({ state }) => state)), new Set(["fulfilled"]));
  assertEquals(b.driver.applied, ["0", "1", "2", "3", "4"]);
  assertEquals([b.driver.counts.open, b.steady.epoch], [2, 2]);
});

test("C-16: who comes later waits for the end of the pause, but no longer than it will", async () => {
  const b = bench({ reopenTimeoutMs: 0 }, { driver: new FakeDriver(), clock: new VirtualClock() });
  b.driver.refuse("connect");
  const first = watch(b.steady.run(statement("select 1")));
  await b.clock.settle();
  const second = watch(b.steady.run(statement("select 1")));
  await b.clock.settle();
  assertEquals([first.state, second.state, b.driver.counts.connect], ["rejected", "rejected", 1]);
  await b.clock.advance(100);
  const third = watch(b.steady.run(statement("select 1")));
  await b.clock.settle();
  assertEquals([third.state, b.driver.counts.connect], ["rejected", 2]);
});

test("A connection that is lost as it arrives counts as one that could not be opened", async () => {
  const b = bench();
  b.driver.hold("connect", 1);
  const running = watch(b.steady.run(statement("select 1")));
  await b.clock.settle();
  must(b.driver.held("connect")[0]).answer();
  b.driver.break(must(b.driver.connections[0]));
  await b.clock.advance(100);
  assertEquals([running.state, b.steady.epoch], ["fulfilled", 2]);
});

test("S-57, X-02: k statements that fail because of one loss cause one reopening", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.hold("statement", 1);
  const inHand = watch(
    b.steady.run((connection) =>
      Promise.all(Array.from({ length: 10 }, (_, i) => connection.run(`write ${i}`)))
    ),
  );
  const behind = Array.from(
    { length: 10 },
    (_, i) => watch(b.steady.run(statement(`write b${i}`))),
  );
  await b.clock.settle();
  b.driver.break(present(b));
  await b.clock.settle(1_000);
  assertEquals(inHand.state, "rejected");
  assertEquals(new Set(behind.map(({ state }) => state)), new Set(["fulfilled"]));
  assertEquals([b.driver.counts.open, b.reopened.length, b.losses.length], [2, 1, 1]);
  assertEquals(b.driver.peak, 1);
});

test("X-01: units of work are done one at a time, in the order of the calls", async () => {
  const b = bench();
  const order: string[] = [];
  const unit = (name: string) =>
    b.steady.run(async (connection) => {
      order.push(`${name} begins`);
      await connection.run("select 1");
      await connection.run("select 2");
      order.push(`${name} ends`);
    });
  await Promise.all([unit("a"), unit("b"), unit("c")]);
  assertEquals(order, ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
});

test("C-17: a loss while rows are read is no reason to read them again", async () => {
  const b = bench();
  const lost = await failure(b.steady.run(async (connection) => {
    await connection.run("select 1");
    b.driver.break(connection);
    await connection.run("select 2");
  }));
  assertEquals([lost.outcome, b.driver.counts.send], ["unknown", 1]);
});

// C-26: what a repeat is made from is the caller's function, whole.
test("C-26: a repeat calls the same function again, with another connection", async () => {
  const b = bench();
  const seen: number[] = [];
  b.driver.breakAt("before send", 2);
  await b.steady.run((connection) => {
    seen.push(connection.id);
    return connection.run("write a");
  });
  assertEquals([seen, b.driver.applied], [[1, 2, 3], ["a"]]);
});

test("S-59: our errors are of one family, and no driver takes them for errors of its own", async () => {
  const b = bench({ reopenTimeoutMs: 0 });
  b.driver.refuse("connect");
  const error: unknown = await b.steady.run(statement("select 1")).catch((error) => error);
  assertInstanceOf(error, SteadyError);
  assert(!(error instanceof FakeError));
  assertEquals(b.driver.classify(error), "unknown");
});

test("C-27, C-29: a connection kept beyond its epoch reaches no new session", async () => {
  const b = bench();
  let kept: FakeConnection | undefined;
  await b.steady.run((connection) => {
    kept = connection;
  });
  b.driver.break(present(b));
  await b.steady.run(statement("select 1"));
  const error: unknown = await must(kept).run("write a").catch((error: unknown) => error);
  assertInstanceOf(error, FakeError);
  assertEquals([error.kind, b.driver.applied], ["lost", []]);
});

test("An error that carries an outcome is passed on as it came", async () => {
  const b = bench();
  const told = Object.assign(new FakeError("lost", "gone"), { outcome: "unknown" });
  const error: unknown = await b.steady.run((connection) => {
    b.driver.break(connection);
    throw told;
  }).catch((error: unknown) => error);
  // Nothing was sent, so it was done again; all three times.
  assertStrictEquals(error, told);
  assertEquals(b.driver.counts.open, 3);
});

test("run() rejects at its deadline: what was not begun is not applied", async () => {
  const b = bench();
  b.driver.hold("connect");
  const opening = watch(b.steady.run(statement("write a"), { timeoutMs: 500 }));
  const waiting = watch(b.steady.run(statement("write b"), { timeoutMs: 400 }));
  await b.clock.advance(400);
  assertEquals([opening.state, waiting.state], ["pending", "rejected"]);
  await b.clock.advance(100);
  for (const { error } of [opening, waiting]) {
    assertInstanceOf(error, Error);
    assertEquals(Reflect.get(error, "code"), "STATEMENT_TIMEOUT");
    assertEquals(Reflect.get(error, "outcome"), "not-applied");
  }
  assertEquals(b.driver.counts.send, 0);
  await b.steady.close();
  assertNothingLeft(b);
});

test("run() rejects at its deadline though the server never answers; its connection goes", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.hold("statement", 1);
  const running = watch(b.steady.run(statement("write a"), { timeoutMs: 500, idempotent: true }));
  const next = watch(b.steady.run(statement("write b")));
  await b.clock.advance(499);
  assertEquals(running.state, "pending");
  await b.clock.advance(1);
  assertInstanceOf(running.error, Error);
  assertEquals(Reflect.get(running.error, "outcome"), "unknown");
  assertEquals([next.state, b.steady.epoch, b.driver.counts.cancel], ["fulfilled", 2, 1]);
  assertEquals([b.losses, b.reopened], [[], [{ epoch: 2, reason: "doubt" }]]);
});

test("run() rejects with its signal's own reason, and leaves no listener", async () => {
  const b = bench();
  await b.steady.ready();
  const counted = countedSignal();
  const { signal } = counted.abort;
  const reason = new Error("enough");
  b.driver.hold("statement", 1);
  const running = watch(b.steady.run(statement("write a"), { signal }));
  const waiting = watch(b.steady.run(statement("write b"), { signal }));
  const other = watch(b.steady.run(statement("write c")));
  await b.clock.settle();
  counted.abort.abort(reason);
  await b.clock.settle();
  assertStrictEquals(running.error, reason);
  assertStrictEquals(waiting.error, reason);
  assertEquals([other.state, b.driver.applied, counted.listeners], ["fulfilled", ["c"], 0]);
  const later = watch(b.steady.run(statement("write d"), { signal }));
  await b.clock.settle();
  assertStrictEquals(later.error, reason);
});

test("run() leaves no listener on a signal and no timer when all goes well", async () => {
  const b = bench();
  const counted = countedSignal();
  await b.steady.run(statement("select 1"), { signal: counted.abort.signal, timeoutMs: 500 });
  assertEquals([counted.listeners, b.clock.pending], [0, 0]);
});

test("The deadline covers repeats: no new budget for each", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.delay("connect", 400);
  b.driver.breakAt("before send", 3);
  const running = watch(b.steady.run(statement("write a"), { timeoutMs: 700 }));
  await b.clock.advance(700);
  assertInstanceOf(running.error, Error);
  assertEquals(Reflect.get(running.error, "code"), "STATEMENT_TIMEOUT");
});

// over is what the server has answered, not what a promise says.
test("X-10: who leaves statements in flight does not keep the next one from its turn, nor mixes with it", async () => {
  const b = bench();
  await b.steady.run((connection) => {
    void connection.run("sleep 500");
  });
  const next = watch(b.steady.run(statement("select 1")));
  await b.clock.advance(499);
  assertEquals(next.state, "pending");
  await b.clock.advance(1);
  assertEquals([next.value, b.steady.epoch], ["1", 1]);
});

test("X-10: a connection that does not become quiet is given up", async () => {
  const b = bench();
  await b.steady.run((connection) => {
    connection.run("sleep").catch(() => {});
  });
  const next = watch(b.steady.run(statement("select 1")));
  await b.clock.advance(2_000);
  assertEquals([next.value, b.steady.epoch, b.driver.open], ["1", 2, 1]);
  assertEquals(b.reopened, [{ epoch: 2, reason: "doubt" }]);
});

test("X-20: a driver that cannot tell what its connections are doing gets a new one for each unit", async () => {
  const b = bench({}, { knowsStatus: false });
  for (let i = 0; i < 3; i++) assertEquals(await b.steady.run(statement(`select ${i}`)), `${i}`);
  assertEquals([b.driver.counts.open, b.driver.open], [3, 0]);
});

test("onReopened: what a listener throws is nobody's business", async () => {
  const b = bench({
    onReopened: () => {
      throw new Error("of the listener");
    },
  });
  await b.steady.ready();
  b.driver.break(present(b));
  assertEquals(await b.steady.run(statement("select 1")), "1");
});

test("S-54: the surface is typed; errors tell what was asked for after the end", async () => {
  const b = bench();
  await b.steady.close();
  await assertFails(b.steady.run(statement("select 1")), "LEASE_RELEASED", "not-applied");
  await assertFails(b.steady.ready(), "LEASE_RELEASED", "not-applied");
});
