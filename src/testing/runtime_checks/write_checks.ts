/**
 * How bytes go out.
 *
 * @module
 */

import type { Socket } from "../../core/runtime.ts";
import { bytesOf, expectPattern, MIB, pattern, pieces } from "../byte_pattern.ts";
import { ConformanceError, expectSame } from "../expect.ts";
import { turns } from "../limit.ts";
import type { RuntimeCheck } from "../runtime_bench.ts";
import type { SocketRecorder } from "../socket_recorder.ts";

/** From how many queued bytes on `write` asks its caller to wait, unless the subject says otherwise. */
const HIGH_WATER_BYTES = 64 * 1024;

/** The checks of writing. */
export const writeChecks: readonly RuntimeCheck[] = [
  {
    clause: "a socket sends everything in order, whatever the sizes of the pieces",
    async prove(bench) {
      const { socket, peer } = await bench.openRecorded();
      const sent = pattern(5 * MIB);
      for (const piece of pieces(sent)) socket.write(piece);
      expectPattern(await peer.take(sent.byteLength), "what the peer got");
    },
  },
  {
    clause: "a socket sends everything in order to a reader that makes it wait",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      const sent = pattern(5 * MIB);
      const taking = peer.take(sent.byteLength);
      for (const piece of pieces(sent)) {
        const drains = recorder.count("drain");
        if (socket.write(piece)) continue;
        await recorder.until(() => recorder.count("drain") > drains, "drain follows");
      }
      expectPattern(await taking, "what the peer got");
    },
  },
  {
    clause: "write() asks to wait when much is queued, and drain is called when there is room",
    async prove(bench) {
      const { socket, peer } = await bench.open();
      const recorder = bench.record(socket);
      const size = await clog(socket, recorder);
      const drains = recorder.events.length;
      expectSame(socket.write(bytesOf("x")), false, "write() while much is queued");
      const drained = recorder.until(
        () => recorder.events.length > drains,
        "drain is called when there is room",
      );
      await peer.take(size + 1);
      await drained;
      await turns();
      recorder.expectEvents([...recorder.events.slice(0, drains), "drain"], "when there is room");
      // Now little enough is queued that nobody is told to wait, and nobody to go on.
      expectSame(socket.write(bytesOf("x")), true, "write() when there is room");
      await peer.take(1);
      await turns();
      expectSame(recorder.events.length, drains + 1, "what the receiver was told once");
    },
  },
  {
    clause: "write() does not ask to wait when little is queued",
    async prove(bench) {
      const { socket, peer } = await bench.open();
      const recorder = bench.record(socket);
      const { highWaterBytes = HIGH_WATER_BYTES } = bench.subject;
      const half = new Uint8Array(highWaterBytes / 2 - 1);
      expectSame(socket.write(half), true, "write() of a little");
      expectSame(socket.write(half), true, "write() of a little more");
      socket.close();
      expectSame((await peer.rest()).byteLength, 2 * half.byteLength, "bytes that the peer got");
      peer.end();
      await bench.closed(socket);
      recorder.expectEvents(["close"], "when little was queued");
    },
  },
  {
    clause: "a socket ignores empty writes",
    async prove(bench) {
      const server = await bench.listen();
      const socket = bench.connect(server.address);
      expectSame(socket.write(new Uint8Array(0)), true, "write() of nothing before it opened");
      await bench.opened(socket);
      expectSame(socket.write(new Uint8Array(0)), true, "write() of nothing");
      socket.write(bytesOf("x"));
      expectSame(await (await bench.accept(server)).takeText(1), "x", "what the peer got");
    },
  },
  {
    clause: "a socket takes no bytes after its end, and says nothing of it",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      socket.write(bytesOf("x"));
      await peer.take(1);
      socket.close();
      expectSame(socket.write(new Uint8Array(MIB)), true, "write() after close()");
      expectSame((await peer.rest()).byteLength, 0, "bytes that the peer got after close()");
      peer.end();
      await bench.closed(socket);
      expectSame(socket.write(new Uint8Array(MIB)), true, "write() on a socket that is gone");
      await turns();
      recorder.expectEvents(["close"], "when bytes were written after the end");
    },
  },
];

/** More than any system takes for a peer that does not read. */
const MOST_BYTES = 64 * MIB;

/** Writes until the system takes no more, so that bytes stay in the queue. Returns how many were written. */
async function clog(socket: Socket, recorder: SocketRecorder): Promise<number> {
  const block = new Uint8Array(MIB);
  for (let size = block.byteLength; size <= MOST_BYTES; size += block.byteLength) {
    const before = recorder.events.length;
    const room = socket.write(block);
    await turns(10);
    if (!room && recorder.events.length === before) return size;
  }
  throw new ConformanceError("write() asks to wait when the peer does not read: it never did");
}
