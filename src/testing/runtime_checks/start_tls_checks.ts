/**
 * The change to TLS in mid-stream.
 *
 * @module
 */

import type { Socket, TlsOptions } from "../../core/runtime.ts";
import { bytesOf, MIB } from "../byte_pattern.ts";
import { expect, expectRejection, expectSame, expectTypeError } from "../expect.ts";
import { turns } from "../limit.ts";
import type { RuntimeBench, RuntimeCheck } from "../runtime_bench.ts";
import { certificatesOf, checksTls, converse, trusting, upgrade } from "../tls_bench.ts";
import type { PeerServer } from "../test_peers.ts";

const checks: readonly RuntimeCheck[] = [
  {
    clause:
      "startTls() can be called from within the data handler, and leaves a dead socket behind",
    async prove(bench) {
      const server = await bench.listen();
      const accepting = bench.accept(server)
        .then((peer) => upgrade(peer, certificatesOf(bench).server));
      accepting.catch(() => {});
      const plain = connectNamed(bench, server, trusting(bench));
      const recorder = bench.record(plain);
      const changing = new Promise<Socket>((resolve, reject) => {
        recorder.onData = () => {
          try {
            resolve(bench.track(plain.startTls()));
          } catch (error) {
            reject(error);
          }
        };
      });
      await bench.opened(plain);
      plain.write(bytesOf("TLS?"));
      const socket = await bench.within(changing, "startTls() returns");
      await bench.opened(socket);
      const { peer } = await accepting;
      await converse(bench, socket, peer);
      // The plain socket is dead: nothing that is done with it has an effect on the secured one.
      expectSame(plain.write(bytesOf("in the clear")), true, "write() on the plain socket");
      plain.pause();
      plain.resume();
      plain.unref();
      plain.destroy();
      await bench.within(plain.close(), "close() settles on the plain socket");
      await turns();
      await converse(bench, socket, peer);
      socket.destroy();
      await bench.closed(socket);
      recorder.expectEvents(["data"], "since another socket took its own one's place");
    },
  },
  {
    clause: 'a socket for "starttls" stays plain when startTls() is never called',
    async prove(bench) {
      const server = await bench.listen();
      const socket = connectNamed(bench, server, trusting(bench));
      const recorder = bench.record(socket);
      await bench.opened(socket);
      const peer = await bench.accept(server);
      socket.write(bytesOf("TLS?"));
      await peer.take(4);
      peer.write("N");
      expectSame(await recorder.take(1), "N", "the answer in the clear");
      socket.write(bytesOf("hello"));
      expectSame(await peer.takeText(5), "hello", "what the peer got");
      expectSame(socket.secure, false, "`secure` without startTls()");
    },
  },
  {
    clause: "startTls() throws a TypeError where it cannot be called, and does no harm",
    async prove(bench) {
      const server = await bench.listen();
      const off = bench.connect(server.address);
      const peerOfOff = bench.accept(server);
      await bench.opened(off);
      const early = connectNamed(bench, server, trusting(bench));
      expectTypeError(() => early.startTls(), "startTls() while the socket opens throws TypeError");
      await bench.opened(early);
      expectTypeError(() => off.startTls(), 'startTls() without "starttls" throws TypeError');
      early.write(new Uint8Array(32 * MIB));
      expectTypeError(() => early.startTls(), "startTls() with bytes queued throws TypeError");
      const recorder = bench.record(off);
      const peer = await peerOfOff;
      peer.write("x");
      off.write(bytesOf("y"));
      expectSame(await recorder.take(1), "x", "what was handed out");
      expectSame(await peer.takeText(1), "y", "what the peer got");
    },
  },
  {
    clause: "startTls() on a socket that has ended gives one whose `opened` rejects",
    async prove(bench) {
      const server = await bench.listen();
      const plain = connectNamed(bench, server, trusting(bench));
      const recorder = bench.record(plain);
      await bench.opened(plain);
      (await bench.accept(server)).end();
      await recorder.closed;
      const socket = bench.track(plain.startTls());
      const late = bench.record(socket);
      const opening = bench.within(socket.opened, "`opened` settles");
      const error = await expectRejection(opening, "`opened` rejects");
      expect(error instanceof Error, "the rejection is an Error");
      await bench.closed(socket);
      late.expectEvents(["close"], "of a socket that never stood");
      recorder.expectEvents(["close"], "although startTls() was called");
    },
  },
];

/** Connects to `localhost` for a change to TLS. */
function connectNamed(bench: RuntimeBench, server: PeerServer, tls: TlsOptions): Socket {
  const port = "port" in server.address ? server.address.port : 0;
  return bench.connect({ hostname: "localhost", port }, { secureTransport: "starttls", tls });
}

/** The checks of startTls(). */
export const startTlsChecks: readonly RuntimeCheck[] = checks.map((check) => ({
  ...check,
  applies: (subject) => checksTls(subject),
}));
