import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { ConnectError, LeaseReleasedError } from "../../src/core/errors.ts";
import {
  SteadyConnection,
  type SteadyConnectionOptions,
} from "../../src/core/steady_connection.ts";
import { type FakeConnection, FakeDriver, FakeError, VirtualClock } from "../../src/testing/mod.ts";
import { countedSignal, must, watch } from "./setup.ts";
import { test } from "../support/harness.ts";

interface Bench {
  readonly clock: VirtualClock;
  readonly driver: FakeDriver;
  readonly steady: SteadyConnection<FakeConnection>;
  readonly losses: unknown[];
}

function bench(options: SteadyConnectionOptions = {}): Bench {
  const clock = new VirtualClock();
  const driver = new FakeDriver({ clock });
  const losses: unknown[] = [];
  const onLost = (cause: unknown): void => void losses.push(cause);
  return {
    clock,
    driver,
    losses,
    steady: new SteadyConnection(driver, { clock, onLost, ...options }),
  };
}

/** The message of an error that must be of this class. */
function messageOf(
  error: unknown,
  errorClass: typeof ConnectError | typeof LeaseReleasedError,
): string {
  assert(error instanceof errorClass);
  return error.message;
}

test("new SteadyConnection() refuses bad options, naming rule and value", () => {
  const create = (options: unknown) => () =>
    new SteadyConnection(new FakeDriver(), options as SteadyConnectionOptions);
  const cases: [unknown, typeof TypeError | typeof RangeError, string][] = [
    [null, TypeError, "options must be an object: received null"],
    [{ timeout: 5 }, TypeError, 'there is no option "timeout"'],
    [
      { connectTimeoutMs: 0 },
      RangeError,
      "connectTimeoutMs must be a number of milliseconds > 0: received 0",
    ],
    [
      { closeTimeoutMs: Infinity },
      RangeError,
      "closeTimeoutMs must be a number of milliseconds > 0: received Infinity",
    ],
    [
      { closeTimeoutMs: "5" },
      TypeError,
      'closeTimeoutMs must be a number of milliseconds > 0: received "5"',
    ],
  ];
  for (const [options, errorClass, message] of cases) {
    const error = assertThrows(create(options), errorClass);
    assertEquals(error.message, `Cannot create connection as ${message}`);
  }
});

test("new SteadyConnection() opens nothing", () => {
  const { clock, driver, steady } = bench();
  assertEquals([driver.counts.connect, steady.epoch, steady.connection], [0, 0, undefined]);
  assertEquals(clock.pending, 0);
});

test("SteadyConnection.open() opens once and gives the same connection", async () => {
  const { clock, driver, steady } = bench();
  const first = await steady.open();
  assertStrictEquals(await steady.open(), first);
  assertStrictEquals(steady.connection, first);
  assertEquals([steady.epoch, driver.counts.connect, clock.pending], [1, 1, 0]);
});

test("SteadyConnection.open() shares one attempt between callers at the same time (P-03)", async () => {
  const { driver, steady } = bench();
  const [first, second] = await Promise.all([steady.open(), steady.open()]);
  assertStrictEquals(first, second);
  assertEquals(driver.counts.connect, 1);
});

test("SteadyConnection.open() begins a new epoch after a loss", async () => {
  const { driver, steady, losses } = bench();
  const first = await steady.open();
  const cause = new Error("cable cut");
  driver.break(first, cause);
  assertEquals([losses, steady.connection, steady.epoch], [[cause], undefined, 1]);
  const second = await steady.open();
  assertEquals([second.id, steady.epoch], [2, 2]);
  driver.break(first);
  assertStrictEquals(steady.connection, second);
});

test("SteadyConnection.open() numbers epochs by nextEpoch", async () => {
  let last = 40;
  const { driver, steady } = bench({ nextEpoch: () => ++last });
  driver.break(await steady.open());
  await steady.open();
  assertEquals(steady.epoch, 42);
});

test("SteadyConnection.open() rejects with the driver's error, and may be called again", async () => {
  const { clock, driver, steady, losses } = bench();
  driver.refuse("connect", 1);
  const opening = watch(steady.open());
  await clock.settle();
  assertInstanceOf(opening.error, FakeError);
  assertEquals([steady.epoch, clock.pending, losses], [0, 0, []]);
  await steady.open();
  assertEquals(steady.epoch, 1);
});

test("SteadyConnection.open() gives up at the deadline and leaves nothing behind", async () => {
  const { clock, driver, steady } = bench({ connectTimeoutMs: 300 });
  driver.hold("connect", 1);
  const opening = watch(steady.open());
  await clock.advance(299);
  assertEquals([opening.state, clock.referenced], ["pending", 1]);
  await clock.advance(1);
  assertEquals(
    messageOf(opening.error, ConnectError),
    "Cannot connect as the server did not answer within 300 ms",
  );
  assert(opening.error instanceof ConnectError);
  assertEquals([opening.error.code, opening.error.retryable], ["CONNECT_TIMEOUT", true]);
  assertEquals([driver.open, clock.pending], [0, 0]);
  await steady.open();
});

test("SteadyConnection.open() destroys what comes after the deadline", async () => {
  const clock = new VirtualClock();
  const driver = new class extends FakeDriver {
    override connect(): Promise<FakeConnection> {
      return super.connect();
    }
  }({ clock });
  const steady = new SteadyConnection(driver, { clock, connectTimeoutMs: 300 });
  driver.delay("connect", 1_000, 1);
  const opening = watch(steady.open());
  await clock.advance(1_000);
  assertEquals([opening.state, driver.counts.open, driver.open], ["rejected", 1, 0]);
  assertEquals([steady.connection, steady.epoch], [undefined, 0]);
});

test("SteadyConnection.open() ends with the caller's signal; the attempt goes on for others", async () => {
  const { clock, driver, steady } = bench();
  const counted = countedSignal();
  driver.hold("connect", 1);
  const leaving = watch(steady.open({ signal: counted.abort.signal }));
  const staying = watch(steady.open());
  counted.abort.abort("enough");
  await clock.settle();
  assertEquals([leaving.error, staying.state, counted.listeners], ["enough", "pending", 0]);
  must(driver.held()[0]).answer();
  await clock.settle();
  assertEquals([staying.state, driver.counts.connect], ["fulfilled", 1]);
});

test("SteadyConnection.open() under an aborted signal rejects and opens nothing", async () => {
  const { clock, driver, steady } = bench();
  const signal = AbortSignal.abort("before");
  const first = watch(steady.open({ signal }));
  await clock.settle();
  assertEquals([first.error, driver.counts.connect], ["before", 0]);
  await steady.open();
  const second = watch(steady.open({ signal }));
  await clock.settle();
  assertEquals(second.error, "before");
});

test("SteadyConnection.close() closes in an orderly way, for good, and tells nobody of a loss", async () => {
  const { clock, driver, steady, losses } = bench();
  const connection = await steady.open();
  await Promise.all([steady.close(), steady.close()]);
  await steady.close();
  assertEquals([connection.counts.close, connection.gone, driver.open], [1, true, 0]);
  assertEquals([losses, steady.connection, clock.pending], [[], undefined, 0]);
  const again = watch(steady.open());
  await clock.settle();
  assertEquals(
    messageOf(again.error, LeaseReleasedError),
    "Cannot open the connection as it was closed",
  );
  assertEquals(driver.counts.connect, 1);
});

test("SteadyConnection.close() without a connection resolves", async () => {
  const { clock, driver, steady } = bench();
  await steady.close();
  assertEquals([driver.counts.close, clock.pending], [0, 0]);
});

test("SteadyConnection.close() destroys at its deadline", async () => {
  const { clock, driver, steady } = bench({ closeTimeoutMs: 700 });
  const connection = await steady.open();
  driver.hold("close");
  const closing = watch(steady.close());
  await clock.advance(699);
  assertEquals([closing.state, driver.open], ["pending", 1]);
  await clock.advance(1);
  assertEquals([closing.state, driver.open, clock.pending], ["fulfilled", 0, 0]);
  assert(connection.gone);
});

test("SteadyConnection.close() destroys when the driver's close fails", async () => {
  const { clock, driver, steady } = bench();
  const connection = await steady.open();
  driver.refuse("close");
  await steady.close();
  assertEquals([connection.gone, driver.open, clock.pending], [true, 0, 0]);
});

test("SteadyConnection.close() ends an opening: its callers are rejected, nothing is left", async () => {
  const { clock, driver, steady } = bench();
  driver.hold("connect");
  const opening = watch(steady.open());
  await steady.close();
  await clock.settle();
  assertEquals(
    messageOf(opening.error, LeaseReleasedError),
    "Cannot open the connection as it was closed",
  );
  assertEquals([driver.open, steady.connection, clock.pending], [0, undefined, 0]);
});

/** Whatever turn a connection arrives in, between the driver's answer and the caller's. */
const TURNS = Array.from({ length: 12 }, (_, turns) => turns);

for (const turns of TURNS) {
  test(`SteadyConnection.close() ${turns} turns after a connection arrived resolves when it is gone`, async () => {
    const { clock, driver, steady, losses } = bench();
    driver.hold("connect");
    const opening = watch(steady.open());
    must(driver.held()[0]).answer();
    await clock.settle(turns);
    await steady.close();
    assertEquals([driver.open, steady.connection, clock.pending], [0, undefined, 0]);
    await clock.settle();
    assert(opening.state !== "pending");
    assertEquals([driver.open, steady.connection, losses], [0, undefined, []]);
  });

  test(`SteadyConnection.destroy() ${turns} turns after a connection arrived leaves nothing`, async () => {
    const { clock, driver, steady, losses } = bench();
    driver.hold("connect");
    const opening = watch(steady.open());
    must(driver.held()[0]).answer();
    await clock.settle(turns);
    steady.destroy();
    await clock.settle();
    assert(opening.state !== "pending");
    assertEquals([driver.open, steady.connection, losses], [0, undefined, []]);
    assertEquals(clock.pending, 0);
  });
}

test("SteadyConnection.close() during which the connection is lost resolves", async () => {
  const { clock, driver, steady, losses } = bench();
  const connection = await steady.open();
  driver.hold("close");
  const closing = watch(steady.close());
  driver.break(connection);
  await clock.settle();
  assertEquals([closing.state, losses, clock.pending], ["fulfilled", [], 0]);
});

test("SteadyConnection.destroy() ends connection, opening and close at once", async () => {
  const open = bench();
  const connection = await open.steady.open();
  open.steady.destroy();
  open.steady.destroy();
  assertEquals([connection.gone, connection.counts.destroy, open.losses], [true, 1, []]);
  assertStrictEquals(open.steady.connection, undefined);

  const opening = bench();
  opening.driver.hold("connect");
  const waiting = watch(opening.steady.open());
  opening.steady.destroy();
  await opening.clock.settle();
  assertEquals(
    messageOf(waiting.error, LeaseReleasedError),
    "Cannot open the connection as it was destroyed",
  );
  assertEquals([opening.driver.open, opening.clock.pending], [0, 0]);

  const closing = bench();
  await closing.steady.open();
  closing.driver.hold("close");
  const closed = watch(closing.steady.close());
  closing.steady.destroy();
  await closing.clock.settle();
  assertEquals([closed.state, closing.driver.open, closing.clock.pending], ["fulfilled", 0, 0]);
});

test("SteadyConnection is closed for good after destroy()", async () => {
  const { clock, driver, steady } = bench();
  steady.destroy();
  await steady.close();
  const opening = watch(steady.open());
  await clock.settle();
  assertInstanceOf(opening.error, LeaseReleasedError);
  assertEquals(driver.counts.connect, 0);
});

test("SteadyConnection tells of a connection that broke on its way", async () => {
  const { clock, driver, steady, losses } = bench();
  driver.hold("connect");
  const opening = watch(steady.open());
  must(driver.held()[0]).answer();
  driver.break(must(driver.connections[0]), "broken on arrival");
  await clock.settle();
  assertEquals([losses, steady.connection], [["broken on arrival"], undefined]);
  assertEquals([opening.state, driver.open], ["fulfilled", 0]);
});

test("SteadyConnection is closed at the end of `await using`", async () => {
  const { driver, steady } = bench();
  {
    await using used = steady;
    await used.open();
    assertEquals(driver.open, 1);
  }
  assertEquals([driver.open, driver.counts.close], [0, 1]);
});
