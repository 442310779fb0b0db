/**
 * workerd as the conformance kit takes it.
 *
 * @module
 */

import type {
  PeerAddressKind,
  RegisterTest,
  Runtime,
  RuntimeCertificates,
  RuntimeSubject,
  TestPeers,
} from "../../src/testing/mod.ts";
import { RuntimeBench } from "../../src/testing/runtime_bench.ts";
import { testRuntime } from "../../src/testing/runtime_kit.ts";
import { lateHandshakeChecks } from "./late_handshake_checks.ts";

/** What the worker has to be told. */
export interface KitFacts {
  /** Where its peers are to be had. */
  readonly url: string;
  /** On what they can listen. */
  readonly kinds: readonly PeerAddressKind[];
  /** Certificates; workerd trusts their authority. */
  readonly certificates: RuntimeCertificates;
}

/**
 * Makes the subject. Outside of workerd, where there is no runtime of it, it is good for the names of its checks.
 *
 * @param runtime The runtime.
 * @param peers The other side of its sockets.
 * @param certificates Certificates by an authority that workerd trusts.
 * @param limitMs How long a check waits before it calls a thing never, unless the kit is to say.
 * @returns The subject.
 */
export function workerdSubject(
  runtime: Runtime,
  peers: TestPeers,
  certificates: RuntimeCertificates,
  limitMs?: number,
): RuntimeSubject {
  return {
    name: "workerd",
    runtime,
    peers,
    certificates,
    trusts: "built-in",
    cannot: {
      unixSockets: true,
      verifyNone: true,
      verifyCa: true,
      authorities: true,
      clientCertificates: true,
      serverName: true,
      alpn: true,
    },
    limitMs,
  };
}

/**
 * Registers the checks of the kit, and those of workerd's own.
 *
 * @param subject The subject.
 * @param test Registers a check.
 */
export function testWorkerd(subject: RuntimeSubject, test: RegisterTest): void {
  testRuntime(subject, test);
  for (const check of lateHandshakeChecks) {
    test(`${subject.name}: ${check.clause}`, () => RuntimeBench.run(subject, check));
  }
}
