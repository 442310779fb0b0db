/**
 * How sockets end by their owner's doing.
 *
 * @module
 */

import { bytesOf, expectPattern, MIB, pattern, textOf } from "../byte_pattern.ts";
import { expect, expectSame } from "../expect.ts";
import { turns } from "../limit.ts";
import type { RuntimeCheck } from "../runtime_bench.ts";

/** The checks of close(). */
export const closeChecks: readonly RuntimeCheck[] = [
  {
    clause: "close() sends what is queued before",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      const sent = pattern(8 * MIB);
      socket.write(sent.subarray(0, MIB));
      socket.write(sent.subarray(MIB));
      socket.close();
      const got = await peer.rest();
      expectSame(got.byteLength, sent.byteLength, "bytes that the peer got");
      expectPattern(got, "what the peer got");
      peer.end();
      await bench.closed(socket);
      recorder.expectEvents(["close"], "of its own close()");
      expectSame(recorder.error, undefined, "the error of an orderly end");
    },
  },
  {
    clause: "close() does not cut off what was sent, although bytes are left unread",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      socket.pause();
      // A plain close of a socket with unread bytes is a reset, which takes our last bytes with it.
      await peer.write(new Uint8Array(MIB));
      await turns();
      socket.write(bytesOf("farewell"));
      socket.close();
      expectSame(textOf(await peer.rest()), "farewell", "what the peer got");
      peer.end();
      await bench.closed(socket);
      expectSame(recorder.error, undefined, "the error of an orderly end");
      expectSame(recorder.events.at(-1), "close", "what the receiver is told last");
    },
  },
  {
    clause: "a socket hands out nothing after close()",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      socket.close();
      await peer.rest();
      await peer.write("too late");
      await turns();
      peer.end();
      await bench.closed(socket);
      recorder.expectEvents(["close"], "after close()");
    },
  },
  {
    clause: "close() works when nobody ever received",
    async prove(bench) {
      const { socket, peer } = await bench.open();
      socket.write(bytesOf("x"));
      socket.close();
      expectSame(textOf(await peer.rest()), "x", "what the peer got");
      peer.end();
      await bench.closed(socket);
    },
  },
  {
    clause: "close() waits for a peer that does not read, until destroy()",
    async prove(bench) {
      const { socket, recorder } = await bench.openRecorded();
      socket.write(new Uint8Array(64 * MIB));
      let gone = false;
      socket.close().then(() => gone = true);
      await turns(10);
      expect(!gone, "close() waits while bytes are queued");
      recorder.expectEvents([], "while close() waits");
      socket.destroy();
      await bench.closed(socket);
      recorder.expectEvents(["close"], "after destroy()");
    },
  },
  {
    clause: "close() waits for a peer that does not hang up, until destroy()",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      let gone = false;
      socket.close().then(() => gone = true);
      await peer.rest();
      await turns();
      expect(!gone, "close() waits for the peer");
      socket.destroy();
      await bench.closed(socket);
      recorder.expectEvents(["close"], "after destroy()");
      expectSame(recorder.error, undefined, "the error of destroy()");
    },
  },
  {
    clause: "a reset is an orderly end when all was sent and the peer knew it",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      socket.write(bytesOf("farewell"));
      socket.close();
      expectSame(textOf(await peer.rest()), "farewell", "what the peer got");
      await peer.reset();
      await bench.closed(socket);
      recorder.expectEvents(["close"], "of a reset after close()");
      expectSame(recorder.error, undefined, "the error of an orderly end");
    },
  },
  {
    clause: "a reset is an error when not all was sent",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      socket.write(new Uint8Array(64 * MIB));
      socket.close();
      await turns();
      await peer.reset();
      await bench.closed(socket);
      recorder.expectEvents(["close"], "of a reset before all was sent");
      expect(recorder.error instanceof Error, "`close` has an error when bytes were lost");
    },
  },
];
