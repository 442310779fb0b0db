/**
 * TLS: what a client shows, and TLS where there is no host.
 *
 * @module
 */

import type { TestIdentity } from "../runtime_subject.ts";
import { expectSame, expectTypeError } from "../expect.ts";
import type { RuntimeCheck } from "../runtime_bench.ts";
import {
  acceptTls,
  certificatesOf,
  checksTls,
  connectTls,
  converse,
  TLS_WAYS,
  TLS_WORDS,
  trusting,
} from "../tls_bench.ts";
import { failureOf } from "./failure.ts";

/** The checks of identities. */
export const tlsIdentityChecks: readonly RuntimeCheck[] = [
  ...TLS_WAYS.flatMap((way): RuntimeCheck[] => [
    {
      clause: `${TLS_WORDS[way]} shows its certificate to a server that asks for it`,
      applies: (subject) => checksTls(subject, "clientCertificates"),
      async prove(bench) {
        const { server: { cert, key }, clients, authority } = certificatesOf(bench);
        for (const client of clients) {
          const server = await bench.listen();
          const clientAuthorities = [authority];
          const accepting = acceptTls(bench, server, way, { cert, key, clientAuthorities });
          const tls = { ...trusting(bench), ...client };
          const socket = await connectTls(bench, server, way, tls);
          await bench.opened(socket);
          const { peer, clientName } = await accepting;
          await converse(bench, socket, peer);
          expectSame(clientName, "steady", "the name in the certificate that the server saw");
        }
      },
    },
    {
      clause: `${TLS_WORDS[way]} rejects \`opened\` when its certificate or key cannot be read`,
      applies: (subject) => checksTls(subject, "clientCertificates"),
      async prove(bench) {
        const { clients: [{ cert }], server: { key } } = certificatesOf(bench);
        const unreadable: readonly TestIdentity[] = [
          { cert: "not a certificate", key: "not a key" },
          // Of another certificate.
          { cert, key },
        ];
        for (const identity of unreadable) {
          const server = await bench.listen();
          acceptTls(bench, server, way);
          const tls = { ...trusting(bench), ...identity };
          await failureOf(bench, await connectTls(bench, server, way, tls));
        }
      },
    },
  ]),
  {
    clause: "TLS works over a Unix socket, and needs a name to verify one",
    applies: (subject) =>
      subject.peers.kinds.includes("unix") && checksTls(subject, "unixSockets", "serverName"),
    async prove(bench) {
      const server = await bench.listen("unix");
      const accepting = acceptTls(bench, server, "on");
      const tls = { ...trusting(bench), serverName: "localhost" };
      const socket = bench.connect(server.address, { secureTransport: "on", tls });
      await bench.opened(socket);
      await converse(bench, socket, (await accepting).peer);
      expectTypeError(
        () => bench.connect(server.address, { secureTransport: "on", tls: trusting(bench) }),
        "connect without a name to verify throws a TypeError",
      );
    },
  },
];
