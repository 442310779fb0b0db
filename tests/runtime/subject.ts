/**
 * Runtimes of this project as the conformance kit takes them.
 *
 * @module
 */

import { createPrivateKey } from "node:crypto";
import type { Runtime, RuntimeCertificates, RuntimeSubject } from "../../src/testing/mod.ts";
import { makeCertificates } from "../support/certificates.ts";
import { nodePeers } from "./node_peers.ts";

/** Certificates for one run of the tests. */
export const certificates: RuntimeCertificates = make();

function make(): RuntimeCertificates {
  const { ca, server, wrongHost, client, strangeCa } = makeCertificates("steady");
  const passphrase = "a secret";
  const key = createPrivateKey(client.key)
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase }).toString();
  return {
    authority: ca.cert,
    otherAuthority: strangeCa.cert,
    server,
    wrongHost,
    // By an authority of the same name with another key.
    stranger: makeCertificates("nobody").server,
    clients: [client, { cert: client.cert, key, passphrase }],
  };
}

/**
 * A subject that can do everything.
 *
 * @param name Its name.
 * @param runtime The runtime.
 * @param overrides What is different with it.
 * @returns The subject.
 */
export function subjectOf(
  name: string,
  runtime: Runtime,
  overrides: Partial<RuntimeSubject> = {},
): RuntimeSubject {
  return { name, runtime, peers: nodePeers, certificates, ...overrides };
}
