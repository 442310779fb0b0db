/**
 * A runtime that does TLS by Deno's own means only, and refuses what they cannot do: what the Deno adapter uses for some
 * plans must be good for all that it could use it for.
 *
 * @module
 */

import type { Runtime, RuntimeLimits } from "../../src/testing/mod.ts";
import { capture, contextVariable, root } from "../../src/runtime/async_context.ts";
import { planConnect } from "../../src/runtime/connect_plan.ts";
import { denoDialer } from "../../src/runtime/deno_dial.ts";
import { PulledSocket } from "../../src/runtime/pulled_socket.ts";
import { certificates } from "./subject.ts";

/** What Deno's own TLS cannot do. */
export const cannot: RuntimeLimits = {
  unixSockets: true,
  verifyNone: true,
  authorities: true,
  clientCertificates: true,
};

/** The runtime. */
export const runtime: Runtime = {
  name: "Deno.startTls",
  connect(address, options) {
    const plan = planConnect(address, options);
    const { tls } = plan;
    if (
      "path" in address || tls?.verify === "none" || tls?.ca !== undefined ||
      tls?.cert !== undefined
    ) {
      throw new TypeError("Deno.startTls cannot do this");
    }
    return new PulledSocket(denoDialer, plan);
  },
  contextVariable,
  root,
  capture,
};

/**
 * Does something while Deno trusts the tests' authority as if it were a built-in one.
 *
 * @param fn What to do.
 */
export async function trusting(fn: () => Promise<void>): Promise<void> {
  const { startTls } = Deno;
  Deno.startTls = (conn, options) =>
    startTls(conn, { ...options, caCerts: [certificates.authority] });
  try {
    await fn();
  } finally {
    Deno.startTls = startTls;
  }
}
