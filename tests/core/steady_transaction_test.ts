/** Transactions on a steady connection: group T of the behaviours, and those of S and C that are about transactions. */

import { assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { CommitUnknownError, ConnectionLostError } from "../../src/core/errors.ts";
import type { SteadyTransactionOptions } from "../../src/core/steady_connection.ts";
import type { Command, ConnectionStatus } from "../../src/core/driver.ts";
import { type FakeConnection, FakeDriver, FakeError, VirtualClock } from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";
import { countedSignal, must, watch } from "./setup.ts";
import {
  assertFails,
  type Bench,
  bench,
  failure,
  logOf,
  present,
  statement,
} from "./steady_setup.ts";

/** A bench with a transaction by hand in which `a` was written. */
async function begun(): Promise<Bench> {
  const b = bench();
  await b.steady.begin();
  await b.steady.run(statement("write a"));
  return b;
}

// Around a callback

test("S-50, G-09: transaction() begins, and commits when the callback returns", async () => {
  const b = bench();
  const result = await b.steady.transaction(async (connection) => {
    await connection.run("write a");
    assertEquals(b.driver.applied, []);
    return 42;
  });
  assertEquals([result, b.driver.applied, b.steady.status], [42, ["a"], "idle"]);
  assertEquals(logOf(b.driver, "execute", "send"), [
    "execute begin #1",
    "send write a #1",
    "execute commit #1",
  ]);
});

test("S-51: transaction() rolls back when the callback throws, and rejects with what it threw", async () => {
  const thrown = new Error("of the caller");
  const b = bench();
  for (
    const fn of [
      async (connection: FakeConnection) => {
        await connection.run("write a");
        throw thrown;
      },
      () => {
        throw thrown;
      },
    ]
  ) {
    const error = await b.steady.transaction(fn).catch((error: unknown) => error);
    assertStrictEquals(error, thrown);
  }
  assertEquals([b.driver.applied, b.steady.status, b.driver.counts.open], [[], "idle", 1]);
});

test("S-51, S-55: a rollback that fails takes nobody's error away, and costs the connection", async () => {
  const thrown = new Error("of the caller");
  for (const fault of ["refuse", "break", "hold"] as const) {
    const b = bench();
    const running = watch(b.steady.transaction(async (connection) => {
      await connection.run("write a");
      if (fault === "refuse") b.driver.refuse("execute", 1);
      else if (fault === "hold") b.driver.hold("execute", 1);
      else b.driver.breakAt("after send", 1, "execute");
      throw thrown;
    }));
    await b.clock.advance(2_000);
    assertStrictEquals(running.error, thrown);
    assertEquals([b.driver.open, b.driver.applied], [0, []]);
    await b.steady.run(statement("select 1"));
    assertEquals(b.steady.epoch, 2);
  }
});

test("T-02: begin() and transaction() pass their options on to the driver", async () => {
  const commands: Command[] = [];
  const clock = new VirtualClock();
  const driver = new class extends FakeDriver {
    override execute(...args: Parameters<FakeDriver["execute"]>): Promise<void> {
      commands.push(args[1]);
      return super.execute(...args);
    }
  }({ clock });
  const { steady } = bench({}, { driver, clock });
  const options = { isolation: "serializable", readOnly: true, deferrable: true } as const;
  await steady.transaction(() => {}, options);
  await steady.begin(options);
  await steady.rollback();
  const begin: Command = { verb: "begin", ...options };
  assertEquals(commands, [begin, { verb: "commit" }, begin, { verb: "rollback" }]);
});

test("T-01, G-08: begin() really begins", async () => {
  const b = bench();
  await b.steady.begin();
  assertEquals(b.steady.status, "in transaction");
  assertEquals(logOf(b.driver, "execute"), ["execute begin #1"]);
});

test("T-03: a BEGIN that is refused leaves no transaction behind", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.refuse("execute", 2);
  assertInstanceOf(await b.steady.begin().catch((error: unknown) => error), FakeError);
  assertInstanceOf(
    await b.steady.transaction(() => {}).catch((error: unknown) => error),
    FakeError,
  );
  assertEquals(b.steady.status, "idle");
  await b.steady.run(statement("write a"));
  assertEquals([b.driver.applied, b.driver.counts.open], [["a"], 1]);
});

test("T-04: begin on a dead connection checks or reopens first, so that the transaction does not fail", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.break(present(b));
  await b.steady.begin();
  await b.steady.run(statement("write a"));
  await b.steady.commit();
  await b.clock.advance(1_000);
  b.driver.refuse("ping", 1);
  await b.steady.transaction((connection) => connection.run("write b"));
  assertEquals([b.driver.applied, b.steady.epoch], [["a", "b"], 3]);
});

test("A lost BEGIN is issued again before the callback starts", async () => {
  for (const point of ["before send", "after send", "after apply"] as const) {
    const b = bench();
    b.driver.breakAt(point, 2, "execute");
    let calls = 0;
    await b.steady.transaction((connection) => {
      calls++;
      return connection.run("write a");
    });
    assertEquals([calls, b.driver.applied, b.steady.epoch], [1, ["a"], 3]);
    b.driver.breakAt(point, 1, "execute");
    await b.steady.begin();
    assertEquals([b.steady.status, b.steady.epoch], ["in transaction", 4]);
  }
});

test("A BEGIN that is lost again and again, or never answered, is given up: nothing was applied", async () => {
  const b = bench();
  b.driver.breakAt("after send", 3, "execute");
  const error = await assertFails(
    b.steady.transaction(() => {}),
    "CONNECTION_CLOSED",
    "not-applied",
  );
  assertEquals([error.retryable, b.driver.counts.open], [true, 3]);
  b.driver.hold("execute", 1);
  const running = watch(b.steady.transaction((connection) => connection.run("write a")));
  await b.clock.advance(2_000);
  assertEquals([running.state, b.driver.applied], ["fulfilled", ["a"]]);
});

// Found by the storm: the statements after it were executed in a transaction that nobody ended.
for (const turns of Array.from({ length: 12 }, (_, turns) => turns)) {
  test(`A BEGIN that is answered ${turns} turns before its deadline passes leaves no transaction open`, async () => {
    const clock = new VirtualClock({ turns });
    const b = bench({}, { driver: new FakeDriver({ clock }), clock });
    await b.steady.ready();
    b.driver.hold("execute", 1);
    const beginning = watch(b.steady.transaction((connection) => connection.run("write a")));
    const next = watch(b.steady.run(statement("write b")));
    await clock.settle(100);
    await clock.advance(1_999);
    must(b.driver.held("execute")[0]).answer();
    await clock.advance(1);
    await clock.settle(200);
    assertEquals([beginning.state, next.state], ["fulfilled", "fulfilled"]);
    assertEquals([b.driver.applied, b.steady.status], [["a", "b"], "idle"]);
  });
}

for (const turns of Array.from({ length: 16 }, (_, turns) => turns)) {
  test(`T-14: a connection lost ${turns} turns after BEGIN was answered takes the transaction with it`, async () => {
    const b = bench();
    await b.steady.ready();
    b.driver.hold("execute", 1);
    const beginning = watch(b.steady.begin());
    await b.clock.settle();
    must(b.driver.held("execute")[0]).answer();
    await b.clock.settle(turns);
    b.driver.break(present(b));
    await b.clock.settle();
    assertEquals(beginning.state, "fulfilled");
    const writing = watch(b.steady.run(statement("write a")));
    await b.clock.settle();
    // Lost before anybody knew that it had begun, it was begun again; else its rest is refused.
    assertEquals(writing.state, b.steady.epoch === 2 ? "fulfilled" : "rejected");
    assertEquals([b.driver.applied, b.driver.counts.open], [[], b.steady.epoch]);
  });
}

test("T-05: a transaction inside of another is refused, and the outer one goes on", async () => {
  const b = await begun();
  await assertFails(b.steady.begin(), "TRANSACTION_OPEN", "not-applied");
  await assertFails(b.steady.transaction(() => {}), "TRANSACTION_OPEN", "not-applied");
  await b.steady.commit();
  assertEquals(b.driver.applied, ["a"]);
});

test("T-08: commit() and rollback() by hand send what they say, once", async () => {
  const b = await begun();
  await b.steady.commit();
  await b.steady.begin();
  await b.steady.run(statement("write b"));
  await b.steady.rollback();
  assertEquals([b.driver.applied, b.steady.status, b.driver.counts.open], [["a"], "idle", 1]);
  assertEquals(logOf(b.driver, "execute"), [
    "execute begin #1",
    "execute commit #1",
    "execute begin #1",
    "execute rollback #1",
  ]);
});

test("T-15: commit() and rollback() without a transaction are refused, and send nothing", async () => {
  const b = bench();
  await assertFails(b.steady.commit(), "NO_TRANSACTION", "not-applied");
  await assertFails(b.steady.rollback(), "NO_TRANSACTION", "not-applied");
  await b.steady.ready();
  await assertFails(b.steady.commit(), "NO_TRANSACTION", "not-applied");
  await assertFails(b.steady.rollback(), "NO_TRANSACTION", "not-applied");
  assertEquals(b.driver.counts.execute, 0);
});

// Loss before COMMIT

test("C-29, T-18: a loss inside is told as rolled back, and nothing is done again", async () => {
  const b = bench();
  let calls = 0;
  const error = await assertFails(
    b.steady.transaction(async (connection) => {
      calls++;
      await connection.run("write a");
      b.driver.breakAt("before send");
      await connection.run("write b");
    }),
    "CONNECTION_CLOSED",
    "rolled-back",
  );
  assertEquals([error.retryable, calls, b.driver.applied], [true, 1, []]);
  assertInstanceOf(error.cause, FakeError);
  await b.steady.transaction((connection) => connection.run("write c"));
  assertEquals([b.driver.applied, b.steady.epoch], [["c"], 2]);
});

// C-30 and the worst of the behaviours: the tail of a transaction must not run, and commit, on its own.
test("C-30: the rest of a callback whose connection was lost reaches no new connection", async () => {
  const b = bench();
  const error = await failure(b.steady.transaction(async (connection) => {
    await connection.run("write a");
    b.driver.break(connection);
    for (const text of ["write b", "write c", "commit"]) {
      await assertRejects(() => connection.run(text), FakeError);
    }
  }));
  assertEquals([error.outcome, b.driver.applied], ["rolled-back", []]);
  assertEquals([b.driver.counts.open, logOf(b.driver, "execute")], [1, ["execute begin #1"]]);
});

test("C-30, T-14: the rest of a transaction by hand is refused until its owner rolls back", async () => {
  const b = await begun();
  b.driver.break(present(b), new Error("cable cut"));
  assertEquals(b.steady.status, "failed");
  for (let i = 0; i < 3; i++) {
    const error = await assertFails(
      b.steady.run(statement("write b"), { idempotent: true }),
      "CONNECTION_CLOSED",
      "rolled-back",
    );
    assertEquals((error.cause as Error).message, "cable cut");
  }
  await assertFails(b.steady.commit(), "CONNECTION_CLOSED", "rolled-back");
  await assertFails(b.steady.begin(), "CONNECTION_CLOSED", "rolled-back");
  await assertFails(b.steady.transaction(() => {}), "CONNECTION_CLOSED", "rolled-back");
  assertEquals([b.driver.counts.open, b.driver.applied], [1, []]);
  await b.steady.rollback();
  assertEquals(b.steady.status, "idle");
  await b.steady.run(statement("write c"));
  assertEquals([b.driver.applied, b.steady.epoch], [["c"], 2]);
});

test("C-29: a statement of a transaction by hand that breaks its connection is not done again", async () => {
  for (const point of ["before send", "after send", "after apply"] as const) {
    const b = await begun();
    b.driver.breakAt(point);
    await assertFails(
      b.steady.run(statement("write b"), { idempotent: true }),
      "CONNECTION_CLOSED",
      "rolled-back",
    );
    assertEquals([b.steady.status, b.driver.counts.open, b.driver.applied], ["failed", 1, []]);
    await b.steady.rollback();
  }
});

// T-10, T-19, T-20, C-35: no flag can be left on the wrong side.
test("T-10, T-19, T-20, C-35: a lost transaction stays failed though no connection can be opened, and heals by one rollback", async () => {
  const b = await begun();
  b.driver.refuse("connect");
  b.driver.break(present(b));
  await assertFails(b.steady.run(statement("write b")), "CONNECTION_CLOSED", "rolled-back");
  await b.steady.rollback();
  assertEquals([b.steady.status, b.driver.counts.connect], ["idle", 1]);
  b.driver.restore();
  await b.steady.run(statement("write c"));
  assertEquals(b.driver.applied, ["c"]);
});

test("T-22, P-32: heal outside; begin, kill, fail, roll back; heal; begin, cancel, kill; heal", async () => {
  const b = bench();
  await b.steady.ready();
  b.driver.break(present(b));
  await b.steady.run(statement("select 1"));
  await b.steady.begin();
  b.driver.break(present(b));
  const errors: unknown[] = [];
  const tell = (error: unknown): void => void errors.push(error);
  await b.steady.run(statement("select 2")).catch(tell);
  await b.steady.rollback().catch(tell);
  await b.steady.run(statement("select 3"));
  await b.steady.begin();
  await b.steady.cancel();
  b.driver.break(present(b));
  await b.steady.rollback().catch(tell);
  await b.steady.run(statement("select 4"));
  assertEquals([errors.length, b.steady.counters.opens, b.steady.epoch], [1, 4, 4]);
});

// Failed statements

test("C-32, T-21: a semantic error fails the transaction, not the connection", async () => {
  const b = await begun();
  await assertRejects(() => b.steady.run(statement("fail")), FakeError);
  assertEquals([b.steady.status, b.driver.counts.open], ["failed", 1]);
  await assertRejects(() => b.steady.run(statement("write b")), FakeError);
  await b.steady.rollback();
  assertEquals([b.steady.status, b.driver.applied], ["idle", []]);
});

test("C-31: a slip of the program costs neither the connection nor the transaction", async () => {
  const b = await begun();
  await assertRejects(
    () => b.steady.run(() => Promise.reject(new TypeError("no such method"))),
    TypeError,
  );
  assertEquals(b.steady.status, "in transaction");
  await b.steady.commit();
  assertEquals([b.driver.applied, b.driver.counts.open], [["a"], 1]);
});

test("C-32: rolling back to a savepoint heals a failed transaction, as in SQL", async () => {
  const b = await begun();
  await b.steady.run(statement("savepoint s"));
  await b.steady.run(statement("fail")).catch(() => {});
  await b.steady.run(statement("rollback to s"));
  await b.steady.commit();
  assertEquals(b.driver.applied, ["a"]);
});

test("A callback that swallows a failed statement gets no commit: COMMIT is not sent", async () => {
  const b = bench();
  const error = await assertFails(
    b.steady.transaction(async (connection) => {
      await connection.run("write a");
      await connection.run("fail").catch(() => {});
      await connection.run("write b").catch(() => {});
    }),
    "TRANSACTION_ROLLED_BACK",
    "rolled-back",
  );
  assertEquals([error.retryable, b.driver.applied, b.driver.counts.open], [false, [], 1]);
  assertEquals(logOf(b.driver, "execute"), ["execute begin #1", "execute rollback #1"]);
});

test("commit() by hand of a failed transaction is an error, and sends nothing; rollback() heals", async () => {
  const b = await begun();
  await b.steady.run(statement("fail")).catch(() => {});
  await assertFails(b.steady.commit(), "TRANSACTION_FAILED", "rolled-back");
  assertEquals([b.steady.status, b.driver.counts.execute], ["failed", 1]);
  await b.steady.rollback();
  await b.steady.run(statement("write c"));
  assertEquals([b.driver.applied, b.driver.counts.open], [["c"], 1]);
});

test("A callback that leaves a failing statement in flight gets no commit", async () => {
  const b = bench();
  await assertFails(
    b.steady.transaction(async (connection) => {
      await connection.run("write a");
      connection.run("fail").catch(() => {});
    }),
    "TRANSACTION_ROLLED_BACK",
    "rolled-back",
  );
  assertEquals(b.driver.applied, []);
});

test("T-13: a transaction begun by a statement's text is seen all the same, and never cut in two", async () => {
  const b = bench();
  await b.steady.run(statement("begin"));
  await b.steady.run(statement("write a"));
  b.driver.break(present(b));
  await assertFails(b.steady.run(statement("write b")), "CONNECTION_CLOSED", "rolled-back");
  await b.steady.rollback();
  await b.steady.run(statement("begin"));
  await b.steady.run(statement("write c"));
  await b.steady.commit();
  assertEquals(b.driver.applied, ["c"]);
});

test("T-13: a transaction that a callback ended by a statement's text is not called committed", async () => {
  const b = bench();
  for (const text of ["commit", "rollback"]) {
    await assertFails(
      b.steady.transaction(async (connection) => {
        await connection.run("write a");
        await connection.run(text);
      }),
      "TRANSACTION_ENDED",
      "unknown",
    );
  }
  assertEquals(b.driver.counts.open, 1);
});

// COMMIT

test("T-09: a lost COMMIT is unknown, and never sent again", async () => {
  for (const point of ["after send", "after apply"] as const) {
    const b = bench();
    const error: unknown = await b.steady.transaction(async (connection) => {
      await connection.run("write a");
      b.driver.breakAt(point, 1, "execute");
    }).catch((error: unknown) => error);
    assertInstanceOf(error, CommitUnknownError);
    assertEquals([error.outcome, error.retryable], ["unknown", false]);
    assertEquals(b.driver.applied, point === "after apply" ? ["a"] : []);
    assertEquals(logOf(b.driver, "execute"), ["execute begin #1", "execute commit #1"]);
    await b.steady.transaction((connection) => connection.run("write b"));
    assertEquals([b.driver.applied.at(-1), b.steady.epoch], ["b", 2]);
  }
});

test("T-09: a COMMIT that was never sent is rolled back, not unknown", async () => {
  const b = bench();
  await assertFails(
    b.steady.transaction(async (connection) => {
      await connection.run("write a");
      b.driver.breakAt("before send", 1, "execute");
    }),
    "CONNECTION_CLOSED",
    "rolled-back",
  );
  await begunAndLost("before send", "rolled-back");
});

/** A COMMIT by hand that is lost. */
async function begunAndLost(
  point: "before send" | "after send",
  outcome: "rolled-back" | "unknown",
): Promise<Bench> {
  const b = await begun();
  b.driver.breakAt(point, 1, "execute");
  assertEquals((await failure(b.steady.commit())).outcome, outcome);
  return b;
}

test("T-09, T-11: after a commit() that failed the connection waits for the owner's rollback, which sends nothing", async () => {
  const b = await begunAndLost("after send", "unknown");
  assertEquals(b.steady.status, "failed");
  await assertFails(b.steady.run(statement("write b")), "TRANSACTION_FAILED", "not-applied");
  await assertFails(b.steady.commit(), "TRANSACTION_FAILED", "not-applied");
  await b.steady.rollback();
  assertEquals([b.steady.status, b.driver.counts.open], ["idle", 1]);
  await b.steady.run(statement("write c"));
  assertEquals([b.driver.applied, b.steady.epoch], [["c"], 2]);
});

test("T-11: a COMMIT that the server refuses is an error, and nothing of it is left open", async () => {
  const b = bench();
  const refused = new FakeError("statement", "deferred constraint");
  const error = await b.steady.transaction(async (connection) => {
    await connection.run("write a");
    b.driver.refuse("execute", 1, refused);
  }).catch((error: unknown) => error);
  assertStrictEquals(error, refused);
  assertEquals([b.steady.status, b.driver.applied, b.driver.counts.open], ["idle", [], 1]);

  const hand = await begun();
  hand.driver.refuse("execute", 1, refused);
  assertStrictEquals(await hand.steady.commit().catch((error: unknown) => error), refused);
  assertEquals(hand.steady.status, "failed");
  await hand.steady.rollback();
  await hand.steady.run(statement("write c"));
  assertEquals([hand.driver.applied, hand.driver.counts.open], [["c"], 1]);
});

/** A driver whose COMMIT is answered, and changes nothing. */
class Undecided extends FakeDriver {
  override execute(...args: Parameters<FakeDriver["execute"]>): Promise<void> {
    return args[1].verb === "commit" ? this.ping(args[0]) : super.execute(...args);
  }
}

test("A COMMIT that is answered by any status but idle is no success", async () => {
  const clock = new VirtualClock();
  const driver = new Undecided({ clock });
  const b = bench({}, { driver, clock });
  const error: unknown = await b.steady.transaction((connection) => connection.run("write a"))
    .catch((error: unknown) => error);
  assertInstanceOf(error, CommitUnknownError);
  assertEquals(
    (error.cause as Error).message,
    "the connection was in transaction after COMMIT",
  );
  assertEquals([driver.open, driver.applied], [0, []]);
});

test("A connection that is lost when COMMIT was answered takes nothing back", async () => {
  const clock = new VirtualClock();
  const driver = new class extends FakeDriver {
    override async execute(...args: Parameters<FakeDriver["execute"]>): Promise<void> {
      await super.execute(...args);
      if (args[1].verb === "commit") this.break(args[0]);
    }
  }({ clock });
  const { steady } = bench({}, { driver, clock });
  assertEquals(await steady.transaction((connection) => connection.run("write a")), "");
  assertEquals(driver.applied, ["a"]);
});

test("A driver that cannot tell where a transaction stands gets none", async () => {
  const b = bench({}, { knowsStatus: false });
  await assertFails(b.steady.begin(), "NO_TRANSACTION", "not-applied");
  await assertFails(b.steady.transaction(() => {}), "NO_TRANSACTION", "not-applied");
  assertEquals(b.driver.counts.execute, 0);
});

test("A BEGIN after which no transaction is open is none", async () => {
  const clock = new VirtualClock();
  const driver = new class extends FakeDriver {
    override status(connection: FakeConnection): ConnectionStatus {
      const status = super.status(connection);
      return status === "in transaction" ? "idle" : status;
    }
  }({ clock });
  const { steady } = bench({}, { driver, clock });
  await assertFails(steady.begin(), "CONNECTION_CLOSED", "not-applied");
  assertEquals(driver.open, 0);
});

// T-12

test("T-12: a rollback on a lost connection is no error: the server has rolled back", async () => {
  for (const point of ["before send", "after send", "after apply"] as const) {
    const b = await begun();
    b.driver.breakAt(point, 1, "execute");
    await b.steady.rollback();
    assertEquals([b.steady.status, b.driver.open, b.driver.applied], ["idle", 0, []]);
    await b.steady.run(statement("write c"));
    assertEquals(b.driver.applied, ["c"]);
  }
});

test("T-12: a rollback that is never answered, or refused, closes the connection: that comes to the same", async () => {
  const b = await begun();
  b.driver.hold("execute", 1);
  const rolling = watch(b.steady.rollback());
  await b.clock.advance(2_000);
  assertEquals([rolling.state, b.driver.open, b.steady.status], ["fulfilled", 0, "idle"]);
  await b.steady.begin();
  b.driver.refuse("execute", 1);
  await b.steady.rollback();
  assertEquals([b.driver.open, b.steady.status], [0, "idle"]);
});

// T-16, T-17

test("T-16: cancel() cancels what is executed; the transaction stays failed until its rollback", async () => {
  const b = await begun();
  const sleeping = watch(b.steady.run(statement("sleep")));
  await b.clock.settle();
  await b.steady.cancel();
  await b.clock.settle();
  assertInstanceOf(sleeping.error, FakeError);
  assertEquals([b.steady.status, b.driver.counts.cancel, b.driver.counts.open], ["failed", 1, 1]);
  await b.steady.rollback();
  assertEquals(b.steady.status, "idle");
});

test("T-17: cancel() where nothing is executed sends nothing and ends nothing", async () => {
  const b = await begun();
  await b.steady.cancel();
  assertEquals([b.steady.status, b.driver.counts.cancel], ["in transaction", 0]);
  await b.steady.commit();
  assertEquals(b.driver.applied, ["a"]);
  await bench().steady.cancel();
});

test("cancel() that is on its way holds up the next unit of work: it hits nobody else", async () => {
  const b = bench();
  await b.steady.ready();
  const sleeping = watch(b.steady.run(statement("sleep 100")));
  await b.clock.settle();
  b.driver.hold("cancel", 1);
  const cancelling = watch(b.steady.cancel());
  const again = watch(b.steady.cancel());
  const next = watch(b.steady.run(statement("sleep 200")));
  await b.clock.advance(100);
  assertEquals([sleeping.state, next.state, cancelling.state], ["fulfilled", "pending", "pending"]);
  assertEquals(b.driver.counts.send, 1);
  must(b.driver.held("cancel")[0]).answer();
  await b.clock.advance(200);
  assertEquals([cancelling.state, again.state, next.state], [
    "fulfilled",
    "fulfilled",
    "fulfilled",
  ]);
  assertEquals(b.driver.counts.cancel, 1);
});

test("cancel() without an answer closes the connection, as it may still be on its way", async () => {
  const b = bench();
  await b.steady.ready();
  const sleeping = watch(b.steady.run(statement("sleep")));
  await b.clock.settle();
  b.driver.hold("cancel", 1);
  const cancelling = watch(b.steady.cancel());
  await b.clock.advance(2_000);
  assertEquals(Reflect.get(cancelling.error as object, "code"), "CANCEL_TIMEOUT");
  assertEquals([sleeping.state, b.steady.epoch], ["rejected", 1]);
  assertEquals(await b.steady.run(statement("select 1")), "1");
  const error = await b.steady.cancel({ signal: AbortSignal.abort("no") }).catch((e) => e);
  assertEquals(error, "no");
});

// Signals

test("transaction() ends with its signal: rolled back, with the signal's own reason", async () => {
  const b = bench();
  const counted = countedSignal();
  const reason = new Error("enough");
  const running = watch(b.steady.transaction(async (connection) => {
    await connection.run("write a");
    await connection.run("sleep");
  }, { signal: counted.abort.signal }));
  await b.clock.settle();
  counted.abort.abort(reason);
  await b.clock.settle();
  assertStrictEquals(running.error, reason);
  assertEquals([b.driver.open, b.driver.applied, counted.listeners], [0, [], 0]);
  await b.steady.run(statement("select 1"));
  assertEquals(b.reopened, [{ epoch: 2, reason: "doubt" }]);
});

test("transaction() whose signal aborts during COMMIT is unknown", async () => {
  const b = bench();
  const abort = new AbortController();
  const running = watch(b.steady.transaction(async (connection) => {
    await connection.run("write a");
    b.driver.hold("execute", 1);
  }, { signal: abort.signal }));
  await b.clock.settle();
  assertEquals(running.state, "pending");
  abort.abort(new Error("enough"));
  await b.clock.settle();
  assertInstanceOf(running.error, CommitUnknownError);
  assertEquals(b.driver.open, 0);
});

test("begin() whose signal aborts has begun nothing", async () => {
  const b = bench();
  await b.steady.ready();
  const abort = new AbortController();
  b.driver.hold("execute", 1);
  const beginning = watch(b.steady.begin({ signal: abort.signal }));
  await b.clock.settle();
  abort.abort("enough");
  await b.clock.settle();
  assertEquals([beginning.error, b.steady.status, b.driver.open], ["enough", "idle", 0]);
});

test("A deadline of a unit of work in a transaction by hand rolls it back", async () => {
  const b = await begun();
  const running = watch(b.steady.run(statement("sleep"), { timeoutMs: 500 }));
  await b.clock.advance(500);
  assertEquals(Reflect.get(running.error as object, "outcome"), "rolled-back");
  assertEquals(
    (running.error as Error).message,
    "The statement was not over within 500 ms: its connection was closed, and its transaction rolled back",
  );
  await assertFails(b.steady.run(statement("write b")), "CONNECTION_CLOSED", "rolled-back");
  await b.steady.rollback();
  assertEquals(b.driver.applied, []);
});

test("An error of a statement that carries `unknown` is not called rolled back", async () => {
  const told = Object.assign(new FakeError("lost", "gone"), { outcome: "unknown" });
  const b = bench();
  const error = await b.steady.transaction((connection) => {
    b.driver.break(connection);
    throw told;
  }).catch((error: unknown) => error);
  assertStrictEquals(error, told);
  const other = Object.assign(new FakeError("lost", "gone"), { outcome: "not-applied" });
  const lost = await failure(b.steady.transaction((connection) => {
    b.driver.break(connection);
    throw other;
  }));
  assertInstanceOf(lost, ConnectionLostError);
  assertEquals(lost.outcome, "rolled-back");
});

test("Transactions are units of work: others wait for their end", async () => {
  const b = bench();
  const first = b.steady.transaction(async (connection) => {
    await connection.run("write a");
    await connection.run("write b");
  });
  const second = b.steady.run(statement("write c"));
  await Promise.all([first, second]);
  assertEquals(b.driver.applied, ["a", "b", "c"]);
});

test("transaction() and begin() refuse bad options at once, and open nothing", async () => {
  const { driver, steady } = bench();
  const cases: [SteadyTransactionOptions, string][] = [
    [
      { isolation: "snapshot" as never },
      'isolation must be "read uncommitted", "read committed", "repeatable read" or "serializable": received "snapshot"',
    ],
    [{ readOnly: 1 as never }, "readOnly must be true or false: received 1"],
    [{ deferrable: "yes" as never }, 'deferrable must be true or false: received "yes"'],
    [{ signal: 5 as never }, "signal must be an AbortSignal: received 5"],
  ];
  for (const [options, message] of cases) {
    await assertRejects(
      () => steady.transaction(() => {}, options),
      TypeError,
      `Cannot run a transaction as ${message}`,
    );
    await assertRejects(
      () => steady.begin(options),
      TypeError,
      `Cannot begin a transaction as ${message}`,
    );
  }
  await assertRejects(() => steady.transaction(5 as never), TypeError, "fn must be a function");
  assertEquals(driver.counts.connect, 0);
});
