/** Servers that hang where a transaction begins or ends. */

import { assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import {
  CommitUnknownError,
  ConnectionLostError,
  StatementTimeoutError,
} from "../../../src/core/errors.ts";
import { VirtualClock } from "../../../src/testing/mod.ts";
import { bounded as test } from "../../faults/bounded.ts";
import type { FaultProxy } from "../../faults/fault_proxy.ts";
import { isCommit, statementOf, type WireMessage } from "../../faults/wire_message.ts";
import { assertAtRest, type Rig, rig } from "./rig.ts";

const isBegin = (message: WireMessage): boolean =>
  message.from === "client" && statementOf(message)?.startsWith("begin") === true;

/** A rig whose deadlines pass when the test says so. */
async function timedRig(): Promise<Rig & { readonly clock: VirtualClock }> {
  const clock = new VirtualClock();
  return { ...await rig({ max: 2, clock }), clock };
}

/** Nothing comes back any more on the connection of the next messages that a filter lets through. */
function swallow(
  proxy: FaultProxy,
  filter: (message: WireMessage) => boolean,
  times = Infinity,
): void {
  let left = times;
  proxy.judge = (message) => filter(message) && left-- > 0 ? "blackhole" : "pass";
}

const insert = (db: Rig["db"], x: number): Promise<unknown> =>
  Promise.resolve(db.sql`insert into t values (${x})`);

test("DESIGN 5.5: a BEGIN that nobody answers is given up, and the transaction begun on another connection", async () => {
  await using parts = await timedRig();
  const { proxy, db, schema, clock } = parts;
  swallow(proxy, isBegin, 1);
  const working = db.transaction((sql) => sql`insert into t values (1)`);
  await proxy.statement("begin");
  await clock.advance(5_000);
  await working;
  assertEquals(await schema.column("t", "x"), [1]);
  assertAtRest(db);
});

test("DESIGN 5.5: so it is in a transactional scope", async () => {
  await using parts = await timedRig();
  const { proxy, db, schema, clock } = parts;
  swallow(proxy, isBegin, 1);
  const working = db.scope(() => insert(db, 1), { transactional: true });
  await proxy.statement("begin");
  await clock.advance(5_000);
  await working;
  assertEquals(await schema.column("t", "x"), [1]);
  assertAtRest(db);
});

test("DESIGN 5.5: where no BEGIN is ever answered the transaction fails, with nothing applied", async () => {
  await using parts = await timedRig();
  const { proxy, db, clock } = parts;
  swallow(proxy, isBegin);
  const failing = assertRejects(() => db.transaction(() => {}), ConnectionLostError);
  for (let attempt = 0; attempt < 3; attempt++) {
    await proxy.next(isBegin);
    await clock.advance(5_000);
  }
  assertEquals((await failing).outcome, "not-applied");
  assertAtRest(db);
});

test("DESIGN 5.5: the deadline of a view's statements is that of BEGIN, too", async () => {
  await using parts = await timedRig();
  const { proxy, db, clock } = parts;
  for (const scoped of [false, true]) {
    swallow(proxy, isBegin);
    const view = db.with({ timeoutMs: 500 });
    const failing = assertRejects(
      () =>
        scoped
          ? view.scope(() => insert(db, 1), { transactional: true })
          : view.transaction(() => {}),
      StatementTimeoutError,
    );
    await proxy.next(isBegin);
    await clock.advance(500);
    const { outcome, retryable, timeoutMs } = await failing;
    assertEquals([outcome, retryable, timeoutMs], ["rolled-back", true, 500]);
    assertAtRest(db);
  }
});

test("DESIGN 5.5: a statement that waits for its scope's BEGIN is over at its own deadline, and the scope with it", async () => {
  await using parts = await timedRig();
  const { proxy, db, clock } = parts;
  swallow(proxy, isBegin);
  const failing = db.scope(
    () => db.with({ timeoutMs: 500 }).sql`insert into t values (1)`,
    { transactional: true },
  );
  const error = assertRejects(() => failing, StatementTimeoutError);
  await proxy.next(isBegin);
  await clock.advance(500);
  assertEquals((await error).outcome, "not-applied");
  assertAtRest(db);
});

test("DESIGN 5.5: so it is when its signal aborts, and when it is cancelled", async () => {
  await using parts = await timedRig();
  const { proxy, db } = parts;
  swallow(proxy, isBegin);
  const abort = new AbortController();
  const reason = new Error("the signal's own reason");
  const aborted = db.scope(
    () => db.with({ signal: abort.signal }).sql`insert into t values (1)`,
    { transactional: true },
  );
  const ended = assertRejects(() => aborted);
  await proxy.next(isBegin);
  abort.abort(reason);
  assertStrictEquals(await ended, reason);
  const { promise: sent, resolve } = Promise.withResolvers<{ cancel(): void }>();
  const cancelled = db.scope(async () => {
    const query = db.sql`insert into t values (1)`.execute();
    resolve({ cancel: () => query.cancel() });
    await query;
  }, { transactional: true });
  const over = assertRejects(() => cancelled, Error, "57014");
  await proxy.next(isBegin);
  (await sent).cancel();
  await over;
  assertAtRest(db);
});

test("DESIGN 5.5: the signal of a view ends the transaction of its scope, at BEGIN and later", async () => {
  await using parts = await timedRig();
  const { proxy, db, schema } = parts;
  const reason = new Error("the signal's own reason");
  swallow(proxy, isBegin);
  const first = new AbortController();
  const beginning = assertRejects(() =>
    db.with({ signal: first.signal }).scope(() => insert(db, 1), { transactional: true })
  );
  await proxy.next(isBegin);
  first.abort(reason);
  assertStrictEquals(await beginning, reason);
  proxy.judge = () => "pass";
  const second = new AbortController();
  const later = assertRejects(() =>
    db.with({ signal: second.signal }).scope(async () => {
      await insert(db, 2);
      second.abort(reason);
    }, { transactional: true })
  );
  assertStrictEquals(await later, reason);
  assertEquals(await schema.column("t", "x"), []);
  assertAtRest(db);
});

test("DESIGN 5.5: a COMMIT that nobody answers is over at the deadline of its view's statements, and asked for", async () => {
  await using parts = await timedRig();
  const { proxy, db, schema, clock } = parts;
  for (const [x, scoped] of [[1, false], [2, true]] as const) {
    swallow(proxy, isCommit, 1);
    const view = db.with({ timeoutMs: 500 });
    const failing = assertRejects(
      () =>
        scoped
          ? view.scope(() => insert(db, x), { transactional: true })
          : view.transaction((sql) => sql`insert into t values (${x})`),
      ConnectionLostError,
      "no answer to COMMIT within 500 ms",
    );
    await proxy.next(isCommit);
    await clock.advance(500);
    // The server never heard of it: it says so on another connection.
    assertEquals((await failing).outcome, "rolled-back");
    assertAtRest(db);
  }
  assertEquals(await schema.column("t", "x"), []);
});

test("DESIGN 5.5: with manual resolution that is told at once", async () => {
  await using parts = await timedRig();
  const { proxy, db, clock } = parts;
  swallow(proxy, isCommit, 1);
  const failing = assertRejects(() =>
    db.with({ timeoutMs: 500 }).transaction((sql) => sql`insert into t values (1)`, {
      commitResolution: "manual",
    })
  );
  await proxy.next(isCommit);
  await clock.advance(500);
  const error = await failing;
  assertInstanceOf(error, CommitUnknownError);
  assertEquals(await error.resolve(), "rolled-back");
});

test("a BEGIN that waits in a lease for what was sent before has no deadline but its caller's", async () => {
  await using parts = await timedRig();
  const { proxy, db, schema, clock } = parts;
  using lease = await db.acquire();
  const before = lease.sql`select pg_sleep(0.05)`.execute();
  const working = lease.transaction((sql) => sql`insert into t values (1)`);
  await proxy.statement("pg_sleep");
  await clock.advance(60_000);
  await Promise.all([before, working]);
  assertEquals(await schema.column("t", "x"), [1]);
});
