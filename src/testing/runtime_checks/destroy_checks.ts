/**
 * How sockets are destroyed.
 *
 * @module
 */

import { MIB } from "../byte_pattern.ts";
import { expectSame } from "../expect.ts";
import { turns } from "../limit.ts";
import type { RuntimeCheck } from "../runtime_bench.ts";
import { disturb } from "./disturb.ts";

/** The checks of destroy(). */
export const destroyChecks: readonly RuntimeCheck[] = [
  {
    clause: "a destroyed socket ends at once, and tells nothing afterwards but its end",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      let meanwhile = "";
      recorder.onData = () => {
        socket.destroy();
        meanwhile = recorder.events.join(", ");
      };
      // The rest must not be handed out.
      peer.write(new Uint8Array(4 * MIB));
      await recorder.closed;
      // Not from within destroy(): its caller is in the middle of something.
      expectSame(meanwhile, "data", "what the receiver is told before destroy() returns");
      await bench.closed(socket);
      const { size } = recorder;
      await disturb(bench, socket);
      recorder.expectEvents(["data", "close"], "after destroy()");
      expectSame(recorder.size, size, "bytes handed out");
      expectSame(recorder.error, undefined, "the error of destroy()");
      await peer.hungUp();
    },
  },
  {
    clause: "a socket can be destroyed while the peer does not read",
    async prove(bench) {
      const { socket, recorder } = await bench.openRecorded();
      socket.write(new Uint8Array(64 * MIB));
      await turns();
      socket.destroy();
      await bench.closed(socket);
      recorder.expectEvents(["close"], "after destroy()");
      expectSame(recorder.error, undefined, "the error of destroy()");
    },
  },
  {
    clause: "a socket can be destroyed while it is paused",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      socket.pause();
      await peer.write("unread");
      socket.destroy();
      await bench.closed(socket);
      expectSame(recorder.events.at(-1), "close", "what the receiver is told last");
      await peer.hungUp();
    },
  },
];
