/**
 * The conformance kit for authors of drivers.
 *
 * @module
 */

import { DriverBench, type DriverCheck } from "./driver_bench.ts";
import { cancelChecks } from "./driver_checks/cancel_checks.ts";
import { closeChecks } from "./driver_checks/close_checks.ts";
import { connectChecks } from "./driver_checks/connect_checks.ts";
import { executeChecks } from "./driver_checks/execute_checks.ts";
import { judgementChecks } from "./driver_checks/judgement_checks.ts";
import { lossChecks } from "./driver_checks/loss_checks.ts";
import { pingChecks } from "./driver_checks/ping_checks.ts";
import { resetChecks } from "./driver_checks/reset_checks.ts";
import { signalChecks } from "./driver_checks/signal_checks.ts";
import { statusChecks } from "./driver_checks/status_checks.ts";
import type { DriverSubject } from "./driver_subject.ts";

/**
 * Registers one test, as `Deno.test`, the `test` of `node:test` and that of `bun:test` do.
 *
 * @param name Name of the test.
 * @param fn The test; rejects if it fails.
 */
export type RegisterTest = (name: string, fn: () => Promise<void>) => void;

const CHECKS: readonly DriverCheck[] = [
  ...connectChecks,
  ...closeChecks,
  ...lossChecks,
  ...statusChecks,
  ...resetChecks,
  ...executeChecks,
  ...pingChecks,
  ...cancelChecks,
  ...signalChecks,
  ...judgementChecks,
];

/**
 * Tests a driver against the contract of `Driver`, clause by clause. A driver that passes can be trusted by the pool.
 *
 * @param subject The driver, and how to do with it what the contract leaves to the database.
 * @param test Registers a test; one is registered per clause that the subject's capabilities allow to prove.
 *
 * @example Test a driver on Deno
 * ```ts
 * import { FakeDriver, fakeSubject, testDriver } from "@steady/pool/testing";
 *
 * testDriver(fakeSubject(() => new FakeDriver()), Deno.test);
 * ```
 */
export function testDriver<C>(subject: DriverSubject<C>, test: RegisterTest): void {
  for (const check of CHECKS) {
    if (check.applies !== undefined && !check.applies(subject as DriverSubject<unknown>)) continue;
    test(`${subject.name}: ${check.clause}`, () => DriverBench.run(subject, check));
  }
}
