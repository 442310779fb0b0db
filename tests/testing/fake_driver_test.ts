import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { type FakeConnection, FakeDriver, FakeError, VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";

/** What a promise came to so far. */
function watch<T>(promise: Promise<T>): { state: string; value?: T; error?: unknown } {
  const seen: { state: string; value?: T; error?: unknown } = { state: "pending" };
  promise.then(
    (value) => Object.assign(seen, { state: "fulfilled", value }),
    (error) => Object.assign(seen, { state: "rejected", error }),
  );
  return seen;
}

async function rejection(promise: Promise<unknown>): Promise<FakeError> {
  const error = await assertRejects(() => promise);
  assertInstanceOf(error, FakeError);
  return error;
}

async function answers(connection: FakeConnection, ...texts: string[]): Promise<string[]> {
  const all: string[] = [];
  for (const text of texts) {
    all.push(await connection.run(text).catch((error: Error) => error.message));
  }
  return all;
}

test("FakeDriver.connect() numbers its connections and counts attempts", async () => {
  const driver = new FakeDriver({ name: "mine", sharing: "multiplex" });
  assertEquals([driver.name, driver.sharing], ["mine", "multiplex"]);
  const [first, second] = await Promise.all([driver.connect(), driver.connect()]);
  assertEquals([first.id, second.id], [1, 2]);
  assertEquals([driver.counts.connect, driver.counts.open, driver.open], [2, 2, 2]);
  assertEquals(driver.connections, [first, second]);
});

test("FakeDriver.refuse() refuses so many calls, in the order they were planned", async () => {
  const driver = new FakeDriver();
  const special = new Error("too many clients");
  driver.refuse("connect", 2);
  driver.refuse("connect", 1, special);
  for (let i = 0; i < 2; i++) assertEquals((await rejection(driver.connect())).kind, "unavailable");
  assertStrictEquals(await assertRejects(() => driver.connect()), special);
  assertEquals(driver.classify(special), "unknown");
  assertEquals((await driver.connect()).id, 1);
  assertEquals([driver.counts.connect, driver.counts.refuse, driver.open], [4, 3, 1]);
});

test("FakeDriver.refuse() goes on until restore()", async () => {
  const driver = new FakeDriver();
  driver.refuse("connect");
  driver.refuse("ping");
  for (let i = 0; i < 5; i++) await rejection(driver.connect());
  driver.restore("connect");
  const connection = await driver.connect();
  assertEquals((await rejection(driver.ping(connection))).kind, "statement");
  driver.restore();
  await driver.ping(connection);
});

test("FakeDriver.rejectCredentials() makes connects fail for good", async () => {
  const driver = new FakeDriver();
  driver.rejectCredentials();
  assertEquals(driver.classify(await rejection(driver.connect())), "rejected");
});

test("FakeDriver.delay() answers late, by its clock", async () => {
  const clock = new VirtualClock();
  const driver = new FakeDriver({ clock });
  driver.delay("connect", 50, 1);
  const connecting = watch(driver.connect());
  await clock.advance(49);
  assertEquals(connecting.state, "pending");
  await clock.advance(1);
  assertEquals(connecting.state, "fulfilled");
  const connection = await driver.connect();
  for (const operation of ["ping", "reset", "execute", "statement", "close"] as const) {
    driver.delay(operation, 10);
  }
  const calls = [
    driver.ping(connection),
    driver.reset(connection, "rollback"),
    driver.execute(connection, { verb: "begin" }),
    connection.run("select 1"),
    driver.close(connection),
  ].map((call) => watch<unknown>(call));
  for (let done = 0; done < calls.length; done++) {
    await clock.advance(9);
    assertEquals(calls.filter((call) => call.state === "fulfilled").length, done);
    await clock.advance(1);
  }
  assertEquals(calls.every((call) => call.state === "fulfilled"), true);
  assertEquals(clock.pending, 0);
});

test("FakeDriver.hold() never answers, unless the held call is let go", async () => {
  const clock = new VirtualClock();
  const driver = new FakeDriver({ clock });
  driver.hold("connect", 3);
  const connects = [1, 2, 3].map(() => watch(driver.connect()));
  await clock.advance(1_000_000);
  assertEquals(connects.map(({ state }) => state), ["pending", "pending", "pending"]);
  assertEquals(driver.open, 3);
  const [first, second, third] = driver.held("connect");
  first?.answer();
  second?.refuse();
  third?.refuse(new Error("by the test"));
  first?.refuse();
  await clock.settle();
  assertEquals(connects.map(({ state }) => state), ["fulfilled", "rejected", "rejected"]);
  assertEquals(connects.map(({ error }) => error instanceof Error && error.message), [
    false,
    "the server cannot be had",
    "by the test",
  ]);
  assertEquals([driver.held(), driver.open], [[], 1]);
});

test("FakeDriver.hold() holds every operation of a connection", async () => {
  const clock = new VirtualClock();
  const driver = new FakeDriver({ clock });
  const connection = await driver.connect();
  const operations = ["ping", "reset", "execute", "statement", "close"] as const;
  for (const operation of operations) driver.hold(operation, 1);
  const calls = [
    driver.ping(connection),
    driver.reset(connection, "session"),
    driver.execute(connection, { verb: "begin" }),
    connection.run("write a"),
    driver.close(connection),
  ].map((call) => watch<unknown>(call));
  for (const [index, operation] of operations.entries()) {
    await clock.settle();
    assertEquals(driver.held().map((call) => [call.operation, call.connection]), [[operation, 1]]);
    assertEquals(driver.status(connection), "busy");
    assertEquals(calls[index]?.state, "pending");
    driver.held()[0]?.answer();
    await clock.settle();
    assertEquals(calls[index]?.state, "fulfilled");
  }
  assertEquals([connection.gone, driver.applied], [true, []]);
});

test("FakeDriver.held() forgets calls whose connection or caller is gone", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  driver.hold("connect");
  driver.hold("ping");
  const abort = new AbortController();
  const connecting = rejectsWith(driver.connect({ signal: abort.signal }));
  const pinging = rejection(driver.ping(connection));
  const calls = driver.held();
  assertEquals(calls.length, 2);
  abort.abort("enough");
  driver.break(connection);
  assertEquals(driver.held(), []);
  assertEquals([await connecting, (await pinging).kind], ["enough", "lost"]);
  for (const call of calls) call.answer();
  assertEquals([driver.open, driver.counts.open], [0, 1]);
});

async function rejectsWith(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(() => "nothing", (reason) => reason);
}

test("FakeDriver.breakAt() breaks before send: nothing left, nothing applied", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  driver.breakAt("before send");
  const statement = connection.run("write a");
  assertEquals((await rejection(statement)).kind, "lost");
  assertEquals(driver.evidence(statement), "unsent");
  const { send, apply, answer } = connection.counts;
  assertEquals([send, apply, answer, driver.counts.break], [0, 0, 0, 1]);
  assertEquals([driver.applied, connection.gone], [[], true]);
});

test("FakeDriver.breakAt() breaks after send: it left, and was not applied", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  driver.breakAt("after send");
  const statement = connection.run("write a");
  await rejection(statement);
  assertEquals(driver.evidence(statement), "sent");
  const { send, apply, answer } = connection.counts;
  assertEquals([send, apply, answer], [1, 0, 0]);
  assertEquals(driver.applied, []);
});

test("FakeDriver.breakAt() breaks after apply: it is in force, and nobody hears of it", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  driver.breakAt("after apply");
  const statement = connection.run("write a");
  await rejection(statement);
  assertEquals(driver.evidence(statement), "sent");
  const { send, apply, answer } = connection.counts;
  assertEquals([send, apply, answer], [1, 1, 0]);
  assertEquals(driver.applied, ["a"]);
});

test("FakeDriver.breakAt() breaks under any call on a connection", async () => {
  const driver = new FakeDriver();
  for (const [point, applied] of [["after send", 0], ["after apply", 1]] as const) {
    const connection = await driver.connect();
    await driver.execute(connection, { verb: "begin" });
    await connection.run("write a");
    driver.breakAt(point, 1, "execute");
    await rejection(driver.execute(connection, { verb: "commit" }));
    assertEquals([connection.gone, driver.applied.length], [true, applied]);
  }
  const pinged = await driver.connect();
  driver.breakAt("before send", 1, "ping");
  await rejection(driver.ping(pinged));
  assert(pinged.gone);
});

test("FakeDriver.effects() counts what may have been executed", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  await driver.ping(connection);
  assertEquals(driver.effects(connection), 0);
  await connection.run("write a");
  await driver.execute(connection, { verb: "begin" });
  await driver.reset(connection, "rollback");
  assertEquals(driver.effects(connection), 3);
  const long = rejection(connection.run("sleep"));
  const behind = rejection(connection.run("write b"));
  assertEquals(driver.effects(connection), 4);
  driver.terminate(connection);
  await Promise.all([long, behind]);
  assertEquals(driver.effects(connection), 3);
  for (const [point, effects] of [["before send", 0], ["after send", 1]] as const) {
    const other = await driver.connect();
    driver.breakAt(point);
    await rejection(other.run("write c"));
    assertEquals(driver.effects(other), effects);
  }
});

test("FakeDriver.breakAt() in a transaction: only a commit that was applied is in force", async () => {
  const driver = new FakeDriver();
  const first = await driver.connect();
  await answers(first, "begin", "write a");
  driver.breakAt("after apply");
  await rejection(first.run("write b"));
  assertEquals(driver.applied, []);
  const second = await driver.connect();
  await answers(second, "begin", "write c");
  driver.breakAt("after apply");
  await rejection(second.run("commit"));
  assertEquals(driver.applied, ["c"]);
});

test("FakeDriver.break() ends what is in flight and what waits behind it, each by itself", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  const cause = new Error("cable cut");
  const long = connection.run("sleep");
  const next = connection.run("write a");
  assertEquals([driver.evidence(long), driver.evidence(next)], ["sent", "unsent"]);
  driver.break(connection, cause);
  assertStrictEquals((await rejection(long)).cause, cause);
  assertEquals((await rejection(next)).kind, "lost");
  assertEquals([driver.evidence(long), driver.evidence(next)], ["sent", "unsent"]);
  assertEquals([driver.status(connection), driver.open, driver.applied], ["unknown", 0, []]);
  driver.break(connection);
  assertEquals(connection.counts.break, 1);
});

test("FakeDriver.terminate() and `die` leave the evidence of a fatal error", async () => {
  const driver = new FakeDriver();
  const [first, second] = await Promise.all([driver.connect(), driver.connect()]);
  const long = first.run("sleep");
  driver.terminate(first);
  await rejection(long);
  const last = second.run("die");
  await rejection(last);
  assertEquals([driver.evidence(long), driver.evidence(last)], ["fatal", "fatal"]);
  assertEquals([driver.open, driver.counts.break], [0, 2]);
});

test("FakeDriver.counts are never zeroed; connections have their own (G-29)", async () => {
  const driver = new FakeDriver();
  const first = await driver.connect();
  const second = await driver.connect();
  await first.run("select 1");
  await first.run("write a");
  await second.run("write b");
  await driver.ping(first);
  await driver.reset(first, "rollback");
  await driver.execute(first, { verb: "begin" });
  await driver.cancel(first);
  await driver.close(first);
  driver.destroy(second);
  driver.destroy(second);
  const { connect, refuse, ...own } = first.counts;
  assertEquals([connect, refuse], [0, 0]);
  assertEquals(own, {
    open: 1,
    break: 0,
    close: 1,
    destroy: 0,
    ping: 1,
    reset: 1,
    execute: 1,
    cancel: 1,
    send: 2,
    apply: 2,
    answer: 2,
  });
  const { send, destroy, close } = second.counts;
  assertEquals([send, destroy, close], [1, 2, 0]);
  assertEquals([driver.counts.connect, driver.counts.send, driver.counts.destroy], [2, 3, 2]);
});

test("FakeDriver.log has every event in order", async () => {
  const driver = new FakeDriver();
  driver.refuse("connect", 1);
  await rejection(driver.connect());
  const connection = await driver.connect();
  await driver.execute(connection, { verb: "begin" });
  await connection.run("write a");
  await driver.reset(connection, "session");
  driver.break(connection);
  assertEquals(
    driver.log.map(({ connection, event, detail }) => `${connection} ${event} ${detail}`.trim()),
    [
      "0 connect",
      "0 refuse",
      "0 connect",
      "1 open",
      "1 execute begin",
      "1 send write a",
      "1 apply write a",
      "1 answer write a",
      "1 reset session",
      "1 break",
    ],
  );
});

test("FakeDriver.peak is the most that was open or being opened at once", async () => {
  const driver = new FakeDriver();
  const connections = await Promise.all([driver.connect(), driver.connect(), driver.connect()]);
  for (const connection of connections) await driver.close(connection);
  await driver.connect();
  assertEquals([driver.open, driver.peak], [1, 3]);
});

test("FakeDriver.status() is busy from the call to the answer", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  assertEquals(driver.status(connection), "idle");
  const beginning = connection.run("begin");
  assertEquals(driver.status(connection), "busy");
  await beginning;
  assertEquals(driver.status(connection), "in transaction");
  const pinging = driver.ping(connection);
  assertEquals(driver.status(connection), "busy");
  await pinging;
  await rejection(connection.run("fail"));
  assertEquals(driver.status(connection), "failed");
  await driver.reset(connection, "rollback");
  assertEquals(driver.status(connection), "idle");
  const blind = new FakeDriver({ knowsStatus: false });
  assertEquals(blind.status(await blind.connect()), "unknown");
});

test("FakeDriver.close() waits for what is in flight; its signal destroys", async () => {
  const clock = new VirtualClock();
  const driver = new FakeDriver({ clock });
  const patient = await driver.connect();
  const statement = watch(patient.run("sleep 100"));
  const closing = watch(driver.close(patient));
  await clock.advance(99);
  assertEquals([closing.state, driver.open], ["pending", 1]);
  await clock.advance(1);
  assertEquals([statement.state, closing.state, driver.open], ["fulfilled", "fulfilled", 0]);

  const hurried = await driver.connect();
  const lost = watch(hurried.run("sleep"));
  const abort = new AbortController();
  const ended = watch(driver.close(hurried, { signal: abort.signal }));
  await clock.settle();
  abort.abort();
  await clock.settle();
  assertEquals([lost.state, ended.state, driver.open], ["rejected", "fulfilled", 0]);

  const third = await driver.connect();
  await driver.close(third, { signal: abort.signal });
  assertEquals(driver.open, 0);
});

test("FakeDriver calls that are aborted on the wire stay there: the server knows no signals", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  const abort = new AbortController();
  const sent = rejectsWith(connection.run("sleep", abort));
  const queued = rejectsWith(connection.run("write a", abort));
  abort.abort("enough");
  assertEquals([await sent, await queued], ["enough", "enough"]);
  assertEquals(driver.status(connection), "busy");
  await driver.cancel(connection);
  assertEquals([driver.status(connection), driver.applied], ["idle", []]);
  assertEquals(await rejectsWith(connection.run("write b", abort)), "enough");
  assertEquals(connection.counts.send, 1);
});

test("FakeDriver leaves no listener on a caller's signal", async () => {
  const driver = new FakeDriver();
  const abort = new AbortController();
  let listeners = 0;
  const { signal } = abort;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof add>) => (listeners--, remove(...args));
  const connection = await driver.connect({ signal });
  await connection.run("select 1", { signal });
  await driver.ping(connection, { signal });
  await driver.cancel(connection, { signal });
  await driver.close(connection, { signal });
  assertEquals(listeners, 0);
});

test("FakeDriver knows its own connections only", async () => {
  const connection = await new FakeDriver().connect();
  const other = new FakeDriver();
  assertThrows(() => other.status(connection), TypeError);
  assertThrows(() => other.destroy(connection), TypeError);
});

test("FakeConnection.run() answers, one statement after the other", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  const all = await Promise.all(["a", "b", "c"].map((name) => connection.run(`select ${name}`)));
  assertEquals(all, ["a", "b", "c"]);
  const order = driver.log.slice(2).map(({ event, detail }) => `${event} ${detail}`);
  assertEquals(
    order,
    ["a", "b", "c"].flatMap((name) =>
      ["send", "apply", "answer"].map((event) => `${event} select ${name}`)
    ),
  );
});

test("FakeConnection.run() writes at once, or with the transaction's commit", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  await answers(connection, "write a", "begin", "write b");
  assertEquals(driver.applied, ["a"]);
  assertEquals(await connection.run("count"), "2");
  await answers(connection, "commit", "begin", "write c", "rollback");
  assertEquals(driver.applied, ["a", "b"]);
});

test("FakeConnection.run() takes back what was written after a savepoint", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  await answers(connection, "begin", "write a", "savepoint s", "write b", "savepoint t", "fail");
  assertEquals(driver.status(connection), "failed");
  assertEquals(await answers(connection, "rollback to s", "write c", "rollback to t"), [
    "",
    "",
    'there is no savepoint "t"',
  ]);
  await answers(connection, "rollback to s", "write d", "release s", "commit");
  assertEquals(driver.applied, ["a", "d"]);
});

test("FakeConnection.run() refuses everything but an end in a failed transaction", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  await answers(connection, "begin", "write a", "fail");
  const failed = "the transaction has failed: statements are ignored until it ends";
  assertEquals(await answers(connection, "select 1", "savepoint s", "begin"), [
    failed,
    failed,
    failed,
  ]);
  // As a server does: the commit of a failed transaction is a rollback.
  await connection.run("commit");
  assertEquals([driver.status(connection), driver.applied], ["idle", []]);
});

test("FakeConnection.run() refuses what makes no sense", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  assertEquals(
    await answers(connection, "selct 1", "savepoint s", "fail on purpose", "begin", "begin"),
    [
      'there is no statement "selct"',
      "there is no transaction",
      "on purpose",
      "",
      "there is already a transaction",
    ],
  );
  assertEquals(driver.status(connection), "failed");
  await answers(connection, "rollback", "begin read only");
  assertEquals(await answers(connection, "write a"), ["cannot write in a read-only transaction"]);
});

test("FakeDriver.reset() cleans as much as it is told", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  const dirty = (): Promise<string[]> => answers(connection, "set k v w", "begin", "write a");
  const left = (): Promise<string> => connection.run("show k");
  await dirty();
  await driver.reset(connection, "none");
  assertEquals([driver.status(connection), await left()], ["in transaction", "v w"]);
  await driver.reset(connection, "rollback");
  assertEquals([driver.status(connection), await left()], ["idle", "v w"]);
  await driver.reset(connection, "session");
  assertEquals(await left(), "");
  await dirty();
  await driver.reset(connection, "discard");
  assertEquals([driver.status(connection), await left(), driver.applied], ["idle", "", []]);
});

test("FakeDriver.cancel() cancels the statement that runs, and nothing else", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  await driver.cancel(connection);
  await connection.run("begin");
  const long = connection.run("sleep");
  const next = connection.run("rollback");
  await driver.cancel(connection);
  assertEquals((await rejection(long)).message, "the statement was cancelled");
  await next;
  assertEquals([driver.evidence(long), driver.status(connection)], ["answered", "idle"]);
  assertEquals([connection.counts.cancel, connection.counts.apply], [2, 3]);
});

test("FakeDriver.onLost() tells each listener once, in order, with the cause", async () => {
  const driver = new FakeDriver();
  const connection = await driver.connect();
  const cause = new Error("cable cut");
  const told: unknown[] = [];
  driver.onLost(connection, (cause) => told.push("first", cause));
  driver.onLost(connection, (cause) => {
    told.push("second", cause);
    assert(connection.gone);
    assertEquals(driver.open, 0);
  });
  driver.break(connection, cause);
  driver.destroy(connection);
  driver.onLost(connection, (cause) => told.push("late", cause));
  assertEquals(told, ["first", cause, "second", cause, "late", cause]);
});

test("FakeDriver.classify() knows its own errors only", () => {
  const driver = new FakeDriver();
  for (const kind of ["lost", "unavailable", "rejected", "statement"] as const) {
    const error = new FakeError(kind, "so");
    assertEquals([driver.classify(error), error.name], [kind, "FakeError"]);
  }
  assertEquals([driver.classify(new Error("so")), driver.classify(undefined)], [
    "unknown",
    "unknown",
  ]);
});
