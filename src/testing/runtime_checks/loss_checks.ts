/**
 * How sockets end by the peer's doing, and that it is told once.
 *
 * @module
 */

import { bytesOf, expectPattern, MIB, pattern } from "../byte_pattern.ts";
import { expect, expectSame } from "../expect.ts";
import { turns } from "../limit.ts";
import type { RuntimeCheck } from "../runtime_bench.ts";
import { disturb } from "./disturb.ts";

/** The checks of ends that the peer causes. */
export const lossChecks: readonly RuntimeCheck[] = [
  {
    clause: "a socket ends when the peer ends its half, after all bytes before that",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      peer.end(pattern(3 * MIB));
      await bench.closed(socket);
      await recorder.closed;
      expectSame(recorder.size, 3 * MIB, "bytes handed out");
      expectPattern(recorder.bytes, "what was handed out");
      recorder.expectEvents(["data", "close"], "when the peer ends its half");
      expectSame(recorder.error, undefined, "the error of an orderly end");
      await peer.hungUp();
      await disturb(bench, socket);
      recorder.expectEvents(["data", "close"], "whatever is done to a socket that is gone");
    },
  },
  {
    clause:
      "a socket ends when the peer ends its half although bytes are queued that it does not read",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      socket.write(new Uint8Array(64 * MIB));
      await turns();
      peer.end();
      await bench.closed(socket);
      recorder.expectEvents(["close"], "when the peer ends its half");
    },
  },
  {
    clause: "a socket ends with an error when the peer resets the connection",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      await peer.reset();
      await recorder.closed;
      await bench.closed(socket);
      recorder.expectEvents(["close"], "of a reset");
      expect(recorder.error instanceof Error, "`close` after a reset has an error");
      await disturb(bench, socket);
      recorder.expectEvents(["close"], "whatever is done to a socket that is gone");
    },
  },
  {
    clause: "a socket ends when it writes to a peer that is gone",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      // It does not read, so only the writes can tell.
      socket.pause();
      await peer.write("unread");
      await turns();
      await peer.destroy();
      const writing = async (): Promise<void> => {
        while (!recorder.events.includes("close")) {
          socket.write(bytesOf("anybody there?"));
          await turns(1);
        }
      };
      await bench.within(writing(), "close is called when writes lead nowhere");
      await bench.closed(socket);
      expectSame(recorder.count("close"), 1, "calls of close");
      expect(recorder.error instanceof Error, "`close` after lost writes has an error");
    },
  },
  {
    clause: "a receiver that comes after the end is told of it, once",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      await peer.reset();
      await bench.closed(socket);
      const late = bench.record(socket);
      await late.closed;
      await turns();
      late.expectEvents(["close"], "when it comes late");
      expect(late.error instanceof Error, "`close` after a reset has an error");
      expectSame(late.error, recorder.error, "the error for who comes late");
      recorder.expectEvents(["close"], "although another one came later");
    },
  },
  {
    clause: "a socket ends with the error of a receiver that throws",
    async prove(bench) {
      const server = await bench.listen();
      const socket = bench.connect(server.address);
      const mistake = new Error("a mistake in the receiver");
      const recorder = bench.record(socket);
      recorder.onData = () => {
        throw mistake;
      };
      await bench.opened(socket);
      const peer = await bench.accept(server);
      peer.write("x");
      await recorder.closed;
      await bench.closed(socket);
      expectSame(recorder.error, mistake, "the error that close is called with");
      recorder.expectEvents(["data", "close"], "although it threw");
      await peer.hungUp();
    },
  },
];
