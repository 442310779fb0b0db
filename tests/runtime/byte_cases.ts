/**
 * How bytes go out and come in.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Socket } from "../../src/core/runtime.ts";
import { bytesOf, record, type Recorder, turns } from "./recorder.ts";
import type { SocketCase, SocketCaseContext } from "./socket_case.ts";
import { type TestServer, withServer } from "./test_server.ts";

const KIB = 1024;
const MIB = KIB * KIB;

/** From how many queued bytes on `write` asks its caller to wait. */
const HIGH_WATER_BYTES = 64 * KIB;

/** Bytes that differ from place to place. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i < size; i++) bytes[i] = i * 7 + (i >> 8) + (i >> 16);
  return bytes;
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Pieces of many sizes: tiny, at the edges of blocks, large. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  const sizes = [1, 2, 37, 1000, 8191, 8192, 8193, 65_535, 65_536, 65_537, 300_000];
  for (let at = 0, i = 0; at < bytes.byteLength; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Opens a socket whose peer does not read. */
async function unread(
  { runtime }: SocketCaseContext,
  server: TestServer,
): Promise<{ socket: Socket; stream: Awaited<ReturnType<TestServer["acceptStream"]>> }> {
  const socket = runtime.connect(server.address);
  await socket.opened;
  return { socket, stream: await server.acceptStream() };
}

/** Writes until the system takes no more, so that bytes stay in the queue. Returns how many were written. */
async function clog(socket: Socket, recorder: Recorder): Promise<number> {
  const block = Buffer.alloc(MIB, "c");
  for (let size = block.byteLength;; size += block.byteLength) {
    const drains = recorder.events.length;
    const room = socket.write(block);
    await turns(10);
    if (!room && recorder.events.length === drains) return size;
  }
}

/**
 * Cases of writing and reading.
 *
 * @param context What to check.
 * @returns The cases.
 */
export function byteCases(context: SocketCaseContext): SocketCase[] {
  const { runtime } = context;
  return [
    {
      name: "sends everything in order, whatever the sizes of the pieces",
      fn: () =>
        withServer(async (server) => {
          const sent = pattern(5 * MIB);
          const socket = runtime.connect(server.address);
          record(socket);
          await socket.opened;
          const peer = await server.accept();
          for (const piece of pieces(sent)) socket.write(piece);
          assertEquals(digest(await peer.take(sent.byteLength)), digest(sent));
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "sends everything in order to a reader that makes it wait",
      fn: () =>
        withServer(async (server) => {
          const sent = pattern(5 * MIB);
          const socket = runtime.connect(server.address);
          const recorder = record(socket);
          await socket.opened;
          const peer = await server.accept();
          for (const piece of pieces(sent)) {
            const drains = recorder.events.filter((event) => event === "drain").length;
            if (!socket.write(piece)) {
              await recorder.until(() =>
                recorder.events.filter((event) => event === "drain").length > drains
              );
            }
          }
          assertEquals(digest(await peer.take(sent.byteLength)), digest(sent));
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "tells who writes to wait once 64 KiB are queued, and calls drain when there is room",
      fn: () =>
        withServer(async (server) => {
          const { socket, stream } = await unread(context, server);
          const recorder = record(socket);
          const size = await clog(socket, recorder);
          const drains = recorder.events.length;
          assertEquals(socket.write(bytesOf("x")), false);
          const drained = recorder.until(() => recorder.events.length > drains);
          let received = 0;
          stream.on("data", (chunk: Uint8Array) => received += chunk.byteLength);
          await drained;
          while (received <= size) await turns(1);
          await turns();
          assertEquals(recorder.events.slice(drains), ["drain"]);
          // Now little enough is queued that nobody is told to wait, and nobody to go on.
          assertEquals(socket.write(bytesOf("x")), true);
          while (received <= size + 1) await turns(1);
          assertEquals(recorder.events.slice(drains), ["drain"]);
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "does not ask to wait below 64 KiB",
      fn: () =>
        withServer(async (server) => {
          const { socket, stream } = await unread(context, server);
          const recorder = record(socket);
          const half = Buffer.alloc(HIGH_WATER_BYTES / 2 - 1);
          assertEquals(socket.write(half), true);
          assertEquals(socket.write(half), true);
          const closed = socket.close();
          stream.resume().end();
          await closed;
          assertEquals(recorder.events, ["close"]);
        }),
    },
    {
      name: "ignores empty writes",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          const peerFound = server.accept();
          assertEquals(socket.write(new Uint8Array(0)), true);
          await socket.opened;
          assertEquals(socket.write(new Uint8Array(0)), true);
          socket.write(bytesOf("x"));
          assertEquals((await (await peerFound).take(1)).toString(), "x");
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "takes no bytes after its end, and says nothing of it",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          const recorder = record(socket);
          await socket.opened;
          const peer = await server.accept();
          socket.write(bytesOf("x"));
          await peer.take(1);
          const closed = socket.close();
          assertEquals(socket.write(Buffer.alloc(MIB)), true);
          assertEquals((await peer.rest()).byteLength, 0);
          peer.stream.end();
          await closed;
          assertEquals(socket.write(Buffer.alloc(MIB)), true);
          await turns();
          assertEquals(recorder.events, ["close"]);
        }),
    },
    {
      name: "hands out all that arrives, and never writes to it again",
      fn: () =>
        withServer(async (server) => {
          const sent = pattern(3 * MIB);
          const socket = runtime.connect(server.address);
          const recorder = record(socket);
          await socket.opened;
          const peer = await server.accept();
          const seen = createHash("sha256");
          recorder.onData = (bytes) => seen.update(bytes);
          // Many small arrivals, then large ones.
          for (let at = 0; at < 64 * KIB; at += 512) {
            await peer.write(sent.subarray(at, at + 512));
            if (at % 4096 === 0) await turns(1);
          }
          peer.write(sent.subarray(64 * KIB));
          await recorder.until(() => recorder.size === sent.byteLength);
          assertEquals(seen.digest("hex"), digest(sent));
          assertEquals(digest(recorder.bytes), digest(sent));
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "reads nothing before somebody receives",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          await socket.opened;
          const peer = await server.accept();
          await peer.write("early");
          await turns();
          const recorder = record(socket);
          assertEquals(await recorder.take(5), "early");
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "gives bytes to the receiver set last",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          const first = record(socket);
          await socket.opened;
          const peer = await server.accept();
          peer.write("a");
          assertEquals(await first.take(1), "a");
          const second = record(socket);
          peer.write("b");
          assertEquals(await second.take(1), "b");
          socket.destroy();
          await socket.closed;
          assertEquals(first.events, ["data"]);
          assertEquals(second.events, ["data", "close"]);
        }),
    },
    {
      name: "slows the peer down while it is paused",
      fn: () =>
        withServer(async (server) => {
          const sent = pattern(32 * MIB);
          const socket = runtime.connect(server.address);
          const recorder = record(socket);
          await socket.opened;
          const stream = await server.acceptStream();
          recorder.onData = () => {
            recorder.onData = undefined;
            socket.pause();
          };
          let written = false;
          stream.write(sent, () => written = true);
          await recorder.until(() => recorder.size > 0);
          let { size } = recorder;
          // What was read already may come, then it stops.
          for (let before = -1; before !== size; { size } = recorder) {
            before = size;
            await turns(5);
          }
          assertLess(size, MIB);
          assertEquals(written, false);
          socket.resume();
          await recorder.until(() => recorder.size === sent.byteLength);
          assertEquals(digest(recorder.bytes), digest(sent));
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "loses and doubles nothing when it is paused and resumed at every turn",
      fn: () =>
        withServer(async (server) => {
          const sent = pattern(4 * MIB);
          const socket = runtime.connect(server.address);
          const recorder = record(socket);
          await socket.opened;
          const peer = await server.accept();
          let count = 0;
          recorder.onData = () => {
            count++;
            socket.pause();
            if (count % 3 === 0) socket.resume();
            else if (count % 3 === 1) queueMicrotask(() => socket.resume());
            else {
              setTimeout(() => {
                socket.resume();
                socket.pause();
                socket.resume();
              }, 0);
            }
          };
          peer.write(sent);
          await recorder.until(() => recorder.size === sent.byteLength);
          assertGreater(count, 3);
          assertEquals(digest(recorder.bytes), digest(sent));
          socket.destroy();
          await socket.closed;
        }),
    },
    {
      name: "stays paused when a receiver is set",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          socket.pause();
          await socket.opened;
          const peer = await server.accept();
          const recorder = record(socket);
          await peer.write("x");
          await turns(5);
          assertEquals(recorder.size, 0);
          socket.resume();
          assertEquals(await recorder.take(1), "x");
          assert(!recorder.events.includes("close"));
          socket.destroy();
          await socket.closed;
        }),
    },
  ];
}
