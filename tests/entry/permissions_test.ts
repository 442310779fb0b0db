import { assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { makeCertificates } from "../support/certificates.ts";
import { query } from "../support/query.ts";
import { sharedServer } from "../support/shared_server.ts";
import { testOn } from "../support/harness.ts";

const SCRIPT = fileURLToPath(new URL("./permissions_child.ts", import.meta.url));
const REASON = "its programs need no permissions";
const ANSWER = { answer: "ok", list: [1, 2], fine: true };

const address = new URL(sharedServer().url);

/** How the program is run. */
interface RunOptions {
  readonly url?: string;
  readonly options?: object;
  readonly env?: Record<string, string>;
}

/** What the program says when it has these permissions, and nobody to ask for more. */
async function run(
  flags: readonly string[],
  { url = address.href, options = {}, env = {} }: RunOptions = {},
): Promise<Record<string, unknown>> {
  const args = ["run", "--quiet", "--no-check", "--no-prompt", ...flags, SCRIPT];
  // Not by node:child_process, in whose hands a Deno without permissions is one with all.
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, url, JSON.stringify(options)],
    env,
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(decoder.decode(stderr));
  return JSON.parse(decoder.decode(stdout));
}

/** Checks that nothing was tried twice, and that the flags are named. */
function assertDenied(said: Record<string, unknown>, flags: string): void {
  assertEquals([said.name, said.retryable, said.cause], ["ConnectError", false, "NotCapable"]);
  assertStringIncludes(String(said.message), flags);
}

function test(name: string, fn: () => Promise<void>): void {
  testOn(["deno"], REASON, name, fn);
}

test("The permission to use the network is all that a query needs", async () => {
  assertEquals(await run(["--allow-net"]), ANSWER);
  assertEquals(await run([`--allow-net=${address.host}`]), ANSWER);
  assertEquals(await run(["--allow-net", "--allow-env"]), ANSWER);
  assertEquals(await run(["--allow-net", "--ignore-env"]), ANSWER);
  assertEquals(await run(["--allow-net", "--deny-env"]), ANSWER);
});

test("What may be read of the environment is read, the rest is as if it were not set", async () => {
  const { hostname: PGHOST, port: PGPORT, username: PGUSER, password: PGPASSWORD } = address;
  const env = { PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE: "postgres" };
  const url = "postgres://";
  assertEquals(await run(["--allow-net", "--allow-env"], { url, env }), ANSWER);
  const names = "PGHOST,PGPORT,PGUSER,PGPASSWORD";
  const wrong = { ...env, PGDATABASE: "no_such_database", PGSSL: "verify-full" };
  const options = { database: "postgres" };
  const flags = ["--allow-net", `--allow-env=${names}`];
  assertEquals(await run(flags, { url, env: wrong, options }), ANSWER);
});

test("Nobody can tell the user: the error says how to", async () => {
  const said = await run(["--allow-net"], { url: "postgres://localhost/app" });
  assertEquals(said.name, "TypeError");
  assertStringIncludes(String(said.message), "user is not given and cannot be found out");
  assertStringIncludes(String(said.message), "--allow-env=PGUSER");
});

test("Without the permission to use the network the error names the flag, at once", async () => {
  const { port, username, password } = address;
  const flag = (host: string): string => `run it with --allow-net=${host}:${port}`;
  assertDenied(await run([]), flag(address.hostname));
  const options = { acquireTimeoutMs: 60_000 };
  for (const host of ["localhost", "[::1]"]) {
    const url = `postgres://${username}:${password}@${host}:${port}/postgres`;
    assertDenied(await run(["--allow-net=127.0.0.1:1"], { url, options }), flag(host));
  }
});

test("TLS over node:tls: without the permission to use the network the error names the flag", async () => {
  const { port, username, password } = address;
  const options = { ssl: { ca: makeCertificates("nobody").ca.cert } };
  for (const host of ["localhost", "127.0.0.1"]) {
    const url = `postgres://${username}:${password}@${host}:${port}/postgres`;
    assertDenied(await run([], { url, options }), `run it with --allow-net=${host}:${port}`);
  }
});

test("A Unix socket needs three permissions, and the error names them all", async () => {
  const [row] = await query(address.href, "show unix_socket_directories");
  const path = `${row?.unix_socket_directories}/.s.PGSQL.${address.port}`;
  const flags = [`--allow-read=${path}`, `--allow-write=${path}`, `--allow-net=unix:${path}`];
  const options = { path };
  assertEquals(await run(flags, { options }), ANSWER);
  for (const flag of flags) {
    const others = flags.filter((other) => other !== flag);
    assertDenied(await run(others, { options }), `run it with ${flags.join(" ")}`);
  }
});
