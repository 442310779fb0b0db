/**
 * What all cases of the sockets' conformance have in common.
 *
 * @module
 */

import type { Runtime } from "../../src/core/runtime.ts";
import type { TestCertificates } from "../support/certificates.ts";

/** One thing a runtime's sockets must do. */
export interface SocketCase {
  /** What it is. */
  readonly name: string;
  /** Checks it; rejects if it is not so. */
  fn(): Promise<void>;
}

/** What cases are run with. */
export interface SocketCaseContext {
  /** The runtime that is checked. */
  readonly runtime: Runtime;
  /** Certificates of servers and clients. */
  readonly certificates: TestCertificates;
  /** Whether the cases' authority is named with each connect, or is among those the runtime trusts by itself. */
  readonly trusts: "given" | "built-in";
  /** Module that exports the runtime. */
  readonly adapter: string;
  /** Program and arguments that run a TypeScript file in this runtime. */
  readonly run: readonly [program: string, ...args: string[]];
}
