/**
 * How sockets open, fail to, and are stopped from it.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { tmpdir } from "node:os";
import type { Socket } from "../../src/core/runtime.ts";
import { withBlackhole } from "./blackhole.ts";
import { bytesOf, record, turns } from "./recorder.ts";
import type { SocketCase, SocketCaseContext } from "./socket_case.ts";
import { withServer } from "./test_server.ts";

/** A port of 127.0.0.1 where nobody listens. */
async function closedPort(): Promise<number> {
  let port = 0;
  await withServer((server) => {
    port = server.port;
    return Promise.resolve();
  });
  return port;
}

/** Keeps the event loop from turning, so that what happens meanwhile is found out about all at once. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** What `opened` is rejected with, after the socket is gone. */
async function failureOf(socket: Socket): Promise<unknown> {
  const recorder = record(socket);
  const reason: unknown = await socket.opened.then(() => undefined, (error: unknown) => error);
  await socket.closed;
  await recorder.closed;
  assertEquals(recorder.events, ["close"]);
  assertInstanceOf(recorder.error, Error);
  return reason;
}

/**
 * Cases of opening and of its abort.
 *
 * @param context What to check.
 * @returns The cases.
 */
export function openingCases({ runtime }: SocketCaseContext): SocketCase[] {
  return [
    {
      name: "opens, carries bytes both ways, and closes",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          const recorder = record(socket);
          await socket.opened;
          assertEquals(socket.secure, false);
          const peer = await server.accept();
          socket.write(bytesOf("hello"));
          assertEquals((await peer.take(5)).toString(), "hello");
          peer.write("good day");
          assertEquals(await recorder.take(8), "good day");
          const closed = socket.close();
          assertEquals(closed, socket.closed);
          await peer.rest();
          peer.stream.end();
          await closed;
          assertEquals(recorder.events, ["data", "close"]);
          assertEquals(recorder.error, undefined);
        }),
    },
    {
      name: "resolves host names",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect({ hostname: "localhost", port: server.port });
          await socket.opened;
          await server.accept();
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "takes IPv6 addresses in brackets and without",
      fn: async () => {
        const server = createServer((stream) => stream.on("error", () => {}).resume());
        const listening = await new Promise<boolean>((resolve) => {
          server.once("error", () => resolve(false));
          server.listen(0, "::1", () => resolve(true));
        });
        if (!listening) return; // a machine without IPv6
        const bound = server.address();
        const port = typeof bound === "object" ? bound?.port ?? 0 : 0;
        for (const hostname of ["[::1]", "::1"]) {
          const socket = runtime.connect({ hostname, port });
          await socket.opened;
          socket.destroy();
          await socket.closed;
        }
        await new Promise((resolve) => server.close(resolve));
      },
    },
    {
      name: "connects to a Unix socket",
      fn: async () => {
        const path = join(tmpdir(), `steady_${crypto.randomUUID()}.sock`);
        await withServer(async (server) => {
          const socket = runtime.connect({ path });
          const recorder = record(socket);
          await socket.opened;
          const peer = await server.accept();
          socket.write(bytesOf("hello"));
          assertEquals((await peer.take(5)).toString(), "hello");
          peer.write("good day");
          assertEquals(await recorder.take(8), "good day");
          socket.destroy();
          await socket.closed;
        }, path);
        rmSync(path, { force: true });
      },
    },
    {
      name: "rejects `opened` when nobody listens",
      fn: async () => {
        const socket = runtime.connect({ hostname: "127.0.0.1", port: await closedPort() });
        assertInstanceOf(await failureOf(socket), Error);
      },
    },
    {
      name: "rejects `opened` when the host name is unknown",
      fn: async () => {
        const socket = runtime.connect({ hostname: "nowhere.invalid", port: 5432 });
        assertInstanceOf(await failureOf(socket), Error);
      },
    },
    {
      name: "rejects `opened` when there is no such Unix socket",
      fn: async () => {
        const socket = runtime.connect({ path: join(tmpdir(), "steady_nothing_here.sock") });
        assertInstanceOf(await failureOf(socket), Error);
      },
    },
    {
      name: "lets a rejected `opened` go unseen",
      fn: async () => {
        const socket = runtime.connect({ hostname: "127.0.0.1", port: await closedPort() });
        await socket.closed;
        await turns();
      },
    },
    {
      name: "sends what was written before it opened",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          assertEquals(socket.write(bytesOf("early ")), true);
          socket.write(bytesOf("bird"));
          const peer = await server.accept();
          assertEquals((await peer.take(10)).toString(), "early bird");
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "does not connect when the signal has fired before",
      fn: () =>
        withServer(async (server) => {
          const reason = { not: "an error" };
          const options = { signal: AbortSignal.abort(reason) };
          assertEquals(await failureOf(runtime.connect(server.address, options)), reason);
          await turns();
          assertEquals(server.connections, 0);
        }),
    },
    {
      name: "stops connecting at once when the signal fires, and leaves no connection",
      fn: () =>
        withServer(async (server) => {
          const controller = new AbortController();
          const reason = new Error("no longer wanted");
          for (const hostname of ["127.0.0.1", "localhost"]) {
            const address = { hostname, port: server.port };
            const failure = failureOf(runtime.connect(address, { signal: controller.signal }));
            controller.abort(reason);
            assertEquals(await failure, reason);
          }
          await turns();
          // A connection that stood before the abort reached the system is taken down again.
          const { connections } = server;
          for (let i = 0; i < connections; i++) await (await server.accept()).closedOrEnded();
        }),
    },
    {
      name: "closes connections that come to stand while the signal fires",
      fn: () =>
        withServer(async (server) => {
          // The system connects while the event loop is blocked; then the timer is first, the connection second.
          const aborted: Promise<unknown>[] = [];
          for (let i = 0; i < 100; i++) {
            const controller = new AbortController();
            const socket = runtime.connect(server.address, { signal: controller.signal });
            setTimeout(() => controller.abort(), 1);
            block(2);
            aborted.push(socket.opened.then(() => socket.destroy(), () => {}));
            await socket.closed;
          }
          await Promise.all(aborted);
          await turns();
          const { connections } = server;
          for (let i = 0; i < connections; i++) await (await server.accept()).closedOrEnded();
        }),
    },
    {
      name: "stops connecting to a host that does not answer",
      fn: () =>
        withBlackhole(async (port) => {
          const controller = new AbortController();
          const { signal } = controller;
          const failure = failureOf(runtime.connect({ hostname: "127.0.0.1", port }, { signal }));
          await turns(10);
          controller.abort(new Error("enough"));
          assertEquals(await failure, signal.reason);
        }),
    },
    {
      name: "stops connecting when it is destroyed or closed",
      fn: () =>
        withBlackhole(async (port) => {
          for (const end of ["destroy", "close"] as const) {
            const socket = runtime.connect({ hostname: "127.0.0.1", port });
            const recorder = record(socket);
            await turns();
            socket[end]();
            await assertRejects(() => socket.opened, Error);
            await socket.closed;
            assertEquals(recorder.events, ["close"]);
            assertEquals(recorder.error, undefined);
          }
        }),
    },
    {
      name: "is not touched by the signal once it is open, and lets go of it",
      fn: () =>
        withServer(async (server) => {
          const controller = new AbortController();
          const { signal } = controller;
          let listeners = 0;
          const add = signal.addEventListener.bind(signal);
          const remove = signal.removeEventListener.bind(signal);
          signal.addEventListener = (...args: Parameters<typeof add>) => {
            listeners++;
            add(...args);
          };
          signal.removeEventListener = (...args: Parameters<typeof remove>) => {
            listeners--;
            remove(...args);
          };
          const socket = runtime.connect(server.address, { signal });
          assert(listeners > 0);
          const recorder = record(socket);
          await socket.opened;
          assertEquals(listeners, 0);
          controller.abort();
          const peer = await server.accept();
          peer.write("x");
          assertEquals(await recorder.take(1), "x");
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "throws a TypeError for options that contradict each other",
      fn: () => {
        const address = { hostname: "127.0.0.1", port: 1 };
        for (const secureTransport of ["on", "starttls"] as const) {
          assertThrows(() => runtime.connect(address, { secureTransport }), TypeError);
          const tls = { verify: "full", cert: "certificate without a key" } as const;
          assertThrows(() => runtime.connect(address, { secureTransport, tls }), TypeError);
        }
        return Promise.resolve();
      },
    },
  ];
}
