import { assertEquals } from "@std/assert";
import { tlsPolicy } from "../../../src/driver/postgres/tls.ts";
import { test } from "../../support/harness.ts";

test("tlsPolicy() is none for false, disable and nothing", () => {
  for (const ssl of [false, undefined, null, "disable", ""]) {
    assertEquals(tlsPolicy(ssl, undefined, "h"), undefined);
  }
});

test("tlsPolicy() is none on a Unix socket, whatever is asked for", () => {
  for (const ssl of [true, "require", "verify-full", { ca: "pem" }]) {
    assertEquals(tlsPolicy(ssl, undefined, undefined), undefined);
  }
});

test("tlsPolicy() reads each mode", () => {
  const modes = {
    "allow": { optional: true, verify: "none" },
    "prefer": { optional: true, verify: "none" },
    "require": { optional: false, verify: "none" },
    "verify-ca": { optional: false, verify: "ca" },
    "verify-full": { optional: false, verify: "full" },
  } as const;
  for (const [mode, { optional, verify }] of Object.entries(modes)) {
    const policy = tlsPolicy(mode, undefined, "h");
    assertEquals([policy?.optional, policy?.direct], [optional, false]);
    assertEquals(policy?.tls, { verify, serverName: "h", alpn: undefined });
  }
  const full = tlsPolicy("verify-full", undefined, "h");
  assertEquals(tlsPolicy(true, undefined, "h"), full);
});

test("tlsPolicy() announces the protocol when it is direct, as PostgreSQL asks for", () => {
  for (const ssl of [true, "require", "verify-ca", "verify-full", {}]) {
    const policy = tlsPolicy(ssl, "direct", "h");
    assertEquals([policy?.direct, policy?.tls.alpn], [true, ["postgresql"]]);
    assertEquals(tlsPolicy(ssl, "postgres", "h")?.direct, false);
  }
});

test("tlsPolicy() takes an object in Node's names", () => {
  const given = { cert: "cert", key: "key", passphrase: "phrase" };
  assertEquals(tlsPolicy({ ca: "ca", ...given }, undefined, "h"), {
    optional: false,
    direct: false,
    tls: { verify: "full", serverName: "h", ca: ["ca"], ...given, alpn: undefined },
  });
  const other = tlsPolicy(
    { rejectUnauthorized: false, ca: ["a", "b"], servername: "other" },
    undefined,
    "h",
  );
  assertEquals(
    [other?.tls.verify, other?.tls.ca, other?.tls.serverName],
    ["none", ["a", "b"], "other"],
  );
});
