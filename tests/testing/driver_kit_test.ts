import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import type {
  Command,
  ConnectionStatus,
  Evidence,
  LossScope,
  ResetLevel,
} from "../../src/core/driver.ts";
import {
  ConformanceError,
  type DriverSubject,
  type FakeConnection,
  FakeDriver,
  fakeSubject,
  testDriver,
} from "../../src/testing/mod.ts";
import { test } from "../support/harness.ts";

testDriver(
  fakeSubject(() => new FakeDriver(), { name: "a fake driver" }),
  (name, fn) => test(`testDriver() passes ${name}`, fn),
);

testDriver(
  fakeSubject(() => new FakeDriver({ knowsStatus: false }), {
    name: "one that cannot tell the status",
    cannot: { status: true },
  }),
  (name, fn) => test(`testDriver() passes ${name}`, fn),
);

class CannotCancel extends FakeDriver {
  override cancel(): Promise<void> {
    return Promise.reject(new Error("cannot cancel"));
  }

  override evidence(): Evidence {
    return "sent";
  }
}

const limited = fakeSubject(() => new CannotCancel(), {
  name: "one that can neither cancel nor tell the evidence",
  cannot: { cancel: true, evidence: true, savepoints: true },
});

testDriver(
  limited,
  (name, fn) => test(`testDriver() passes ${name}`, fn),
);

/** Runs the one check whose clause begins so. */
async function runCheck(clause: string, subject: DriverSubject<FakeConnection>): Promise<void> {
  const found: (() => Promise<void>)[] = [];
  testDriver(subject, (name, fn) => {
    if (name.startsWith(`${subject.name}: ${clause}`)) found.push(fn);
  });
  const [check] = found;
  assert(check !== undefined, `there is a check "${clause}"`);
  assertEquals(found.length, 1, `there is one check "${clause}"`);
  await check();
}

/** The kit must refuse the driver, by this check and with this message. */
function refuses(
  clause: string,
  message: string,
  flaw: string,
  make: () => FakeDriver,
  overrides: Partial<DriverSubject<FakeConnection>> = {},
  sound: DriverSubject<FakeConnection> = fakeSubject(() => new FakeDriver()),
): void {
  test(`testDriver() refuses a driver ${flaw}`, async () => {
    const subject = fakeSubject(make, { limitMs: 30, ...overrides });
    const error = await assertRejects(() => runCheck(clause, subject));
    assertInstanceOf(error, ConformanceError);
    assert(error.message.includes(message), error.message);
    // The same check passes when the flaw is gone: it is the flaw that was found.
    await runCheck(clause, sound);
  });
}

type CallOptions = { readonly signal?: AbortSignal } | undefined;

refuses(
  "connect with an aborted signal",
  "connect with an aborted signal rejects: it fulfilled",
  "whose connect ignores its signal",
  () =>
    new class extends FakeDriver {
      override connect(): Promise<FakeConnection> {
        return super.connect();
      }
    }(),
);

refuses(
  "connect aborted in the same turn",
  "the rejection is the signal's own reason",
  "whose connect rejects with an error of its own",
  () =>
    new class extends FakeDriver {
      override connect(options: CallOptions): Promise<FakeConnection> {
        return super.connect(options).catch(() => Promise.reject(new Error("aborted")));
      }
    }(),
);

refuses(
  "connect aborted in the same turn",
  "the server has no connection left",
  "that forgets an aborted connection on the server",
  () =>
    new class extends FakeDriver {
      override connect(options: CallOptions): Promise<FakeConnection> {
        const { promise, reject } = Promise.withResolvers<FakeConnection>();
        options?.signal?.addEventListener("abort", () => reject(options.signal?.reason));
        return Promise.race([promise, super.connect()]);
      }
    }(),
);

refuses(
  "connect's signal has no power",
  "a connection can be used after connect's signal aborted: FakeError",
  "whose connect still listens to its signal when the connection is open",
  () =>
    new class extends FakeDriver {
      override async connect(options: CallOptions): Promise<FakeConnection> {
        const connection = await super.connect(options);
        options?.signal?.addEventListener("abort", () => this.destroy(connection));
        return connection;
      }
    }(),
);

refuses(
  "connect to a server that cannot be had",
  'its class: expected "unavailable", got "unknown"',
  "that cannot tell why a connect failed",
  () =>
    new class extends FakeDriver {
      override classify(): "unknown" {
        return "unknown";
      }
    }(),
);

refuses(
  "lossOf, where there is one, has an answer",
  'lossOf answers with one of its scopes: got "all"',
  "that answers lossOf with a word of its own",
  () =>
    new class extends FakeDriver {
      override lossOf(): LossScope {
        return "all" as LossScope;
      }
    }(),
);

refuses(
  "lossOf, where there is one, does not call",
  "a loss that the server caused concerns the others",
  "that takes every loss for its own",
  () =>
    new class extends FakeDriver {
      override lossOf(): LossScope {
        return "own";
      }
    }(),
);

refuses(
  "close resolves",
  "close settles: nothing happened within 30 ms",
  "whose close never resolves",
  () =>
    new class extends FakeDriver {
      override close(): Promise<void> {
        return new Promise(() => {});
      }
    }(),
);

refuses(
  "close gives up",
  "close settles when its signal aborts",
  "whose close waits for ever",
  () =>
    new class extends FakeDriver {
      override close(connection: FakeConnection): Promise<void> {
        return super.close(connection);
      }
    }(),
);

refuses(
  "destroy takes effect at once",
  'status after destroy is not "idle"',
  "whose destroy takes its time",
  () =>
    new class extends FakeDriver {
      override destroy(connection: FakeConnection): void {
        queueMicrotask(() => super.destroy(connection));
      }
    }(),
);

refuses(
  "a connection that was closed is never reopened",
  "a statement after close rejects: it fulfilled",
  "that reopens connections by itself",
  () => new FakeDriver(),
  {
    run: (connection) => {
      const done = connection.gone ? Promise.resolve("1") : connection.run("select 1");
      return { handle: done, done };
    },
  },
);

refuses(
  "onLost tells every listener exactly once",
  "times that onLost told: expected 1, got 2",
  "that tells of one loss twice",
  () =>
    new class extends FakeDriver {
      override onLost(connection: FakeConnection, listener: (cause: unknown) => void): void {
        super.onLost(connection, listener);
        super.onLost(connection, listener);
      }
    }(),
);

refuses(
  "onLost tells at once",
  "times that onLost told before it returned: expected 1, got 0",
  "that does not tell of a loss in the past",
  () =>
    new class extends FakeDriver {
      override onLost(connection: FakeConnection, listener: (cause: unknown) => void): void {
        if (!connection.gone) super.onLost(connection, listener);
      }
    }(),
);

refuses(
  "onLost tells exactly once of a close",
  "onLost tells of a close: nothing happened",
  "that does not tell of its own closes",
  () =>
    new class extends FakeDriver {
      readonly #closed = new WeakSet<FakeConnection>();

      override close(connection: FakeConnection): Promise<void> {
        this.#closed.add(connection);
        return super.close(connection);
      }

      override onLost(connection: FakeConnection, listener: (cause: unknown) => void): void {
        super.onLost(connection, (cause) => {
          if (!this.#closed.has(connection)) listener(cause);
        });
      }
    }(),
);

refuses(
  "a lost connection is not ready",
  "ping after a loss rejects: it fulfilled",
  "whose ping always succeeds",
  () =>
    new class extends FakeDriver {
      override ping(): Promise<void> {
        return Promise.resolve();
      }
    }(),
);

refuses(
  "a statement on a lost connection",
  'its evidence: expected "unsent", got "sent"',
  "that does not know that nothing was sent",
  () =>
    new class extends FakeDriver {
      override evidence(): Evidence {
        return "sent";
      }
    }(),
);

refuses(
  "a loss ends the statement in hand",
  'evidence after a loss in the middle is "sent" or "fatal"',
  "that takes a lost statement for unsent",
  () =>
    new class extends FakeDriver {
      override evidence(statement: unknown): Evidence {
        const evidence = super.evidence(statement);
        return evidence === "sent" && this.open === 0 ? "unsent" : evidence;
      }
    }(),
);

refuses(
  "status follows a transaction",
  'status after begin is "in transaction": got "idle"',
  "whose status is always idle",
  () =>
    new class extends FakeDriver {
      override status(): ConnectionStatus {
        return "idle";
      }
    }(),
);

refuses(
  "status tells a failed transaction",
  'status after an error in a transaction is "failed"',
  "that takes a failed transaction for a good one",
  () =>
    new class extends FakeDriver {
      override status(connection: FakeConnection): ConnectionStatus {
        const status = super.status(connection);
        return status === "failed" ? "in transaction" : status;
      }
    }(),
);

refuses(
  'status is "busy"',
  'status is "busy" while a statement runs: not so within 30 ms',
  "that does not notice a statement under way",
  () =>
    new class extends FakeDriver {
      override status(connection: FakeConnection): ConnectionStatus {
        const status = super.status(connection);
        return status === "busy" ? "idle" : status;
      }
    }(),
);

refuses(
  'reset of level "rollback"',
  'status after a reset in a transaction is "idle"',
  "whose reset does nothing",
  () =>
    new class extends FakeDriver {
      override reset(): Promise<void> {
        return Promise.resolve();
      }
    }(),
);

refuses(
  'reset of level "discard" cleans',
  'reset of level "discard" cleans the session\'s state',
  "whose reset only rolls back",
  () =>
    new class extends FakeDriver {
      override reset(connection: FakeConnection, _: ResetLevel, options: CallOptions) {
        return super.reset(connection, "rollback", options);
      }
    }(),
);

refuses(
  "execute sets savepoints",
  "there is no savepoint",
  "that does not quote the names of savepoints",
  () =>
    new class extends FakeDriver {
      override async execute(connection: FakeConnection, command: Command): Promise<void> {
        try {
          // The name as a statement's text would have it, without quotes.
          const name = "name" in command ? command.name.split(" ")[0] ?? "" : "";
          if (command.verb === "rollback to savepoint" && name !== command.name) {
            return await super.execute(connection, { verb: command.verb, name });
          }
          return await super.execute(connection, command);
        } catch (error) {
          throw new ConformanceError(String(error));
        }
      }
    }(),
);

refuses(
  "execute's commit keeps",
  "rows after one transaction rolled back and one committed: expected 1, got 0",
  "whose commit rolls back",
  () =>
    new class extends FakeDriver {
      override execute(connection: FakeConnection, command: Command): Promise<void> {
        const rollback: Command = { verb: "rollback" };
        return super.execute(connection, command.verb === "commit" ? rollback : command);
      }
    }(),
);

refuses(
  "execute's read-only transaction",
  "a write in a read-only transaction rejects: it fulfilled",
  "that ignores what a transaction is to be",
  () =>
    new class extends FakeDriver {
      override execute(connection: FakeConnection, command: Command): Promise<void> {
        const begin: Command = { verb: "begin" };
        return super.execute(connection, command.verb === "begin" ? begin : command);
      }
    }(),
);

refuses(
  "cancel ends the statement",
  "a cancelled statement settles: nothing happened",
  "whose cancel does nothing",
  () =>
    new class extends FakeDriver {
      override cancel(): Promise<void> {
        return Promise.resolve();
      }
    }(),
);

refuses(
  "cancel ends the statement",
  'its class: expected "statement", got "lost"',
  "whose cancel costs the connection",
  () =>
    new class extends FakeDriver {
      override cancel(connection: FakeConnection): Promise<void> {
        this.destroy(connection);
        return Promise.resolve();
      }
    }(),
);

refuses(
  "cancel leaves other connections alone",
  'status after another one was cancelled is "busy"',
  "whose cancel hits the neighbours",
  () =>
    new class extends FakeDriver {
      override async cancel(): Promise<void> {
        await Promise.all(this.connections.map((connection) => super.cancel(connection)));
      }
    }(),
);

refuses(
  "cancel rejects if the driver cannot cancel",
  "cancel rejects: it fulfilled",
  "that says it cannot cancel and pretends it did",
  () => new FakeDriver(),
  { cannot: { cancel: true } },
  limited,
);

refuses(
  "reset that gets no answer",
  "reset settles when its signal aborts: nothing happened",
  "whose reset ignores its signal",
  () =>
    new class extends FakeDriver {
      override reset(connection: FakeConnection, level: ResetLevel): Promise<void> {
        return super.reset(connection, level);
      }
    }(),
);

refuses(
  "evidence of what the driver does not know",
  'its evidence: expected "sent", got "unsent"',
  "that takes what it does not know for unsent",
  () =>
    new class extends FakeDriver {
      override evidence(): Evidence {
        return "unsent";
      }
    }(),
);

refuses(
  "ping resolves",
  "no promise is left unhandled: Error: nobody listens",
  "that leaves a promise unhandled",
  () =>
    new class extends FakeDriver {
      override ping(connection: FakeConnection): Promise<void> {
        Promise.reject(new Error("nobody listens"));
        return super.ping(connection);
      }
    }(),
);

test("testDriver() leaves out what the subject cannot show", () => {
  const names = (subject: DriverSubject<FakeConnection>): string[] => {
    const registered: string[] = [];
    testDriver(subject, (name) => registered.push(name));
    return registered;
  };
  const all = names(fakeSubject(() => new FakeDriver()));
  const fewer = names({
    ...fakeSubject(() => new FakeDriver()),
    silent: undefined,
    unreachable: undefined,
    rejected: undefined,
    write: undefined,
    dirtySession: undefined,
    sessionStatement: undefined,
    cannot: { savepoints: true },
  });
  assertEquals(new Set(all).size, all.length);
  const left = all.filter((name) => !fewer.includes(name));
  assertEquals(left.length, 10);
});

test("testDriver() cleans up after a check, whether it passed or not", async () => {
  const drivers: FakeDriver[] = [];
  const disposed: unknown[] = [];
  const make = (): FakeDriver => {
    const driver = new FakeDriver();
    drivers.push(driver);
    return driver;
  };
  const subject = fakeSubject(make, {
    dispose: (driver) => void disposed.push(driver),
    limitMs: 30,
  });
  await runCheck("onLost tells at once", subject);
  await assertRejects(() =>
    runCheck("onLost tells at once", { ...subject, breakConnection: () => {} })
  );
  assertEquals(drivers.map((driver) => driver.open), [0, 0]);
  assertEquals(disposed, drivers);
});
