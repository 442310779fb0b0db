/**
 * Both means that the Deno adapter is made of pass the conformance kit alone: sockets over `node:net`, and Deno's own TLS.
 * As a whole it is tested in `runtime_kit_test.ts`.
 */

import { type RegisterTest, testRuntime } from "../../src/testing/mod.ts";
import { testOn } from "../support/harness.ts";
import { authorityClause, provesAuthorities } from "./authority_case.ts";
import { testExits } from "./exit_cases.ts";
import { cannot, runtime as denoTls, trusting } from "./over_deno_tls.ts";
import { runtime as overNode } from "./over_node.ts";
import { subjectOf } from "./subject.ts";

const REASON = "what the Deno adapter is made of";
const test: RegisterTest = (name, fn) => testOn(["deno"], REASON, name, fn);

const OVER_NODE = "deno over node:net";
testRuntime(subjectOf(OVER_NODE, overNode), test);
test(`${OVER_NODE}: ${authorityClause}`, () => provesAuthorities(overNode));
testExits({ name: OVER_NODE, adapter: new URL("over_node.ts", import.meta.url) }, test);

const OWN_TLS = "deno by Deno.startTls()";
testRuntime(subjectOf(OWN_TLS, denoTls, { trusts: "built-in", cannot }), (name, fn) => {
  // Plain sockets are the same with either TLS.
  if (!/tls/i.test(name.slice(OWN_TLS.length))) return;
  // Deno 2.9 keeps a connection that is closed in the handshake until the peer has its say, or hangs up.
  if (name.endsWith("leaves no connection when it is stopped in the handshake")) return;
  test(name, () => trusting(fn));
});
const deno = new URL("../../src/runtime/deno.ts", import.meta.url);
testExits({ name: OWN_TLS, adapter: deno, trusts: "built-in", tlsOnly: true }, test);
