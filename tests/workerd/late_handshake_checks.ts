/**
 * What holds on workerd of handshakes after `startTls()`, in place of the kit's checks that a socket whose handshake fails
 * does not open: it opens, but ends with an error, and not a byte goes out in the clear or to a stranger.
 *
 * @module
 */

import type { Socket, TlsOptions } from "../../src/testing/mod.ts";
import { bytesOf } from "../../src/testing/byte_pattern.ts";
import { expect, expectSame } from "../../src/testing/expect.ts";
import { turns } from "../../src/testing/limit.ts";
import type { PeerEnd } from "../../src/testing/peer_end.ts";
import type { RuntimeBench, RuntimeCheck } from "../../src/testing/runtime_bench.ts";
import type { RuntimeCertificates, TestIdentity } from "../../src/testing/mod.ts";
import {
  acceptHello,
  acceptTls,
  certificatesOf,
  connectTls,
  trusting,
} from "../../src/testing/tls_bench.ts";

/** Writes on an open socket whose handshake fails, and waits until it has ended as it must. */
async function expectFailure(bench: RuntimeBench, socket: Socket): Promise<void> {
  await bench.opened(socket);
  const recorder = bench.record(socket);
  socket.write(bytesOf("a secret"));
  await recorder.closed;
  await bench.closed(socket);
  expect(recorder.error instanceof Error, "`close` after a failed handshake has an error");
  expectSame(recorder.size, 0, "bytes handed out");
}

function refusal(
  shown: string,
  identityOf: (certificates: RuntimeCertificates) => TestIdentity,
  tls?: Partial<TlsOptions>,
): RuntimeCheck {
  return {
    clause: `TLS after startTls() sends nothing to a server with ${shown}, and ends with an error`,
    async prove(bench) {
      const server = await bench.listen();
      const accepting = acceptTls(bench, server, "starttls", identityOf(certificatesOf(bench)));
      const socket = await connectTls(bench, server, "starttls", { ...trusting(bench), ...tls });
      await expectFailure(bench, socket);
      // For the server the handshake may have been done before the client refused it.
      const secured = await accepting.catch(() => undefined);
      const got = await secured?.peer.take(1).then(() => true, () => false) ?? false;
      expect(!got, "the server gets nothing");
    },
  };
}

function disturbance(event: string, disturb: (peer: PeerEnd) => Promise<void>): RuntimeCheck {
  return {
    clause: `TLS after startTls() ends with an error when the peer ${event}`,
    async prove(bench) {
      const server = await bench.listen();
      const disturbing = acceptHello(bench, server, "starttls").then(disturb);
      const socket = await connectTls(bench, server, "starttls", trusting(bench));
      await expectFailure(bench, socket);
      await disturbing;
    },
  };
}

/** The checks. */
export const lateHandshakeChecks: readonly RuntimeCheck[] = [
  refusal("a certificate for a wrong host", ({ wrongHost }) => wrongHost),
  refusal("a certificate by an unknown authority", ({ stranger }) => stranger),
  refusal("another name than tls.serverName", ({ server }) => server, {
    serverName: "elsewhere.test",
  }),
  disturbance("hangs up in the handshake", (peer) => peer.end()),
  disturbance("does not speak it", (peer) => peer.write("injected by somebody in between")),
  {
    clause: "TLS after startTls() leaves no connection when it is destroyed in the handshake",
    async prove(bench) {
      const server = await bench.listen();
      const hello = acceptHello(bench, server, "starttls");
      const socket = await connectTls(bench, server, "starttls", trusting(bench));
      const peer = await hello;
      await turns();
      socket.destroy();
      await bench.closed(socket);
      await peer.hungUp();
    },
  },
];
