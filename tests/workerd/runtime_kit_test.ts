/**
 * The adapter of workerd passes the conformance kit, inside of workerd.
 */

import { assertStringIncludes } from "@std/assert";
import type { Runtime } from "../../src/testing/mod.ts";
import { nodePeers } from "../runtime/node_peers.ts";
import { certificates } from "../runtime/subject.ts";
import { type KitFacts, testWorkerd, workerdSubject } from "./kit_subject.ts";
import { PeerLines } from "./peer_server.ts";
import { Workerd } from "./workerd.ts";

/** How long a check may take as a whole, in milliseconds; a bound for what should never happen. */
const CHECK_MS = 30_000;

/** How long a check that fails may wait for what never comes, in milliseconds. */
const FAILURE_MS = 500;

/** Checks that cannot hold on workerd, and why. */
const LEFT_OUT: readonly { readonly reason: string; readonly checks: readonly string[] }[] = [
  {
    // What holds instead is checked in their place.
    reason: "after startTls() workerd calls a socket open before the handshake is done",
    checks: [
      'TLS after startTls() with verify "full" refuses a certificate for a wrong host',
      'TLS after startTls() with verify "full" refuses a certificate by an unknown authority',
      "TLS after startTls() verifies tls.serverName instead of the host name, where given",
      "TLS after startTls() is stopped in the handshake when the signal fires",
      "TLS after startTls() leaves no connection when it is stopped in the handshake",
      "TLS after startTls() rejects `opened` when the peer hangs up in the handshake",
      "TLS after startTls() fails when the peer does not speak it",
    ],
  },
  {
    reason: "workerd gives up a connect by TLS that is under way only when the request ends",
    checks: ["TLS from the first byte leaves no connection when it is stopped in the handshake"],
  },
];

const leftOut = new Set(
  LEFT_OUT.flatMap(({ checks }) => checks.map((check) => `workerd: ${check}`)),
);

const stack = new AsyncDisposableStack();
let lines: PeerLines;
let workerd: Workerd;

// Not in the first test: what that started, Deno's sanitizers would call its leak. Nor at the top level: where no check is
// asked for, nobody would end it.
Deno.test.beforeAll(async () => {
  lines = stack.use(new PeerLines());
  const facts: KitFacts = { url: lines.url, kinds: nodePeers.kinds, certificates };
  workerd = stack.use(
    await Workerd.start({
      worker: new URL("kit_worker.ts", import.meta.url),
      env: { FACTS: JSON.stringify(facts) },
      authority: certificates.authority,
    }),
  );
});

Deno.test.afterAll(() => stack.disposeAsync());

/** Runs a check in the worker; returns what was wrong. */
async function run(check: string, limit?: { readonly limitMs: string }): Promise<string> {
  const query = new URLSearchParams({ check, ...limit });
  const signal = AbortSignal.timeout(CHECK_MS);
  try {
    const { problem } = await workerd.get<{ problem?: string }>(`/?${query}`, { signal });
    return problem ?? "";
  } finally {
    await lines.over();
  }
}

/** Stands in for the runtime where only the names of the checks are asked for. */
const nowhere = {} as Runtime;

testWorkerd(workerdSubject(nowhere, nodePeers, certificates), (name) => {
  if (leftOut.has(name)) return;
  Deno.test(name, async () => {
    const problem = await run(name);
    if (problem !== "") throw new Error(problem);
  });
});

Deno.test("workerd: the checks that are left out of the kit fail", async () => {
  for (const name of leftOut) {
    const problem = await run(name, { limitMs: `${FAILURE_MS}` });
    assertStringIncludes(problem, "ConformanceError", `nothing keeps workerd from: ${name}`);
  }
});
