/**
 * How sockets are stopped from opening.
 *
 * @module
 */

import { systemClock } from "../../core/clock.ts";
import { expect, expectRejection, expectSame } from "../expect.ts";
import { turns } from "../limit.ts";
import type { RuntimeBench, RuntimeCheck } from "../runtime_bench.ts";
import type { RuntimeSubject } from "../runtime_subject.ts";
import type { PeerServer } from "../test_peers.ts";
import { failureOf } from "./failure.ts";

/** How many connections come to stand while their signal fires. */
const RACES = 100;

/** How long the event loop is kept from turning for each of them, in milliseconds. */
const BLOCK_MS = 2;

/** Where the clock stands still while code runs, this many looks at it end the wait instead. */
const MOST_LOOKS = 200_000;

/** A place that answers no connect is needed. */
function hasSilence({ peers }: RuntimeSubject): boolean {
  return peers.listenSilently !== undefined;
}

/** The checks of aborts. */
export const abortChecks: readonly RuntimeCheck[] = [
  {
    clause: "a socket does not connect when its signal has fired before",
    async prove(bench) {
      const server = await bench.listen();
      const reason = { not: "an error" };
      const socket = bench.connect(server.address, { signal: AbortSignal.abort(reason) });
      expectSame(await failureOf(bench, socket), reason, "the rejection is the signal's reason");
      await turns();
      expectSame(await server.countConnections(), 0, "connections that came");
    },
  },
  {
    clause: "a socket stops connecting at once when its signal fires, and leaves no connection",
    async prove(bench) {
      const server = await bench.listen();
      const controller = new AbortController();
      const reason = new Error("no longer wanted");
      for (const hostname of ["127.0.0.1", "localhost"]) {
        const port = "port" in server.address ? server.address.port : 0;
        const socket = bench.connect({ hostname, port }, { signal: controller.signal });
        const failure = failureOf(bench, socket);
        controller.abort(reason);
        expectSame(await failure, reason, "the rejection is the signal's reason");
      }
      await turns();
      // A connection that stood before the abort reached the system is taken down again.
      await expectAllHungUp(bench, server);
    },
  },
  {
    clause: "a connection that comes to stand while the signal fires is closed",
    async prove(bench) {
      const server = await bench.listen();
      // The system connects while the event loop is blocked; then the timer is first, the connection second.
      const settled: Promise<unknown>[] = [];
      for (let i = 0; i < RACES; i++) {
        const controller = new AbortController();
        const socket = bench.connect(server.address, { signal: controller.signal });
        systemClock.schedule(1, () => controller.abort());
        block(BLOCK_MS);
        settled.push(socket.opened.then(() => socket.destroy(), () => {}));
        await bench.closed(socket);
      }
      await bench.within(Promise.all(settled), "`opened` settles");
      await turns();
      await expectAllHungUp(bench, server);
    },
  },
  {
    clause: "a socket stops connecting to a host that does not answer",
    applies: hasSilence,
    async prove(bench) {
      const { address } = await bench.listenSilently();
      const { signal, abort } = abortable();
      const failure = failureOf(bench, bench.connect(address, { signal }));
      await turns(10);
      abort(new Error("enough"));
      expectSame(await failure, signal.reason, "the rejection is the signal's reason");
    },
  },
  {
    clause: "a socket stops connecting when the deadline of its signal is over",
    applies: hasSilence,
    async prove(bench) {
      const { address } = await bench.listenSilently();
      const signal = AbortSignal.timeout(10);
      const reason = await failureOf(bench, bench.connect(address, { signal }));
      expectSame(reason, signal.reason, "the rejection is the signal's reason");
    },
  },
  {
    clause: "a socket stops connecting when it is destroyed or closed",
    applies: hasSilence,
    async prove(bench) {
      const { address } = await bench.listenSilently();
      for (const end of ["destroy", "close"] as const) {
        const socket = bench.connect(address);
        const recorder = bench.record(socket);
        await turns();
        socket[end]();
        const opening = bench.within(socket.opened, `\`opened\` settles after ${end}()`);
        const error = await expectRejection(opening, `\`opened\` rejects after ${end}()`);
        expect(error instanceof Error, "the rejection is an Error");
        await bench.closed(socket);
        recorder.expectEvents(["close"], `after ${end}() while it connects`);
        expectSame(recorder.error, undefined, `the error of ${end}()`);
      }
    },
  },
  {
    clause: "an open socket is not touched by its signal, and lets go of it",
    async prove(bench) {
      const server = await bench.listen();
      const { signal, abort } = abortable();
      const listeners = countListeners(signal);
      const socket = bench.connect(server.address, { signal });
      expect(listeners.count > 0, "the signal is listened to while the socket opens");
      const recorder = bench.record(socket);
      await bench.opened(socket);
      expectSame(listeners.count, 0, "listeners of the signal once the socket is open");
      abort(new Error("too late"));
      const peer = await bench.accept(server);
      peer.write("x");
      expectSame(await recorder.take(1), "x", "what was handed out");
    },
  },
];

function abortable(): { readonly signal: AbortSignal; abort(reason: unknown): void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: (reason) => controller.abort(reason) };
}

/** Counts who listens to a signal from now on. */
function countListeners(signal: AbortSignal): { readonly count: number } {
  const listeners = { count: 0 };
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners.count++;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners.count--;
    remove(...args);
  };
  return listeners;
}

/** Keeps the event loop from turning, so that what happens meanwhile is found out about all at once. */
function block(ms: number): void {
  const end = systemClock.now() + ms;
  for (let looks = 0; looks < MOST_LOOKS && systemClock.now() < end; looks++);
}

/** Waits until every connection that came is taken down by the other side. */
async function expectAllHungUp(bench: RuntimeBench, server: PeerServer): Promise<void> {
  const count = await server.countConnections();
  for (let i = 0; i < count; i++) await (await bench.accept(server)).hungUp();
}
