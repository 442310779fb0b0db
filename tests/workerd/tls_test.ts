import { assertEquals, assertStringIncludes } from "@std/assert";
import { makeCertificates } from "../support/certificates.ts";
import { PostgresServer } from "../support/postgres_server.ts";
import { type Outcome, WORKER } from "./worker_client.ts";
import { Workerd } from "./workerd.ts";

const { ca, server: right, strangeCa } = makeCertificates("worker");

/** Asks a server over TLS, in a workerd that trusts `authority`. */
async function secure(
  server: PostgresServer,
  authority: string,
  parameters: { host: string; servername?: string },
): Promise<Outcome> {
  const { host, ...rest } = parameters;
  await using workerd = await Workerd.start({
    worker: WORKER,
    env: { DATABASE_URL: server.url() },
    authority,
  });
  const query = new URLSearchParams({ url: `${server.url({ host })}?connect_timeout=5`, ...rest });
  return await workerd.get<Outcome>(`/secure?${query}`);
}

Deno.test("A worker speaks TLS with a server whose certificate it trusts", async (test) => {
  await using server = await PostgresServer.start({
    hba: ["hostssl all all samehost scram-sha-256"],
    tls: { ...right, ca: ca.cert },
  });

  await test.step("by the name of its host", async () => {
    assertEquals(await secure(server, ca.cert, { host: "localhost" }), { value: { ssl: true } });
  });

  await test.step("by a name that is given", async () => {
    const parameters = { host: "127.0.0.1", servername: "localhost" };
    assertEquals(await secure(server, ca.cert, parameters), { value: { ssl: true } });
  });

  await test.step("and with no other", async () => {
    const wrong = { host: "localhost", servername: "elsewhere.test" };
    for (
      const [authority, parameters] of [
        [ca.cert, wrong],
        [strangeCa.cert, { host: "localhost" }],
      ] as const
    ) {
      const { name, message = "" } = await secure(server, authority, parameters);
      assertEquals(name, "AcquireTimeoutError", message);
      assertStringIncludes(
        message,
        "the TLS handshake failed (is the certificate publicly trusted",
      );
    }
  });
});
