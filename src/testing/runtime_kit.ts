/**
 * The conformance kit for authors of runtime adapters.
 *
 * @module
 */

import type { RegisterTest } from "./driver_kit.ts";
import { RuntimeBench, type RuntimeCheck } from "./runtime_bench.ts";
import { abortChecks } from "./runtime_checks/abort_checks.ts";
import { closeChecks } from "./runtime_checks/close_checks.ts";
import { contextChecks } from "./runtime_checks/context_checks.ts";
import { destroyChecks } from "./runtime_checks/destroy_checks.ts";
import { hygieneChecks } from "./runtime_checks/hygiene_checks.ts";
import { lossChecks } from "./runtime_checks/loss_checks.ts";
import { openingChecks } from "./runtime_checks/opening_checks.ts";
import { readChecks } from "./runtime_checks/read_checks.ts";
import { refusalChecks } from "./runtime_checks/refusal_checks.ts";
import { startTlsChecks } from "./runtime_checks/start_tls_checks.ts";
import { tlsIdentityChecks } from "./runtime_checks/tls_identity_checks.ts";
import { tlsLifeChecks } from "./runtime_checks/tls_life_checks.ts";
import { tlsTrustChecks } from "./runtime_checks/tls_trust_checks.ts";
import { writeChecks } from "./runtime_checks/write_checks.ts";
import type { RuntimeSubject } from "./runtime_subject.ts";

const CHECKS: readonly RuntimeCheck[] = [
  ...openingChecks,
  ...abortChecks,
  ...writeChecks,
  ...readChecks,
  ...lossChecks,
  ...closeChecks,
  ...destroyChecks,
  ...tlsTrustChecks,
  ...tlsLifeChecks,
  ...startTlsChecks,
  ...tlsIdentityChecks,
  ...refusalChecks,
  ...contextChecks,
  ...hygieneChecks,
];

/**
 * Tests a runtime against the contract of `Runtime` and its `Socket`, clause by clause. A runtime that passes can carry
 * drivers and pools. What the kit cannot see from inside of one process is left to the author: whether `unref` lets it
 * exit.
 *
 * @param subject The runtime, the peers that its sockets talk with, and what it cannot do.
 * @param test Registers a test; one is registered per clause that the subject allows to prove.
 *
 * @example Test a runtime
 * ```ts
 * import type { Runtime } from "@steady/pool";
 * import { type TestPeers, testRuntime } from "@steady/pool/testing";
 *
 * declare const runtime: Runtime; // yours
 * declare const peers: TestPeers; // servers on this machine
 *
 * testRuntime({ name: "mine", runtime, peers, cannot: { unixSockets: true } }, Deno.test);
 * ```
 */
export function testRuntime(subject: RuntimeSubject, test: RegisterTest): void {
  for (const check of CHECKS) {
    if (check.applies !== undefined && !check.applies(subject)) continue;
    test(`${subject.name}: ${check.clause}`, () => RuntimeBench.run(subject, check));
  }
}
