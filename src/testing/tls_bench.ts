/**
 * What checks of TLS have in common.
 *
 * @module
 */

import type { Socket, TlsOptions } from "../core/runtime.ts";
import { bytesOf } from "./byte_pattern.ts";
import { expect, expectSame } from "./expect.ts";
import { turns } from "./limit.ts";
import type { PeerEnd, SecuredEnd } from "./peer_end.ts";
import type { RecordedSocket, RuntimeBench } from "./runtime_bench.ts";
import type { RuntimeCertificates, RuntimeLimits, RuntimeSubject } from "./runtime_subject.ts";
import type { PeerServer, PeerTlsOptions } from "./test_peers.ts";

/** The two ways to TLS. */
export const TLS_WAYS = ["on", "starttls"] as const;

/** From the first byte, or later on. */
export type TlsWay = typeof TLS_WAYS[number];

/** Each way in words. */
export const TLS_WORDS: Readonly<Record<TlsWay, string>> = {
  on: "TLS from the first byte",
  starttls: "TLS after startTls()",
};

/**
 * Tells whether TLS can be checked.
 *
 * @param subject The subject.
 * @param needs What the runtime must be able to do.
 * @returns Whether there are certificates and a runtime that can.
 */
export function checksTls(
  { certificates, trusts, cannot }: RuntimeSubject,
  ...needs: (keyof RuntimeLimits)[]
): boolean {
  if (certificates === undefined || needs.some((need) => cannot?.[need])) return false;
  // Without either nothing would be trusted.
  return trusts === "built-in" || !cannot?.authorities;
}

/**
 * The subject's certificates.
 *
 * @param bench The bench of a check that applies only where there are some.
 * @returns The certificates.
 */
export function certificatesOf({ subject: { certificates } }: RuntimeBench): RuntimeCertificates {
  expect(certificates !== undefined, "the subject has certificates");
  return certificates;
}

/**
 * How to trust the subject's own authority.
 *
 * @param bench The bench.
 * @param verify What is to be verified.
 * @returns The options.
 */
export function trusting(bench: RuntimeBench, verify: TlsOptions["verify"] = "full"): TlsOptions {
  if (bench.subject.trusts === "built-in") return { verify };
  return { verify, ca: [certificatesOf(bench).authority] };
}

/**
 * Answers a request for TLS as PostgreSQL does, and does the handshake.
 *
 * @param peer The peer.
 * @param options How.
 * @returns The secured connection.
 */
export async function upgrade(peer: PeerEnd, options: PeerTlsOptions): Promise<SecuredEnd> {
  await answer(peer);
  return await peer.startTls(options);
}

/** Says yes to a request for TLS. Not waited for: whatever follows must be there before the client's next word. */
async function answer(peer: PeerEnd): Promise<void> {
  expectSame(await peer.takeText(4), "TLS?", "what the peer got in the clear");
  peer.write("S");
}

/**
 * Asks for TLS, and gets it.
 *
 * @param bench The bench.
 * @param plain A socket that waits for it.
 * @returns The secured socket.
 */
export async function startTls(bench: RuntimeBench, plain: Socket): Promise<Socket> {
  const recorder = bench.record(plain);
  recorder.onData = () => plain.pause();
  await bench.opened(plain);
  expectSame(plain.secure, false, "`secure` before startTls()");
  plain.write(bytesOf("TLS?"));
  expectSame(await recorder.take(1), "S", "the answer in the clear");
  await turns();
  const socket = bench.track(plain.startTls());
  await bench.closed(plain);
  recorder.expectEvents(["data"], "when another socket took its own one's place");
  return socket;
}

/**
 * Connects to `localhost` with TLS in one of the two ways.
 *
 * @param bench The bench.
 * @param server The server.
 * @param way The way.
 * @param tls How.
 * @param signal Aborts it.
 * @returns The socket, which may not be open yet.
 */
export async function connectTls(
  bench: RuntimeBench,
  server: PeerServer,
  way: TlsWay,
  tls: TlsOptions,
  signal?: AbortSignal,
): Promise<Socket> {
  const port = "port" in server.address ? server.address.port : 0;
  const options = { secureTransport: way, tls, signal };
  const socket = bench.connect({ hostname: "localhost", port }, options);
  return way === "on" ? socket : await startTls(bench, socket);
}

/**
 * Takes the next connection with TLS in one of the two ways. That it fails may go unseen.
 *
 * @param bench The bench.
 * @param server The server.
 * @param way The way.
 * @param options How; with the right certificate when not given.
 * @returns The secured connection.
 */
export function acceptTls(
  bench: RuntimeBench,
  server: PeerServer,
  way: TlsWay,
  options: PeerTlsOptions = certificatesOf(bench).server,
): Promise<SecuredEnd> {
  const accepting = bench.accept(server).then((peer) =>
    way === "on" ? peer.startTls(options) : upgrade(peer, options)
  );
  accepting.catch(() => {});
  return accepting;
}

/**
 * Takes the next connection up to where the server's part of the handshake would begin.
 *
 * @param bench The bench.
 * @param server The server.
 * @param way The way to TLS.
 * @returns The plain connection, on which the client's first TLS message has come.
 */
export async function acceptHello(
  bench: RuntimeBench,
  server: PeerServer,
  way: TlsWay,
): Promise<PeerEnd> {
  const peer = await bench.accept(server);
  if (way === "starttls") await answer(peer);
  await peer.some();
  return peer;
}

/**
 * Opens a secured socket with a recorder as its receiver.
 *
 * @param bench The bench.
 * @param way The way to TLS.
 * @returns The socket, its recorder and its peer.
 */
export async function openSecured(bench: RuntimeBench, way: TlsWay): Promise<RecordedSocket> {
  const server = await bench.listen();
  const accepting = acceptTls(bench, server, way);
  const socket = await connectTls(bench, server, way, trusting(bench));
  await bench.opened(socket);
  const { peer } = await accepting;
  return { server, socket, recorder: bench.record(socket), peer };
}

/**
 * Checks that a secured socket carries bytes both ways.
 *
 * @param bench The bench.
 * @param socket The socket.
 * @param peer Its peer.
 */
export async function converse(bench: RuntimeBench, socket: Socket, peer: PeerEnd): Promise<void> {
  expectSame(socket.secure, true, "`secure` of a secured socket");
  const recorder = bench.record(socket);
  socket.write(bytesOf("hello"));
  expectSame(await peer.takeText(5), "hello", "what the peer got");
  peer.write("good day");
  expectSame(await recorder.take(8), "good day", "what was handed out");
}
