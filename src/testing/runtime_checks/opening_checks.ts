/**
 * How sockets open, and fail to.
 *
 * @module
 */

import type { SocketAddress } from "../../core/runtime.ts";
import { bytesOf } from "../byte_pattern.ts";
import { expect, expectSame, expectTypeError } from "../expect.ts";
import { turns } from "../limit.ts";
import type { RuntimeBench, RuntimeCheck } from "../runtime_bench.ts";
import type { PeerAddressKind } from "../test_peers.ts";
import { failureOf } from "./failure.ts";

/** The checks of opening. */
export const openingChecks: readonly RuntimeCheck[] = [
  {
    clause: "a socket opens, carries bytes both ways, and closes",
    async prove(bench) {
      const { socket, recorder, peer } = await bench.openRecorded();
      expectSame(socket.secure, false, "`secure` of a plain socket");
      socket.write(bytesOf("hello"));
      expectSame(await peer.takeText(5), "hello", "what the peer got");
      peer.write("good day");
      expectSame(await recorder.take(8), "good day", "what was handed out");
      const closed = socket.close();
      expectSame(closed, socket.closed, "what close() returns, beside `closed`");
      await peer.rest();
      peer.end();
      await bench.closed(socket);
      recorder.expectEvents(["data", "close"], "of a short life");
      expectSame(recorder.error, undefined, "the error of an orderly end");
    },
  },
  {
    clause: "a socket opens to a host name",
    async prove(bench) {
      const server = await bench.listen();
      await bench.opened(bench.connect(named(server.address)));
      await bench.accept(server);
    },
  },
  {
    clause: "a socket opens to an IPv6 address, in brackets and without",
    applies: ({ peers }) => peers.kinds.includes("ipv6"),
    async prove(bench) {
      const { address } = await bench.listen("ipv6");
      const port = "port" in address ? address.port : 0;
      for (const hostname of ["[::1]", "::1"]) {
        await bench.opened(bench.connect({ hostname, port }));
      }
    },
  },
  {
    clause: "a socket opens to a Unix socket",
    applies: ({ peers, cannot }) => peers.kinds.includes("unix") && !cannot?.unixSockets,
    async prove(bench) {
      const server = await bench.listen("unix");
      const socket = bench.connect(server.address);
      const recorder = bench.record(socket);
      await bench.opened(socket);
      const peer = await bench.accept(server);
      socket.write(bytesOf("hello"));
      expectSame(await peer.takeText(5), "hello", "what the peer got");
      peer.write("good day");
      expectSame(await recorder.take(8), "good day", "what was handed out");
    },
  },
  {
    clause: "`opened` rejects when nobody listens",
    async prove(bench) {
      const error = await failureOf(bench, bench.connect(await deserted(bench, "ipv4")));
      expect(error instanceof Error, "the rejection is an Error");
    },
  },
  {
    clause: "`opened` rejects when the host name is unknown",
    async prove(bench) {
      const socket = bench.connect({ hostname: "nowhere.invalid", port: 5432 });
      expect(await failureOf(bench, socket) instanceof Error, "the rejection is an Error");
    },
  },
  {
    clause: "`opened` rejects when there is no such Unix socket",
    applies: ({ peers, cannot }) => peers.kinds.includes("unix") && !cannot?.unixSockets,
    async prove(bench) {
      const error = await failureOf(bench, bench.connect(await deserted(bench, "unix")));
      expect(error instanceof Error, "the rejection is an Error");
    },
  },
  {
    clause: "a rejected `opened` may go unseen",
    async prove(bench) {
      await bench.closed(bench.connect(await deserted(bench, "ipv4")));
      await turns();
    },
  },
  {
    clause: "a socket sends what was written before it opened",
    async prove(bench) {
      const server = await bench.listen();
      const socket = bench.connect(server.address);
      expectSame(socket.write(bytesOf("early ")), true, "write() of little before it opened");
      socket.write(bytesOf("bird"));
      const peer = await bench.accept(server);
      expectSame(await peer.takeText(10), "early bird", "what the peer got");
    },
  },
  {
    clause: "connect throws a TypeError for options that contradict each other",
    prove(bench) {
      const address = { hostname: "127.0.0.1", port: 1 };
      for (const secureTransport of ["on", "starttls"] as const) {
        expectTypeError(
          () => bench.connect(address, { secureTransport }),
          `connect with "${secureTransport}" and without tls throws a TypeError`,
        );
        const tls = { verify: "full", cert: "certificate without a key" } as const;
        expectTypeError(
          () => bench.connect(address, { secureTransport, tls }),
          "connect with a certificate and without its key throws a TypeError",
        );
      }
      return Promise.resolve();
    },
  },
];

/** The same place by the name of this machine. */
function named(address: SocketAddress): SocketAddress {
  return "path" in address ? address : { hostname: "localhost", port: address.port };
}

/** An address where nobody listens any more. */
async function deserted(bench: RuntimeBench, kind: PeerAddressKind): Promise<SocketAddress> {
  const server = await bench.listen(kind);
  await server.close();
  return server.address;
}
