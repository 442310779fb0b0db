import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  ConformanceError,
  type Runtime,
  type RuntimeSubject,
  type Socket,
  testRuntime,
} from "../../src/testing/mod.ts";
import { subjectOf } from "../runtime/subject.ts";
import { runtime } from "../runtime/this_adapter.ts";
import { test } from "../support/harness.ts";
import { SocketShell, withReceivers, withSockets } from "./socket_shell.ts";

/** Runs the one check whose clause begins so. */
async function runCheck(clause: string, subject: RuntimeSubject): Promise<void> {
  const found: (() => Promise<void>)[] = [];
  testRuntime(subject, (name, fn) => {
    if (name.startsWith(`${subject.name}: ${clause}`)) found.push(fn);
  });
  const [check] = found;
  assert(check !== undefined, `there is a check "${clause}"`);
  assertEquals(found.length, 1, `there is one check "${clause}"`);
  await check();
}

/** The kit must refuse the runtime, by this check and with this message. */
function refuses(
  clause: string,
  message: string,
  flaw: string,
  flawed: Runtime,
  overrides: Partial<RuntimeSubject> = {},
): void {
  test(`testRuntime() refuses a runtime ${flaw}`, async () => {
    const subject = subjectOf("flawed", flawed, overrides);
    const error = await assertRejects(() => runCheck(clause, subject));
    assertInstanceOf(error, ConformanceError);
    assert(error.message.includes(message), error.message);
  });
}

/** For flaws by which something never happens, which takes the whole limit to find out. */
const NEVER = { limitMs: 1000 };

refuses(
  "`opened` rejects when nobody listens",
  "`opened` rejects: it fulfilled",
  "whose sockets open when nobody listens",
  withSockets(
    class extends SocketShell {
      override get opened(): Promise<void> {
        return this.inner.opened.catch(() => {});
      }
    },
  ),
);

refuses(
  "`opened` rejects when nobody listens",
  "`opened` settles: nothing happened within 1000 ms",
  "whose sockets say nothing when nobody listens",
  withSockets(
    class extends SocketShell {
      override get opened(): Promise<void> {
        return new Promise((resolve) => this.inner.opened.then(resolve, () => {}));
      }
    },
  ),
  NEVER,
);

refuses(
  "a rejected `opened` may go unseen",
  "no promise is left unhandled",
  "that leaves a promise unhandled",
  withSockets(
    class extends SocketShell {
      readonly #opened = this.inner.opened.then(() => {});
      override get opened(): Promise<void> {
        return this.#opened;
      }
    },
  ),
);

refuses(
  "a socket sends what was written before it opened",
  "the peer gets 10 bytes: nothing happened within 1000 ms",
  "whose sockets lose what is written before they are open",
  withSockets(
    class extends SocketShell {
      #open = false;

      constructor(inner: Socket) {
        super(inner);
        inner.opened.then(() => this.#open = true, () => {});
      }

      override write(bytes: Uint8Array): boolean {
        return this.#open ? super.write(bytes) : true;
      }
    },
  ),
  NEVER,
);

refuses(
  "a socket does not connect when its signal has fired before",
  "`opened` rejects: it fulfilled",
  "that ignores the signal",
  {
    ...runtime,
    connect: (address, options) => runtime.connect(address, { ...options, signal: undefined }),
  },
);

refuses(
  "a socket stops connecting at once",
  "the rejection is the signal's reason",
  "that rejects with an error of its own when the signal fires",
  withSockets(
    class extends SocketShell {
      readonly #opened = this.inner.opened.catch(() => Promise.reject(new Error("aborted")));

      constructor(inner: Socket) {
        super(inner);
        this.#opened.catch(() => {});
      }

      override get opened(): Promise<void> {
        return this.#opened;
      }
    },
  ),
);

refuses(
  "a socket stops connecting at once",
  "the connection is taken down: nothing happened within 1000 ms",
  "that leaves a connection behind when the signal fires",
  {
    ...runtime,
    connect(address, options) {
      // A second connection, which only its peer will close.
      runtime.connect(address).receive({ data() {}, drain() {}, close() {} });
      return runtime.connect(address, options);
    },
  },
  NEVER,
);

refuses(
  "an open socket is not touched by its signal",
  "listeners of the signal once the socket is open: expected 0, got 1",
  "that goes on listening to the signal",
  {
    ...runtime,
    connect(address, options) {
      options?.signal?.addEventListener("abort", () => {});
      return runtime.connect(address, options);
    },
  },
);

refuses(
  "a socket sends everything in order, whatever the sizes",
  "the peer gets 5242880 bytes: nothing happened within 1000 ms",
  "whose sockets drop the tail of a large write",
  withSockets(
    class extends SocketShell {
      override write(bytes: Uint8Array): boolean {
        return super.write(bytes.subarray(0, 256 * 1024));
      }
    },
  ),
  NEVER,
);

refuses(
  "a socket sends everything in order, whatever the sizes",
  "what the peer got: byte 1 is not what was sent there",
  "whose sockets swap two writes",
  withSockets(
    class extends SocketShell {
      #kept: Uint8Array | undefined;

      override write(bytes: Uint8Array): boolean {
        if (this.#kept !== undefined || bytes.byteLength !== 2) {
          const room = super.write(bytes);
          if (this.#kept !== undefined) super.write(this.#kept);
          this.#kept = undefined;
          return room;
        }
        this.#kept = bytes;
        return true;
      }
    },
  ),
);

refuses(
  "write() asks to wait when much is queued",
  "write() asks to wait when the peer does not read: it never did",
  "whose sockets take whatever is written",
  withSockets(
    class extends SocketShell {
      override write(bytes: Uint8Array): boolean {
        // What is beyond any queue is not sent at all, so that the test costs no memory.
        if (bytes.byteLength < 1000) super.write(bytes);
        return true;
      }
    },
  ),
);

refuses(
  "a socket sends everything in order to a reader that makes it wait",
  "drain follows: nothing happened within 1000 ms",
  "whose sockets never call drain",
  withReceivers(() => ({ drain() {} })),
  NEVER,
);

refuses(
  "a socket hands out all that arrives",
  "what was handed out, looked at later: byte",
  "whose sockets use their memory again",
  withReceivers((handlers) => ({
    data(bytes) {
      handlers.data(bytes);
      const [first = 0] = bytes;
      bytes[0] = first + 1;
    },
  })),
);

refuses(
  "a socket that is paused slows the peer down",
  "a paused socket reads little: it handed out",
  "whose sockets cannot be paused",
  withSockets(
    class extends SocketShell {
      override pause(): void {}
    },
  ),
);

refuses(
  "a socket that is paused and resumed at every turn",
  "bytes handed out: expected 4194304, got",
  "whose sockets hand out bytes twice",
  withReceivers((handlers) => ({
    data(bytes) {
      handlers.data(bytes.subarray(0, 1));
      handlers.data(bytes);
    },
  })),
);

refuses(
  "a socket ends when the peer ends its half, after all bytes before that",
  'what the receiver is told when the peer ends its half: expected "data, close", ' +
    'got "data, close, close"',
  "whose sockets call close twice",
  withReceivers((handlers) => ({
    close(error) {
      handlers.close(error);
      handlers.close(error);
    },
  })),
);

refuses(
  "a socket ends when the peer ends its half, after all bytes before that",
  "bytes handed out: expected 3145728",
  "whose sockets drop what came last",
  withReceivers((handlers) => {
    let size = 0;
    return {
      data(bytes) {
        size += bytes.byteLength;
        if (size < 3_000_000) handlers.data(bytes);
      },
    };
  }),
);

refuses(
  "a socket ends with an error when the peer resets the connection",
  "`close` after a reset has an error",
  "whose sockets take a reset for an end like any other",
  withReceivers((handlers) => ({
    close() {
      handlers.close(undefined);
    },
  })),
);

refuses(
  "close() sends what is queued before",
  "bytes that the peer got: expected 8388608",
  "whose close() loses what is queued",
  withSockets(
    class extends SocketShell {
      override write(bytes: Uint8Array): boolean {
        return super.write(bytes.subarray(0, 1024));
      }
    },
  ),
);

refuses(
  "a socket opens, carries bytes both ways, and closes",
  "what close() returns, beside `closed`",
  "whose close() resolves by itself",
  withSockets(
    class extends SocketShell {
      override close(): Promise<void> {
        super.close();
        return Promise.resolve();
      }
    },
  ),
);

refuses(
  "a socket hands out nothing after close()",
  'what the receiver is told after close(): expected "close", got "data, close"',
  "whose sockets hand out bytes after close()",
  withReceivers((handlers) => ({
    close(error) {
      handlers.data(new Uint8Array(1));
      handlers.close(error);
    },
  })),
);

refuses(
  "a destroyed socket ends at once",
  'what the receiver is told before destroy() returns: expected "data", got "data, close"',
  "whose destroy() calls its caller back",
  withSockets(
    class extends SocketShell {
      #close: (() => void) | undefined;

      override receive(handlers: Parameters<Socket["receive"]>[0]): void {
        this.#close = () => handlers.close(undefined);
        super.receive(handlers);
      }

      override destroy(): void {
        super.destroy();
        this.#close?.();
      }
    },
  ),
);

refuses(
  'TLS from the first byte with verify "full" refuses a certificate for a wrong host',
  "`opened` rejects: it fulfilled",
  "that does not verify host names",
  {
    ...runtime,
    connect: (address, { tls, ...options } = {}) =>
      runtime.connect(address, { ...options, tls: tls && { ...tls, verify: "ca" } }),
  },
);

refuses(
  'TLS after startTls() with verify "full" refuses a certificate by an unknown authority',
  "`opened` rejects: it fulfilled",
  "that trusts whoever comes",
  {
    ...runtime,
    connect: (address, { tls, ...options } = {}) =>
      runtime.connect(address, { ...options, tls: tls && { ...tls, verify: "none" } }),
  },
);

refuses(
  'TLS from the first byte with verify "full" accepts a certificate for the right host',
  "`secure` of a secured socket: expected true, got false",
  "whose sockets do not know that they are secured",
  withSockets(
    class extends SocketShell {
      override get secure(): boolean {
        return false;
      }
    },
  ),
);

refuses(
  "connect refuses TLS with a client certificate with a TypeError",
  "connect with TLS with a client certificate throws TypeError: it did not throw",
  "that leaves out in silence what it cannot do",
  {
    ...runtime,
    connect: (address, { tls, ...options } = {}) =>
      runtime.connect(address, {
        ...options,
        tls: tls && { ...tls, cert: undefined, key: undefined },
      }),
  },
  { cannot: { clientCertificates: true } },
);

refuses(
  "root() runs where no variable has a value",
  'a variable in root(): expected undefined, got "x"',
  "whose root() is wherever its caller is",
  { ...runtime, root: (fn) => fn() },
);

refuses(
  "capture() gives the way back",
  'a variable in a captured context: expected "x", got undefined',
  "whose capture() captures nothing",
  { ...runtime, capture: () => (fn) => fn() },
);

refuses(
  "a socket that is ended by its peer",
  "data in receive",
  "whose sockets call their receiver in its own context",
  withReceivers((handlers) => {
    const inContext = runtime.capture();
    return { data: (bytes) => inContext(() => handlers.data(bytes)) };
  }),
);

refuses(
  "a TLS socket that is ended by abort",
  "close in abort",
  "whose sockets call their receiver in the context of who aborts",
  {
    ...runtime,
    connect(address, options) {
      let inContext = runtime.capture();
      options?.signal?.addEventListener("abort", () => inContext = runtime.capture());
      const Shell = class extends SocketShell {
        override receive(handlers: Parameters<Socket["receive"]>[0]): void {
          super.receive({
            data() {},
            drain() {},
            close: (error) => inContext(() => handlers.close(error)),
          });
        }
      };
      return new Shell(runtime.connect(address, options));
    },
  },
);

/** Names of the checks of a subject. */
function namesOf(overrides: Partial<RuntimeSubject>): string[] {
  const names: string[] = [];
  testRuntime(subjectOf("subject", runtime, overrides), (name) => names.push(name));
  return names;
}

test("testRuntime() gives each check a name of its own", () => {
  const names = namesOf({});
  assertEquals(new Set(names).size, names.length);
});

test("testRuntime() leaves out what the peers cannot show, and TLS without certificates", () => {
  const all = namesOf({});
  const { peers } = subjectOf("subject", runtime);
  const listen = peers.listen.bind(peers);
  const fewer = namesOf({ peers: { kinds: ["ipv4"], listen }, certificates: undefined });
  const left = all.filter((name) => !fewer.includes(name));
  const others = left.filter((name) =>
    !/TLS|startTls|starttls|IPv6|Unix|does not answer|deadline|destroyed or closed/.test(name)
  );
  assertEquals(others, []);
  assert(left.length > 40, String(left.length));
});

test("testRuntime() checks that what a runtime cannot do is refused, instead of how it is done", () => {
  const all = namesOf({});
  for (
    const limit of [
      "unixSockets",
      "verifyNone",
      "verifyCa",
      "authorities",
      "clientCertificates",
      "serverName",
      "alpn",
    ] as const
  ) {
    const limited = namesOf({ cannot: { [limit]: true } });
    const added = limited.filter((name) => !all.includes(name));
    assertEquals(added.length, 1, limit);
    assert(added[0]?.includes("connect refuses"), added[0]);
    assert(limited.length < all.length, limit);
  }
});

test("testRuntime() checks TLS of a runtime that takes no authorities by those it has", () => {
  const given = namesOf({ cannot: { authorities: true } });
  const builtIn = namesOf({ cannot: { authorities: true }, trusts: "built-in" });
  assert(!given.some((name) => name.includes("verify")));
  assert(builtIn.some((name) => name.includes("verify")));
});

test("testRuntime() cleans up after a check, whether it passed or not", async () => {
  const sockets: Socket[] = [];
  let servers = 0;
  const subject = subjectOf("subject", {
    ...runtime,
    connect(address, options) {
      const socket = runtime.connect(address, options);
      sockets.push(socket);
      return socket;
    },
  });
  const { peers } = subject;
  const counted: RuntimeSubject = {
    ...subject,
    peers: {
      ...peers,
      async listen(kind) {
        const server = await peers.listen(kind);
        const close = server.close.bind(server);
        servers++;
        server.close = async () => {
          await close();
          servers--;
        };
        return server;
      },
    },
  };
  await runCheck("a socket reads nothing before somebody receives", counted);
  await assertRejects(() =>
    runCheck("write() does not ask to wait", { ...counted, highWaterBytes: 2 ** 24 })
  );
  assertEquals(servers, 0);
  assertEquals(sockets.length, 2);
  for (const { closed } of sockets) await closed;
});
