import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { deadline } from "@std/async";
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { makeCertificates } from "./support/certificates.ts";
import { type ChildResult, runChild } from "./support/child.ts";
import { DATABASE_URL_VARIABLE } from "./support/environment.ts";
import { PostgresServer } from "./support/postgres_server.ts";
import { query } from "./support/query.ts";
import { RunDirectory } from "./support/run_directory.ts";
import { freshDatabase } from "./support/shared_server.ts";
import { DenoTestReader } from "./support/deno_lane.ts";
import { RESULTS } from "./support/results.ts";
import { runtimePath } from "./support/runtimes.ts";
import { Score } from "./support/score.ts";
import { suiteOf, SUITES, testFiles } from "./suites.ts";
import { parseSummary } from "./support/test_summary.ts";

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

Deno.test("PostgresServer keeps data and port over restart, kill and start, and leaves nothing", async () => {
  let directory = "";
  let url = "";
  {
    await using server = await PostgresServer.start({ config: { work_mem: "5MB" } });
    directory = server.socketDir;
    url = server.url();
    const [settings] = await query(url, "select current_setting('work_mem') as work_mem");
    assertEquals(settings, { work_mem: "5MB" });
    await server.query("create table kept (n int)");
    const insert = (n: number) => server.query("insert into kept values ($1)", [n]);
    await insert(1);
    await server.stop("smart");
    await assertRejects(() => query(url, "select 1"), Error, "ECONNREFUSED");
    await server.stop(); // Stopping twice is no error.
    await server.start();
    await assertRejects(() => server.start(), Error, "running already");
    await insert(2);
    await server.restart("immediate");
    await insert(3);
    await server.kill();
    await assertRejects(() => query(url, "select 1"), Error, "ECONNREFUSED");
    await server.start();
    assertEquals(await query(url, "select n from kept"), [{ n: 1 }, { n: 2 }, { n: 3 }]);
    assertStringIncludes(await server.log(), "was not properly shut down");
    await server.kill();
  }
  assert(!await exists(directory));
  await assertRejects(() => query(url, "select 1"), Error, "ECONNREFUSED");
});

Deno.test("PostgresServer.terminateBackends() ends the sessions it is asked to, and no other", async () => {
  await using server = await PostgresServer.start();
  const connect = (name: string) =>
    postgres(server.url(), { max: 1, fetch_types: false, connection: { application_name: name } });
  await using stack = new AsyncDisposableStack();
  const [first, second] = [connect("first"), connect("second")];
  for (const sql of [first, second]) stack.defer(() => sql.end());
  const pidOf = async (sql: typeof first) => (await sql`select pg_backend_pid() as pid`)[0]?.pid;
  const [firstPid, secondPid] = [await pidOf(first), await pidOf(second)];
  assertEquals(await server.terminateBackends({ applicationName: "first" }), [firstPid]);
  assertEquals(await pidOf(second), secondPid);
  assertEquals(await server.terminateBackends({ user: "nobody else" }), []);
  assertEquals(await server.terminateBackends({ pid: secondPid }), [secondPid]);
});

Deno.test("PostgresServer.start({ dataOf }) starts with a copy of another server's data", async () => {
  await using original = await PostgresServer.start();
  await original.query("create table copied as select 7 as n");
  await original.stop();
  await using copy = await PostgresServer.start({ dataOf: original });
  await original.start();
  const identifier = "select system_identifier::text as id from pg_control_system()";
  assertEquals(await copy.query(identifier), await original.query(identifier));
  await original.query("update copied set n = 8");
  assertEquals(await copy.query("select n from copied"), [{ n: 7 }]);
});

Deno.test("PostgresServer.start() rejects with the server's own words, and leaves nothing", async () => {
  await using directory = await RunDirectory.create();
  await assertRejects(
    () => PostgresServer.start({ parent: directory.path, config: { no_such_setting: "1" } }),
    Error,
    `unrecognized configuration parameter "no_such_setting"`,
  );
  assertEquals(directory.directories(), []);
});

Deno.test("PostgresServer is gone when the process that started it was killed", async () => {
  const script = `
    import { PostgresServer } from ${
    JSON.stringify(import.meta.resolve("./support/postgres_server.ts"))
  };
    const server = await PostgresServer.start();
    console.log(JSON.stringify({ directory: server.socketDir, url: server.url() }));
    await new Promise(() => setInterval(() => {}, 1000));`;
  const child = spawn(process.execPath, ["eval", script], { stdio: ["ignore", "pipe", "pipe"] });
  const errors: Buffer[] = [];
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
  // "close" comes when its pipes have closed, of which the keeper of its server has one.
  const closed = once(child, "close");
  const [line] = await Promise.race([once(child.stdout, "data"), closed.then(() => ["null"])]);
  const started = JSON.parse(String(line)) as { directory: string; url: string } | null;
  assert(started, Buffer.concat(errors).toString());
  assertEquals(await query(started.url, "select 1 as n"), [{ n: 1 }]);
  child.kill("SIGKILL");
  await deadline(closed, 10_000);
  assert(!await exists(started.directory));
  await assertRejects(() => query(started.url, "select 1"), Error, "ECONNREFUSED");
});

Deno.test("makeCertificates() and hba lines make TLS that verifies both sides", async () => {
  const { ca, server: own, wrongHost, client, strangeCa } = makeCertificates("steady");
  await using server = await PostgresServer.start({
    tls: { ...own, ca: ca.cert },
    hba: [
      "hostssl all +asked all scram-sha-256",
      "hostssl all all all cert",
    ],
  });
  const state = "select ssl, client_dn from pg_stat_ssl where pid = pg_backend_pid()";
  const ask = async (user: string, password: string, tls: Record<string, string>) => {
    const sql = postgres(server.url({ host: "localhost", user, password }), {
      max: 1,
      fetch_types: false,
      ssl: { servername: "localhost", ...tls },
    });
    try {
      return [...await sql.unsafe<{ ssl: boolean; client_dn: string | null }[]>(state)];
    } finally {
      await sql.end();
    }
  };
  await server.query("create role asked");
  await server.query("create role guest login password 'guest-password' in role asked");
  const trusting = { ca: ca.cert };
  assertEquals(await ask("steady", "", { ...trusting, ...client }), [{
    ssl: true,
    client_dn: "/CN=steady",
  }]);
  assertEquals(await ask("guest", "guest-password", trusting), [{ ssl: true, client_dn: null }]);
  await assertRejects(() => ask("guest", "wrong", trusting), Error, "password authentication");
  await assertRejects(() => ask("steady", "", trusting), Error, "valid client certificate");
  await assertRejects(() => ask("steady", "", { ca: strangeCa.cert }), Error, "certificate");
  await assertRejects(
    () => ask("guest", "guest-password", { ...trusting, servername: "elsewhere.test" }),
    Error,
    "altnames",
  );
  await assertRejects(() => query(server.url(), "select 1"), Error, "no encryption");
  const asked = new X509Certificate(wrongHost.cert);
  assertEquals([asked.checkHost("elsewhere.test"), asked.checkHost("localhost")], [
    "elsewhere.test",
    undefined,
  ]);
});

Deno.test("freshDatabase() is empty, one's own, and dropped although it is in use", async () => {
  let url = "";
  {
    await using first = await freshDatabase();
    await using second = await freshDatabase();
    url = first.url;
    await query(first.url, "create table own (n int)");
    await assertRejects(() => query(second.url, "select * from own"), Error, "does not exist");
    const sql = postgres(first.url, { max: 1, onclose: () => {} });
    await sql`select 1`;
    await first[Symbol.asyncDispose]();
    await sql.end();
  }
  await assertRejects(() => query(url, "select 1"), Error, "does not exist");
});

Deno.test("parseSummary() takes the last sums, colours or not", () => {
  assertEquals(parseSummary("ok | 3 passed | 0 failed (1s)\n"), { passed: 3, failed: 0 });
  assertEquals(
    parseSummary(
      "ok | 9 passed | 9 failed\n\x1b[31mFAILED\x1b[0m | 12 passed (4 steps) | 3 failed (1 step) | 1 ignored",
    ),
    { passed: 12, failed: 3 },
  );
  assertEquals(parseSummary("error: Type checking failed."), undefined);
});

Deno.test("DenoTestReader counts tests by file, steps and prints left out, however the output is cut", () => {
  const output = [
    "running 3 tests from ./tests/core/bag_test.ts",
    "Bag.add() counts ... \x1b[32mok\x1b[0m (1ms)",
    "  a step ... ok (1ms)",
    "A test with steps ...",
    "  first ... FAILED (2ms)",
    "A test with steps ... FAILED (due to 1 failed step) (3ms)",
    "model: seed 7",
    "A test that prints ... ok (1m2s)",
    "running 1 test from ./tests/entry/copy_test.ts",
    "copy ... with dots ... ok (10µs)",
    "",
  ].join("\n");
  for (const size of [1, 7, 1_000]) {
    const told: string[] = [];
    const reader = new DenoTestReader((file, passed) => told.push(`${file} ${passed}`));
    for (let at = 0; at < output.length; at += size) reader.read(output.slice(at, at + size));
    assertEquals(told, [
      "core/bag_test.ts true",
      "core/bag_test.ts false",
      "core/bag_test.ts true",
      "entry/copy_test.ts true",
    ]);
  }
});

Deno.test("Score sums up by suite and runtime, and says why something was not run", () => {
  const score = new Score();
  score.of("core/bag_test.ts", "deno").passed = 2;
  score.of("core/clock_test.ts", "bun").failed = 1;
  score.of("entry/copy_test.ts", "node").notApplicable.set("no such thing", 3);
  score.of("workerd/pool_test.ts", "deno").passed = 4;
  assertEquals([score.passed, score.failed], [6, 1]);
  const table = score.table(["deno", "bun", "node", "workerd"]).join("\n");
  for (
    const row of [
      /^\| core +\| 2 passed, 0 failed +\| 0 passed, 1 failed +\| – +\| n\/a \[1\] +\|$/m,
      /^\| pool on PostgreSQL .*\| 0 passed, 0 failed, 3 n\/a \[\d\] \|/m,
      /^\| edge .*\| 4 passed, 0 failed \|$/m,
      /^\[\d\] not applicable: no such thing$/m,
    ]
  ) assertMatch(table, row);
  assertMatch(score.table(["deno"]).join("\n"), /^\| core .*\| not run/m);
});

Deno.test("Every test file belongs to a suite, and every suite has files", async () => {
  const names = (await testFiles()).map((file) => suiteOf(file).name);
  assertEquals(SUITES.filter(({ name }) => !names.includes(name)), []);
  assertEquals(suiteOf("support_test.ts").name, "tools, documents");
});

/** Runs the file runner of Bun and Node on one planted test file. */
async function runPlantedFile(source: string): Promise<ChildResult> {
  const directory = await Deno.makeTempDir();
  try {
    const file = join(directory, "planted_test.ts");
    const test = new URL("support/harness.ts", import.meta.url).href;
    await Deno.writeTextFile(file, `import { test, testOn } from "${test}";\n${source}`);
    const runner = fileURLToPath(new URL("support/run_files.ts", import.meta.url));
    return await runChild(await runtimePath("node"), [runner, file]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("The file runner tells what passed, failed, hangs on nothing and is not applicable", async () => {
  const { code, stdout } = await runPlantedFile(`
    test("good", () => {});
    test("bad", () => Promise.reject(new Error("on purpose")));
    test("bad step", async (t) => { await t.step("part", () => { throw new Error("in part"); }); });
    test("good steps", async (t) => { await t.step("part", () => {}); });
    test("unhandled", () => { void Promise.reject(new Error("nobody")); });
    testOn(["deno"], "a reason", "elsewhere", () => {});
  `);
  assertEquals(code, 1);
  for (const text of ["on purpose", "in part", "nobody"]) assertStringIncludes(stdout, text);
  const [{ passed, failed, notApplicable }] = JSON.parse(
    stdout.slice(stdout.lastIndexOf(RESULTS) + RESULTS.length),
  );
  assertEquals([passed, failed, notApplicable], [2, 3, { "a reason": 1 }]);
  const broken = await runPlantedFile(`throw new Error("cannot be loaded");`);
  assertEquals(broken.code, 1);
  assertStringIncludes(broken.stdout, '"passed":0,"failed":1');
});

/** Runs the runner on one planted test file. */
async function runPlanted(source: string, ...args: string[]): Promise<ChildResult> {
  const directory = await Deno.makeTempDir();
  try {
    const file = join(directory, "planted_test.ts");
    await Deno.writeTextFile(file, source);
    const env = {
      ...Deno.env.toObject(),
      // No server is needed, and nothing listens on port 1: the answer comes at once.
      [DATABASE_URL_VARIABLE]: "postgres://unused",
      JSR_URL: "http://127.0.0.1:1/",
    };
    const runner = fileURLToPath(new URL("run.ts", import.meta.url));
    return await runChild(
      Deno.execPath(),
      ["run", "--allow-all", runner, "--", "--no-check", file, ...args],
      { env },
    );
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function lastLine({ stdout }: ChildResult): string | undefined {
  return stdout.trimEnd().split("\n").at(-1);
}

Deno.test("The runner ends with the sums and the right exit code", async () => {
  const good = `Deno.test("good", () => {});`;
  const cases = [
    { source: good, code: 0, line: "1 passed, 0 failed" },
    {
      source: `${good} Deno.test("bad", () => { throw 1; });`,
      code: 1,
      line: "1 passed, 1 failed",
    },
    { source: `${good} throw new Error("outside");`, code: 1, line: "0 passed, 1 failed" },
    { source: "", code: 1, line: "0 passed, 1 failed" },
    { source: "syntax error", code: 1, line: "0 passed, 1 failed" },
    { source: good, args: ["--filter", "none"], code: 1, line: "0 passed, 1 failed" },
  ];
  for (const { source, args = [], code, line } of cases) {
    const result = await runPlanted(source, ...args);
    assertEquals([lastLine(result), result.code], [line, code], source + JSON.stringify(result));
    assertStringIncludes(result.stdout, "stand-ins", source);
  }
});

Deno.test({
  name: "The runner finds, ends and reports a process that was left behind",
  fn: async () => {
    const result = await runPlanted(`
      import { spawn } from "node:child_process";
      const child = spawn("sleep", ["1000"], { detached: true, stdio: "ignore" });
      child.unref();
      Deno.test("prints", () => console.log("pid " + child.pid));`);
    assertEquals([lastLine(result), result.code], ["1 passed, 1 failed", 1], result.stdout);
    const [, pid] = /pid (\d+)/.exec(result.stdout) ?? [];
    assertStringIncludes(result.stdout, `process left behind: ${pid} `);
  },
});
