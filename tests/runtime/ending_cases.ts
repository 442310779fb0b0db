/**
 * How sockets end, and that it is told once.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Socket } from "../../src/core/runtime.ts";
import { bytesOf, record, Recorder, turns } from "./recorder.ts";
import type { SocketCase, SocketCaseContext } from "./socket_case.ts";
import { type Peer, type TestServer, withServer } from "./test_server.ts";

const MIB = 1024 * 1024;

/** Does everything that can be done with a socket that is gone. */
async function disturb(socket: Socket): Promise<void> {
  assertEquals(socket.write(bytesOf("x")), true);
  socket.pause();
  socket.resume();
  socket.ref();
  socket.unref();
  socket.destroy();
  await socket.close();
  await turns();
}

/**
 * Cases of ends of all kinds.
 *
 * @param context What to check.
 * @returns The cases.
 */
export function endingCases({ runtime }: SocketCaseContext): SocketCase[] {
  async function open(
    server: TestServer,
  ): Promise<{ socket: Socket; recorder: Recorder; peer: Peer }> {
    const socket = runtime.connect(server.address);
    const recorder = record(socket);
    await socket.opened;
    return { socket, recorder, peer: await server.accept() };
  }

  return [
    {
      name: "ends when the peer ends its half, after all bytes before that",
      fn: () =>
        withServer(async (server) => {
          const { socket, recorder, peer } = await open(server);
          peer.stream.end(Buffer.alloc(3 * MIB));
          await socket.closed;
          await recorder.closed;
          assertEquals(recorder.size, 3 * MIB);
          assertEquals(recorder.events, ["data", "close"]);
          assertEquals(recorder.error, undefined);
          await peer.closedOrEnded();
          await disturb(socket);
          assertEquals(recorder.events, ["data", "close"]);
        }),
    },
    {
      name: "ends when the peer ends its half although bytes are queued that it does not read",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          const recorder = record(socket);
          await socket.opened;
          const stream = await server.acceptStream();
          socket.write(Buffer.alloc(64 * MIB));
          await turns();
          stream.end();
          await socket.closed;
          assertEquals(recorder.events, ["close"]);
        }),
    },
    {
      name: "ends with an error when the peer resets the connection",
      fn: () =>
        withServer(async (server) => {
          const { socket, recorder, peer } = await open(server);
          peer.stream.resetAndDestroy();
          await recorder.closed;
          await socket.closed;
          assertEquals(recorder.events, ["close"]);
          assertInstanceOf(recorder.error, Error);
          await disturb(socket);
          assertEquals(recorder.events, ["close"]);
        }),
    },
    {
      name: "ends when it writes to a peer that is gone",
      fn: () =>
        withServer(async (server) => {
          const { socket, recorder, peer } = await open(server);
          // It does not read, so only the writes can tell.
          socket.pause();
          await peer.write("unread");
          await turns();
          peer.stream.destroy();
          await peer.closed;
          while (!recorder.events.includes("close")) {
            socket.write(bytesOf("anybody there?"));
            await turns(1);
          }
          await socket.closed;
          assertEquals(recorder.events.filter((event) => event === "close").length, 1);
          assertInstanceOf(recorder.error, Error);
        }),
    },
    {
      name: "is destroyed at once, and tells nothing afterwards but its end",
      fn: () =>
        withServer(async (server) => {
          const { socket, recorder, peer } = await open(server);
          let meanwhile: string[] = [];
          recorder.onData = () => {
            socket.destroy();
            meanwhile = [...recorder.events];
          };
          // The rest must not be handed out.
          peer.write(Buffer.alloc(4 * MIB));
          await recorder.closed;
          // Not from within destroy(): its caller is in the middle of something.
          assertEquals(meanwhile, ["data"]);
          await socket.closed;
          const { size } = recorder;
          await disturb(socket);
          assertEquals(recorder.events, ["data", "close"]);
          assertEquals(recorder.size, size);
          assertEquals(recorder.error, undefined);
          await peer.closedOrEnded();
        }),
    },
    {
      name: "is destroyed while the peer does not read",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          const recorder = record(socket);
          await socket.opened;
          const stream = await server.acceptStream();
          socket.write(Buffer.alloc(64 * MIB));
          await turns();
          socket.destroy();
          await socket.closed;
          assertEquals(recorder.events, ["close"]);
          assertEquals(recorder.error, undefined);
          stream.destroy();
        }),
    },
    {
      name: "is destroyed while it is paused",
      fn: () =>
        withServer(async (server) => {
          const { socket, recorder, peer } = await open(server);
          socket.pause();
          await peer.write("unread");
          socket.destroy();
          await socket.closed;
          assert(recorder.events.at(-1) === "close");
          await peer.closedOrEnded();
        }),
    },
    {
      name: "sends what is queued before it closes",
      fn: () =>
        withServer(async (server) => {
          const { socket, recorder, peer } = await open(server);
          const sent = Buffer.alloc(8 * MIB, "q");
          socket.write(sent.subarray(0, MIB));
          socket.write(sent.subarray(MIB));
          const closed = socket.close();
          assertEquals((await peer.rest()).byteLength, sent.byteLength);
          peer.stream.end();
          await closed;
          assertEquals(recorder.events, ["close"]);
          assertEquals(recorder.error, undefined);
        }),
    },
    {
      name: "closes without cutting off what it sent, although it leaves bytes unread",
      fn: () =>
        withServer(async (server) => {
          const { socket, recorder, peer } = await open(server);
          socket.pause();
          // A plain close() of a socket with unread bytes is a reset, which takes our last bytes with it.
          await peer.write(Buffer.alloc(MIB));
          await turns();
          socket.write(bytesOf("farewell"));
          const closed = socket.close();
          assertEquals((await peer.rest()).toString(), "farewell");
          assertEquals(peer.error, undefined);
          peer.stream.end();
          await closed;
          assertEquals(recorder.error, undefined);
          assertEquals(recorder.events.at(-1), "close");
        }),
    },
    {
      name: "hands out nothing after close()",
      fn: () =>
        withServer(async (server) => {
          const { socket, recorder, peer } = await open(server);
          const closed = socket.close();
          await peer.rest();
          await peer.write("too late");
          await turns();
          peer.stream.end();
          await closed;
          assertEquals(recorder.events, ["close"]);
        }),
    },
    {
      name: "closes when nobody ever received",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          await socket.opened;
          const peer = await server.accept();
          socket.write(bytesOf("x"));
          const closed = socket.close();
          assertEquals((await peer.rest()).toString(), "x");
          peer.stream.end();
          await closed;
        }),
    },
    {
      name: "waits in close() for a peer that does not read, until it is destroyed",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          const recorder = record(socket);
          await socket.opened;
          await server.acceptStream();
          socket.write(Buffer.alloc(64 * MIB));
          let gone = false;
          const closed = socket.close().then(() => gone = true);
          await turns(10);
          assertEquals(gone, false);
          assertEquals(recorder.events, []);
          socket.destroy();
          await closed;
          assertEquals(recorder.events, ["close"]);
        }),
    },
    {
      name: "waits in close() for a peer that does not hang up, until it is destroyed",
      fn: () =>
        withServer(async (server) => {
          const { socket, recorder, peer } = await open(server);
          let gone = false;
          const closed = socket.close().then(() => gone = true);
          await peer.rest();
          await turns();
          assertEquals(gone, false);
          socket.destroy();
          await closed;
          assertEquals(recorder.events, ["close"]);
          assertEquals(recorder.error, undefined);
        }),
    },
    {
      name: "takes a reset for an orderly end when all was sent and the peer knew it",
      fn: () =>
        withServer(async (server) => {
          const { socket, recorder, peer } = await open(server);
          socket.write(bytesOf("farewell"));
          const closed = socket.close();
          assertEquals((await peer.rest()).toString(), "farewell");
          peer.stream.resetAndDestroy();
          await closed;
          assertEquals(recorder.events, ["close"]);
          assertEquals(recorder.error, undefined);
        }),
    },
    {
      name: "takes a reset for an error when not all was sent",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          const recorder = record(socket);
          await socket.opened;
          const stream = await server.acceptStream();
          socket.write(Buffer.alloc(64 * MIB));
          const closed = socket.close();
          await turns();
          stream.resetAndDestroy();
          await closed;
          assertEquals(recorder.events, ["close"]);
          assertInstanceOf(recorder.error, Error);
        }),
    },
    {
      name: "tells the end to who comes after it",
      fn: () =>
        withServer(async (server) => {
          const { socket, recorder, peer } = await open(server);
          peer.stream.resetAndDestroy();
          await socket.closed;
          const late = record(socket);
          await late.closed;
          assertEquals(late.events, ["close"]);
          assertInstanceOf(late.error, Error);
          assertStrictEquals(late.error, recorder.error);
          assertEquals(recorder.events, ["close"]);
        }),
    },
    {
      name: "ends with the error of a receiver that throws",
      fn: () =>
        withServer(async (server) => {
          const socket = runtime.connect(server.address);
          const mistake = new Error("a mistake in the receiver");
          const recorder = new Recorder();
          recorder.onData = () => {
            throw mistake;
          };
          socket.receive(recorder);
          await socket.opened;
          const peer = await server.accept();
          peer.write("x");
          await recorder.closed;
          await socket.closed;
          assertStrictEquals(recorder.error, mistake);
          assertEquals(recorder.events, ["data", "close"]);
          await peer.closedOrEnded();
        }),
    },
  ];
}
