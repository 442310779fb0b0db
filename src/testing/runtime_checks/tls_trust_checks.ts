/**
 * TLS: what is verified of a server's certificate.
 *
 * @module
 */

import type { RuntimeLimits, TestIdentity } from "../runtime_subject.ts";
import type { RuntimeBench, RuntimeCheck } from "../runtime_bench.ts";
import type { TlsOptions } from "../../core/runtime.ts";
import { expect, expectSame } from "../expect.ts";
import {
  acceptTls,
  certificatesOf,
  checksTls,
  connectTls,
  converse,
  TLS_WAYS,
  TLS_WORDS,
  type TlsWay,
  trusting,
} from "../tls_bench.ts";
import { failureOf } from "./failure.ts";

type Shown = "the right host" | "a wrong host" | "an unknown authority";

/** What of a server is verified, and what its certificate says. */
const TRUST: readonly (readonly [
  verify: TlsOptions["verify"],
  shown: Shown,
  accepted: boolean,
])[] = [
  ["none", "the right host", true],
  ["none", "a wrong host", true],
  ["none", "an unknown authority", true],
  ["ca", "the right host", true],
  ["ca", "a wrong host", true],
  ["ca", "an unknown authority", false],
  ["full", "the right host", true],
  ["full", "a wrong host", false],
  ["full", "an unknown authority", false],
];

const NEEDS: Readonly<Record<TlsOptions["verify"], readonly (keyof RuntimeLimits)[]>> = {
  none: ["verifyNone"],
  ca: ["verifyCa"],
  full: [],
};

function identityFor(bench: RuntimeBench, shown: Shown): TestIdentity {
  const { server, wrongHost, stranger } = certificatesOf(bench);
  if (shown === "the right host") return server;
  return shown === "a wrong host" ? wrongHost : stranger;
}

function trustCheck(
  way: TlsWay,
  [verify, shown, accepted]: typeof TRUST[number],
): RuntimeCheck {
  const verb = accepted ? "accepts" : "refuses";
  return {
    clause: `${TLS_WORDS[way]} with verify "${verify}" ${verb} a certificate for ${shown}`
      .replace("for an", "by an"),
    applies: (subject) => checksTls(subject, ...NEEDS[verify]),
    async prove(bench) {
      const server = await bench.listen();
      const accepting = acceptTls(bench, server, way, identityFor(bench, shown));
      const socket = await connectTls(bench, server, way, trusting(bench, verify));
      if (accepted) {
        await bench.opened(socket);
        await converse(bench, socket, (await accepting).peer);
      } else {
        expect(await failureOf(bench, socket) instanceof Error, "the rejection is an Error");
      }
    },
  };
}

/** Names that are verified instead of the host's, whose certificate the server shows, and whether it is accepted. */
const NAMES: readonly (readonly [name: string, shown: Shown, accepted: boolean])[] = [
  ["elsewhere.test", "a wrong host", true],
  ["localhost", "a wrong host", false],
  ["elsewhere.test", "the right host", false],
  ["127.0.0.1", "the right host", true],
  ["127.0.0.2", "the right host", false],
];

function serverNameCheck(way: TlsWay): RuntimeCheck {
  return {
    clause: `${TLS_WORDS[way]} verifies tls.serverName instead of the host name, where given`,
    applies: (subject) => checksTls(subject, ...(way === "on" ? ["serverName"] as const : [])),
    async prove(bench) {
      for (const [serverName, shown, accepted] of NAMES) {
        const server = await bench.listen();
        const accepting = acceptTls(bench, server, way, identityFor(bench, shown));
        const socket = await connectTls(bench, server, way, { ...trusting(bench), serverName });
        if (accepted) {
          await bench.opened(socket);
          await converse(bench, socket, (await accepting).peer);
        } else await failureOf(bench, socket);
      }
    },
  };
}

/** The checks of trust. */
export const tlsTrustChecks: readonly RuntimeCheck[] = [
  ...TLS_WAYS.flatMap((way) => TRUST.map((trust) => trustCheck(way, trust))),
  {
    clause: "TLS verifies the address when the server has no name, and announces none",
    applies: (subject) => checksTls(subject),
    async prove(bench) {
      const server = await bench.listen();
      const accepting = acceptTls(bench, server, "on");
      const socket = bench.connect(server.address, {
        secureTransport: "on",
        tls: trusting(bench),
      });
      await bench.opened(socket);
      const { peer, serverName } = await accepting;
      await converse(bench, socket, peer);
      expectSame(serverName, undefined, "the name that was announced");
    },
  },
  ...TLS_WAYS.map(serverNameCheck),
  {
    clause: "TLS trusts no other authorities than those that it is given",
    applies: (subject) => checksTls(subject, "authorities"),
    async prove(bench) {
      const server = await bench.listen();
      for (const way of TLS_WAYS) {
        acceptTls(bench, server, way);
        const ca = [certificatesOf(bench).otherAuthority];
        await failureOf(bench, await connectTls(bench, server, way, { verify: "full", ca }));
      }
    },
  },
];
