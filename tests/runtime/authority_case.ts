/**
 * Authorities that are given take the place of those that the platform trusts by itself.
 *
 * @module
 */

import { assertRejects } from "@std/assert";
import * as nodeTls from "node:tls";
import { connect, getCACertificates } from "node:tls";
import type { Runtime } from "../../src/core/runtime.ts";
import { certificates } from "./subject.ts";
import { withServer } from "./test_server.ts";

/** `tls.setDefaultCACertificates`, which the types do not know yet. */
const setDefaultAuthorities: (authorities: readonly string[]) => void = Reflect.get(
  nodeTls,
  "setDefaultCACertificates",
);

/** Name of the case. */
export const authorityClause =
  "TLS trusts none but the authorities it is given, not even those that it trusts by itself";

/**
 * Checks it, of a runtime that does TLS by `node:tls`.
 *
 * @param runtime The runtime.
 */
export async function provesAuthorities(runtime: Runtime): Promise<void> {
  const usual = getCACertificates("default");
  setDefaultAuthorities([certificates.authority]);
  try {
    await withServer(async (server) => {
      const { port } = server;
      const bystander = server.acceptTls(certificates.server);
      const client = connect({ host: "127.0.0.1", port, servername: "localhost" });
      await new Promise<void>((resolve, reject) => {
        client.once("secureConnect", resolve);
        client.once("error", reject);
      });
      await bystander;
      client.destroy();

      server.acceptTls(certificates.server).catch(() => {});
      const socket = runtime.connect({ hostname: "localhost", port }, {
        secureTransport: "on",
        tls: { verify: "full", ca: [certificates.otherAuthority] },
      });
      await assertRejects(() => socket.opened, Error);
      await socket.closed;
    });
  } finally {
    setDefaultAuthorities(usual);
  }
}
