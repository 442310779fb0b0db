/**
 * How bytes come in.
 *
 * @module
 */

import { systemClock } from "../../core/clock.ts";
import { expectPattern, KIB, MIB, pattern } from "../byte_pattern.ts";
import { expect, expectSame } from "../expect.ts";
import { turns } from "../limit.ts";
import type { RuntimeCheck } from "../runtime_bench.ts";

/** The checks of reading. */
export const readChecks: readonly RuntimeCheck[] = [
  {
    clause: "a socket hands out all that arrives, and never writes to it again",
    async prove(bench) {
      const { recorder, peer } = await bench.openRecorded();
      const sent = pattern(3 * MIB);
      const seen: string[] = [];
      recorder.onData = (bytes) => {
        try {
          expectPattern(bytes, "what was handed out", recorder.size - bytes.byteLength);
        } catch (error) {
          seen.push(String(error));
        }
      };
      // Many small arrivals, then large ones.
      for (let at = 0; at < 64 * KIB; at += 512) {
        await peer.write(sent.subarray(at, at + 512));
        if (at % 4096 === 0) await turns(1);
      }
      peer.write(sent.subarray(64 * KIB));
      await recorder.until(() => recorder.size >= sent.byteLength, "all bytes are handed out");
      expectSame(seen.join("; "), "", "what was wrong when it arrived");
      expectPattern(recorder.bytes, "what was handed out, looked at later");
      expectSame(recorder.size, sent.byteLength, "bytes handed out");
    },
  },
  {
    clause: "a socket reads nothing before somebody receives",
    async prove(bench) {
      const { socket, peer } = await bench.open();
      await peer.write("early");
      await turns();
      expectSame(await bench.record(socket).take(5), "early", "what was handed out");
    },
  },
  {
    clause: "a socket gives bytes to the receiver set last",
    async prove(bench) {
      const { socket, recorder: first, peer } = await bench.openRecorded();
      peer.write("a");
      expectSame(await first.take(1), "a", "what was handed to the first receiver");
      const second = bench.record(socket);
      peer.write("b");
      expectSame(await second.take(1), "b", "what was handed to the second receiver");
      socket.destroy();
      await bench.closed(socket);
      first.expectEvents(["data"], "before another one took its place");
      second.expectEvents(["data", "close"], "since it took another one's place");
    },
  },
  {
    clause: "a socket that is paused slows the peer down",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      const sent = pattern(32 * MIB);
      recorder.onData = () => {
        recorder.onData = undefined;
        socket.pause();
      };
      let written = false;
      peer.write(sent).then(() => written = true);
      await recorder.until(() => recorder.size > 0, "bytes are handed out");
      let { size } = recorder;
      // What was read already may come, then it stops.
      for (let before = -1; before !== size; { size } = recorder) {
        before = size;
        await turns(5);
      }
      expect(size < MIB, `a paused socket reads little: it handed out ${size} bytes`);
      expect(!written, "the peer has to wait while the socket is paused");
      socket.resume();
      await recorder.until(() => recorder.size >= sent.byteLength, "all bytes are handed out");
      expectPattern(recorder.bytes, "what was handed out");
    },
  },
  {
    clause: "a socket that is paused and resumed at every turn loses and doubles nothing",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      const sent = pattern(4 * MIB);
      let count = 0;
      recorder.onData = () => {
        count++;
        socket.pause();
        if (count % 3 === 0) socket.resume();
        else if (count % 3 === 1) queueMicrotask(() => socket.resume());
        else {
          systemClock.schedule(0, () => {
            socket.resume();
            socket.pause();
            socket.resume();
          });
        }
      };
      peer.write(sent);
      await recorder.until(() => recorder.size >= sent.byteLength, "all bytes are handed out");
      await turns();
      expect(count > 3, "bytes arrive in more than three pieces");
      expectSame(recorder.size, sent.byteLength, "bytes handed out");
      expectPattern(recorder.bytes, "what was handed out");
    },
  },
  {
    clause: "a socket stays paused when a receiver is set",
    async prove(bench) {
      const server = await bench.listen();
      const socket = bench.connect(server.address);
      socket.pause();
      await bench.opened(socket);
      const peer = await bench.accept(server);
      const recorder = bench.record(socket);
      await peer.write("x");
      await turns(5);
      expectSame(recorder.size, 0, "bytes handed out while it is paused");
      socket.resume();
      expectSame(await recorder.take(1), "x", "what was handed out");
      recorder.expectEvents(["data"], "since it was resumed");
    },
  },
];
