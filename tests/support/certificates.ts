/**
 * Certificates for tests of TLS, made at run time: a file of them would expire.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
} from "node:crypto";
import { isIP } from "node:net";
import {
  bitString,
  element,
  explicit,
  implicit,
  integer,
  objectIdentifier,
  sequence,
  TAG,
  utcTime,
  utf8String,
} from "./der.ts";

/** A certificate and its private key, both in PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** All that a test of TLS needs. */
export interface TestCertificates {
  /** The authority that issued the other ones, self-signed. */
  readonly ca: Certificate;
  /** For a server at `localhost` or `127.0.0.1`. */
  readonly server: Certificate;
  /** For a server somewhere else (`elsewhere.test`). */
  readonly wrongHost: Certificate;
  /** For a client; its common name is the user it logs in as. */
  readonly client: Certificate;
  /** An authority that has nothing to do with any of them. */
  readonly strangeCa: Certificate;
}

/** What a certificate is to say. */
interface Contents {
  readonly commonName: string;
  /** Extensions, encoded. */
  readonly extensions: readonly Uint8Array[];
  /** Whose key signs it; its own when not given. */
  readonly issuer?: { readonly commonName: string; readonly key: string };
}

const OID = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

const DAY_MS = 24 * 60 * 60 * 1000;

function extension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  const flag = critical ? [element(TAG.boolean, Uint8Array.of(0xff))] : [];
  return sequence(objectIdentifier(oid), ...flag, element(TAG.octetString, value));
}

/** BOOLEAN true: it is an authority; and it signs certificates (bit 5). */
const AUTHORITY = [
  extension(OID.basicConstraints, sequence(element(TAG.boolean, Uint8Array.of(0xff))), true),
  extension(OID.keyUsage, bitString(Uint8Array.of(0b0000_0100), 2), true),
];

/** No authority; digital signatures (bit 0); for one use. */
function endEntity(use: string): Uint8Array[] {
  return [
    extension(OID.basicConstraints, sequence(), true),
    extension(OID.keyUsage, bitString(Uint8Array.of(0b1000_0000), 7), true),
    extension(OID.extendedKeyUsage, sequence(objectIdentifier(use))),
  ];
}

/** Host names and IPv4 addresses the certificate is for. */
function alternativeNames(names: readonly string[]): Uint8Array {
  const encoded = names.map((name) =>
    isIP(name) === 4
      ? implicit(7, Uint8Array.from(name.split(".").map(Number)))
      : implicit(2, new TextEncoder().encode(name))
  );
  return extension(OID.subjectAltName, sequence(...encoded));
}

function distinguishedName(commonName: string): Uint8Array {
  return sequence(
    element(TAG.set, sequence(objectIdentifier(OID.commonName), utf8String(commonName))),
  );
}

function publicKeyOf(privateKey: string): Uint8Array {
  return createPublicKey(privateKey).export({ type: "spki", format: "der" });
}

/** The name of a key, by which a verifier finds the right authority. */
function keyIdentifier(key: string): Uint8Array {
  return createHash("sha256").update(publicKeyOf(key)).digest().subarray(0, 20);
}

function keyIdentifiers(subjectKey: string, issuerKey: string): Uint8Array[] {
  const subject = element(TAG.octetString, keyIdentifier(subjectKey));
  return [
    extension(OID.subjectKeyIdentifier, subject),
    extension(OID.authorityKeyIdentifier, sequence(implicit(0, keyIdentifier(issuerKey)))),
  ];
}

function pem(label: string, bytes: Uint8Array): string {
  const lines = Buffer.from(bytes).toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

function issue({ commonName, extensions, issuer }: Contents): Certificate {
  const { privateKey: key } = generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const algorithm = sequence(objectIdentifier(OID.ecdsaWithSha256));
  const serial = randomBytes(16);
  // Neither zero in front nor negative: both are read differently by different libraries.
  serial[0] = 0x40 | ((serial[0] ?? 0) & 0x3f);
  const now = Date.now();
  const body = sequence(
    explicit(0, integer(Uint8Array.of(2))), // Version 3
    integer(serial),
    algorithm,
    distinguishedName(issuer?.commonName ?? commonName),
    sequence(utcTime(new Date(now - DAY_MS)), utcTime(new Date(now + DAY_MS))),
    distinguishedName(commonName),
    publicKeyOf(key),
    explicit(3, sequence(...extensions, ...keyIdentifiers(key, issuer?.key ?? key))),
  );
  const signature = sign("sha256", body, createPrivateKey(issuer?.key ?? key));
  return { cert: pem("CERTIFICATE", sequence(body, algorithm, bitString(signature))), key };
}

/**
 * Makes an authority and certificates by it, valid from yesterday until tomorrow.
 *
 * @param clientUser Name in the client's certificate.
 * @returns All in PEM.
 */
export function makeCertificates(clientUser: string): TestCertificates {
  const authority = (commonName: string) => issue({ commonName, extensions: AUTHORITY });
  const ca = authority("Steady test authority");
  const issuer = { commonName: "Steady test authority", key: ca.key };
  const server = (names: readonly string[]) =>
    issue({
      commonName: "Steady test server",
      extensions: [...endEntity(OID.serverAuth), alternativeNames(names)],
      issuer,
    });
  return {
    ca,
    server: server(["localhost", "127.0.0.1"]),
    wrongHost: server(["elsewhere.test"]),
    client: issue({ commonName: clientUser, extensions: endEntity(OID.clientAuth), issuer }),
    strangeCa: authority("Steady test stranger"),
  };
}
