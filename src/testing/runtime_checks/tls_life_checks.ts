/**
 * TLS: bytes, ends and aborts.
 *
 * @module
 */

import { bytesOf, expectPattern, MIB, pattern, textOf } from "../byte_pattern.ts";
import { expect, expectRejection, expectSame } from "../expect.ts";
import { turns } from "../limit.ts";
import type { PeerEnd } from "../peer_end.ts";
import type { RuntimeBench, RuntimeCheck } from "../runtime_bench.ts";
import {
  acceptHello,
  acceptTls,
  certificatesOf,
  checksTls,
  connectTls,
  openSecured,
  TLS_WAYS,
  TLS_WORDS,
  type TlsWay,
  trusting,
} from "../tls_bench.ts";

/** Opens a socket, stops it while it waits for the peer's part of the handshake, and gives the peer. */
async function abortHandshake(bench: RuntimeBench, way: TlsWay): Promise<PeerEnd> {
  const server = await bench.listen();
  const controller = new AbortController();
  const { signal } = controller;
  const hello = acceptHello(bench, server, way);
  const socket = await connectTls(bench, server, way, trusting(bench), signal);
  const recorder = bench.record(socket);
  const peer = await hello;
  await turns();
  controller.abort(new Error("enough"));
  const opening = bench.within(socket.opened, "`opened` settles");
  const reason = await expectRejection(opening, "`opened` rejects");
  expectSame(reason, signal.reason, "the rejection is the signal's reason");
  await bench.closed(socket);
  recorder.expectEvents(["close"], "of an abort");
  expectSame(recorder.error, signal.reason, "the error is the signal's reason");
  return peer;
}

function checksOf(way: TlsWay): RuntimeCheck[] {
  const how = TLS_WORDS[way];
  const checks: RuntimeCheck[] = [
    {
      clause: `${how} carries much both ways and closes in order`,
      async prove(bench) {
        const { socket, recorder, peer } = await openSecured(bench, way);
        const sent = pattern(4 * MIB);
        socket.write(sent.subarray(0, 1));
        socket.write(sent.subarray(1, MIB));
        socket.write(sent.subarray(MIB));
        expectPattern(await peer.take(sent.byteLength), "what the peer got");
        peer.write(sent);
        await recorder.until(() => recorder.size >= sent.byteLength, "all bytes are handed out");
        expectPattern(recorder.bytes, "what was handed out");
        socket.write(bytesOf("farewell"));
        socket.close();
        expectSame(textOf(await peer.rest()), "farewell", "what the peer got last");
        peer.end();
        await bench.closed(socket);
        expectSame(recorder.size, sent.byteLength, "bytes handed out");
        expectSame(recorder.error, undefined, "the error of an orderly end");
        expectSame(recorder.count("close"), 1, "calls of close");
      },
    },
    {
      clause: `${how} ends when the peer ends`,
      async prove(bench) {
        const { socket, recorder, peer } = await openSecured(bench, way);
        peer.end("last words");
        await bench.closed(socket);
        expectSame(textOf(recorder.bytes), "last words", "what was handed out");
        recorder.expectEvents(["data", "close"], "when the peer ends");
        expectSame(recorder.error, undefined, "the error of an orderly end");
      },
    },
    {
      clause: `${how} is stopped in the handshake when the signal fires`,
      async prove(bench) {
        await abortHandshake(bench, way);
      },
    },
    {
      clause: `${how} leaves no connection when it is stopped in the handshake`,
      async prove(bench) {
        const peer = await abortHandshake(bench, way);
        await peer.hungUp();
      },
    },
    {
      clause: `${how} rejects \`opened\` when the peer hangs up in the handshake`,
      async prove(bench) {
        const server = await bench.listen();
        const hello = acceptHello(bench, server, way).then((peer) => peer.end());
        const socket = await connectTls(bench, server, way, trusting(bench));
        const opening = bench.within(socket.opened, "`opened` settles");
        const error = await expectRejection(opening, "`opened` rejects");
        expect(error instanceof Error, "the rejection is an Error");
        await bench.closed(socket);
        await hello;
      },
    },
    {
      clause: `${how} fails when the peer does not speak it`,
      async prove(bench) {
        const server = await bench.listen();
        // Behind the answer, and in the clear: somebody in between put it there.
        const hello = acceptHello(bench, server, way)
          .then((peer) => peer.write("injected by somebody in between"));
        const socket = await connectTls(bench, server, way, trusting(bench));
        const recorder = bench.record(socket);
        const opening = bench.within(socket.opened, "`opened` settles");
        const error = await expectRejection(opening, "`opened` rejects");
        expect(error instanceof Error, "the rejection is an Error");
        await bench.closed(socket);
        expectSame(recorder.size, 0, "bytes handed out");
        await hello;
      },
    },
    {
      clause: `${how} announces the server's name`,
      async prove(bench) {
        const server = await bench.listen();
        const accepting = acceptTls(bench, server, way);
        await bench.opened(await connectTls(bench, server, way, trusting(bench)));
        expectSame((await accepting).serverName, "localhost", "the name that was announced");
      },
    },
    {
      clause: `${how} announces the application protocol`,
      applies: (subject) => checksTls(subject, "alpn"),
      async prove(bench) {
        const server = await bench.listen();
        const { cert, key } = certificatesOf(bench).server;
        const alpn = ["other", "postgresql"];
        const accepting = acceptTls(bench, server, way, { cert, key, alpn });
        const tls = { ...trusting(bench), alpn: ["postgresql"] };
        await bench.opened(await connectTls(bench, server, way, tls));
        expectSame((await accepting).alpn, "postgresql", "the protocol settled on");
      },
    },
  ];
  return checks.map((check) => ({
    ...check,
    applies: (subject) => checksTls(subject) && (check.applies?.(subject) ?? true),
  }));
}

/** The checks of the life of secured sockets, for both ways to TLS. */
export const tlsLifeChecks: readonly RuntimeCheck[] = TLS_WAYS.flatMap(checksOf);
