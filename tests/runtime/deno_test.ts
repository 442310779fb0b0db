import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtime } from "../../src/runtime/deno.ts";
import { makeCertificates } from "../support/certificates.ts";
import { runtime as nodeRuntime } from "./over_node.ts";
import { exitCases } from "./exit_cases.ts";
import { type SocketCaseContext, socketCases } from "./socket_cases.ts";
import { tlsCases } from "./tls_cases.ts";

const certificates = makeCertificates("steady");
const run = [Deno.execPath(), "run", "--allow-all", "--no-config", "--quiet"] as const;
const adapter = new URL("../../src/runtime/deno.ts", import.meta.url).href;
const context: SocketCaseContext = { runtime, adapter, certificates, trusts: "given", run };

/** The authority, for children that are told to trust it. */
const pem = join(tmpdir(), `steady_${crypto.randomUUID()}.pem`);

/** Runs `fn` while Deno trusts our authority as if it were a built-in one, which is when its own TLS is used. */
async function trusting(fn: () => Promise<void>): Promise<void> {
  const { startTls } = Deno;
  Deno.startTls = (conn, options) =>
    startTls(conn, { ...options, caCerts: [certificates.ca.cert] });
  try {
    await fn();
  } finally {
    Deno.startTls = startTls;
  }
}

for (const { name, fn } of socketCases(context)) Deno.test(`A socket of Deno ${name}`, fn);

const overNode = new URL("over_node.ts", import.meta.url).href;
for (
  const { name, fn } of socketCases({ ...context, runtime: nodeRuntime, adapter: overNode })
) {
  Deno.test(`A socket of Deno over node:net ${name}`, fn);
}

for (const { name, fn } of tlsCases({ ...context, trusts: "built-in" })) {
  Deno.test(`A socket of Deno over Deno.startTls() ${name}`, () => trusting(fn));
}

for (
  const { name, fn } of exitCases({ ...context, trusts: "built-in", run: [...run, "--cert", pem] })
) {
  if (!name.includes("TLS")) continue;
  Deno.test(`A socket of Deno over Deno.startTls() ${name}`, async () => {
    await Deno.writeTextFile(pem, certificates.ca.cert);
    try {
      await fn();
    } finally {
      await Deno.remove(pem);
    }
  });
}
