/**
 * What a runtime cannot do it refuses to: nothing that was asked for is left out in silence.
 *
 * @module
 */

import type { ConnectOptions, SocketAddress, TlsOptions } from "../../core/runtime.ts";
import { expectTypeError } from "../expect.ts";
import type { RuntimeBench, RuntimeCheck } from "../runtime_bench.ts";
import type { RuntimeLimits } from "../runtime_subject.ts";
import { TLS_WAYS, type TlsWay } from "../tls_bench.ts";

/** What asks for a thing that not every runtime can do. */
interface Request {
  readonly name: string;
  readonly address?: SocketAddress;
  /** Options of TLS; the connect is plain without. */
  readonly tls?: (bench: RuntimeBench) => TlsOptions;
  /** The ways to TLS that are meant; both when not given. */
  readonly ways?: readonly TlsWay[];
}

const PEM = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";

const REQUESTS: Readonly<Record<keyof RuntimeLimits, Request>> = {
  unixSockets: { name: "a Unix socket", address: { path: "/steady_nothing_here.sock" } },
  verifyNone: { name: 'TLS with verify "none"', tls: () => ({ verify: "none" }) },
  verifyCa: { name: 'TLS with verify "ca"', tls: () => ({ verify: "ca" }) },
  authorities: {
    name: "TLS with authorities",
    tls: ({ subject }) => ({ verify: "full", ca: [subject.certificates?.authority ?? PEM] }),
  },
  clientCertificates: {
    name: "TLS with a client certificate",
    tls: ({ subject }) => {
      const { cert = PEM, key = PEM } = subject.certificates?.clients[0] ?? {};
      return { verify: "full", cert, key };
    },
  },
  serverName: {
    name: "TLS from the first byte with another server name",
    ways: ["on"],
    tls: () => ({ verify: "full", serverName: "elsewhere.test" }),
  },
  alpn: {
    name: "TLS with application protocols",
    tls: () => ({ verify: "full", alpn: ["postgresql"] }),
  },
};

const NAMES = Object.keys(REQUESTS) as (keyof RuntimeLimits)[];

/** The checks of refusals: one for each thing that the subject says it cannot do. */
export const refusalChecks: readonly RuntimeCheck[] = NAMES.map((limit) => {
  const { name, address = { hostname: "localhost", port: 1 }, tls, ways = TLS_WAYS } =
    REQUESTS[limit];
  return {
    clause: `connect refuses ${name} with a TypeError, since the runtime cannot do it`,
    applies: ({ cannot }) => cannot?.[limit] === true,
    prove(bench) {
      const options: readonly ConnectOptions[] = tls === undefined
        ? [{}]
        : ways.map((secureTransport) => ({ secureTransport, tls: tls(bench) }));
      for (const each of options) {
        expectTypeError(
          () => bench.connect(address, each),
          `connect with ${name} throws TypeError`,
        );
      }
      return Promise.resolve();
    },
  };
});
