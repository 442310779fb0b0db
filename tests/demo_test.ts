import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { deadline } from "@std/async";
import { App } from "./demo/app.ts";
import { APP_RUNTIMES, type AppRuntime } from "./demo/app_command.ts";
import { parseOptions, UsageError } from "./demo/options.ts";
import { query } from "./support/postgres_server.ts";
import { RUN_DIRECTORY_VARIABLE } from "./support/environment.ts";
import { RunDirectory } from "./support/run_directory.ts";
import { runtimePath } from "./support/runtimes.ts";
import { freshDatabase } from "./support/shared_server.ts";

const MAIN = new URL("./demo/main.ts", import.meta.url);

/** A load that leaves room for other tests on the same machine. */
const GENTLE = ["--seconds", "2", "--clients", "4", "--rate", "100"];

/** For one that ends before its time; apps that are scripts end alike, so that one of them stands for all. */
const SHORT = [...GENTLE, "--seconds", "1"];

/** Longer than any run of the demo takes, even where everything else is slow. */
const PATIENCE_MS = 120_000;

interface DemoResult {
  readonly args: readonly string[];
  readonly code: number;
  readonly output: string;
  /** What it left behind. */
  readonly left: readonly string[];
}

interface DemoSetting {
  readonly env?: Record<string, string>;
  /** What the demo says when it gets a signal. */
  readonly interruptAt?: string;
  readonly signal?: Deno.Signal;
}

/** Runs the demo as users do, and tells what is left of it. */
async function runDemo(
  args: readonly string[],
  { env = {}, interruptAt, signal = "SIGINT" }: DemoSetting = {},
): Promise<DemoResult> {
  await using directory = await RunDirectory.create();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", MAIN.href, ...args],
    env: { DATABASE_URL: "", [RUN_DIRECTORY_VARIABLE]: directory.path, ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const read = async (): Promise<string> => {
    let output = "";
    let interrupted = interruptAt === undefined;
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      output += chunk;
      if (interrupted || !output.includes(interruptAt ?? "")) continue;
      interrupted = true;
      child.kill(signal);
    }
    return output;
  };
  const [output, { code }] = await deadline(Promise.all([read(), child.status]), PATIENCE_MS);
  return { args, code, output, left: await directory.sweep() };
}

/** Runs the demo on runtimes, side by side. */
async function sideBySide(
  t: Deno.TestContext,
  runtimes: readonly AppRuntime[],
  args: readonly string[],
  setting: DemoSetting,
  check: (result: DemoResult) => void,
): Promise<void> {
  const results = await Promise.all(runtimes.map(async (runtime) => {
    // Found once here, it need not be looked for by each demo.
    await runtimePath(runtime);
    return await runDemo([...args, "--runtime", runtime], setting);
  }));
  for (const result of results) await t.step(result.args.at(-1) ?? "", () => check(result));
}

Deno.test("the demo survives its accident, accounts for every order, and leaves nothing", async (t) => {
  await sideBySide(t, APP_RUNTIMES, GENTLE, {}, ({ args, code, output, left }) => {
    assertEquals({ code, left }, { code: 0, left: [] }, output);
    assertMatch(output, new RegExp(`^service: .* on ${args.at(-1)}\\S* \\d`, "im"));
    assertMatch(output, /killed \d+ backends/);
    assertMatch(output, /the server is back after \d+ ms/);
    for (const name of ["requests", "transactions committed", "longest stall, s"]) {
      assertMatch(output, new RegExp(`^${name} +[1-9\\d.,]+`, "m"));
    }
    assertMatch(
      output,
      args.includes("workerd") ? /^ {2}reconnects +– +each request/m : /^ {2}reconnects +[1-9]/m,
    );
    assertMatch(output, /^order: p50 \/ p99 ms +\S+ \/ \S+/m);
    assertMatch(output, /^orders acknowledged +[1-9]/m);
    assertMatch(output, /^ {2}missing +0$/m);
    assertMatch(output, /^ {2}doubled +0$/m);
    assertEquals(output.match(/ holds$/gm)?.length, 3);
    assertMatch(output, /^OK: /m);
  });
});

Deno.test("the demo fails when an acknowledged order is missing, and leaves nothing on a server that is not its own", async () => {
  await using database = await freshDatabase();
  const { code, output, left } = await runDemo([...GENTLE, "--sabotage", "lose"], {
    env: { DATABASE_URL: database.url },
  });
  assertEquals({ code, left }, { code: 1, left: [] }, output);
  assertStringIncludes(output, "connections are killed only");
  const id = /^sabotage \(lose\) of order (\S+)$/m.exec(output)?.[1];
  assertStringIncludes(output, `WRONG: 1 acknowledged and missing: ${id}\nFAILED\n`);
  assert(!output.includes(new URL(database.url).password));
  assertEquals(
    await query(database.url, "select nspname from pg_namespace where nspname like 'steady%'"),
    [],
  );
});

Deno.test("the demo cleans up when it is interrupted while the server restarts", async (t) => {
  const setting = { interruptAt: "restarting the server" };
  await sideBySide(t, ["bun", "workerd"], SHORT, setting, ({ code, output, left }) => {
    assertEquals({ code, left }, { code: 130, left: [] }, output);
    assertStringIncludes(output, "SIGINT: cleaning up");
    assert(!output.includes("FAILED"), output);
  });
});

Deno.test("the demo leaves nothing when it is killed under load", async (t) => {
  const setting: DemoSetting = { interruptAt: "all there were", signal: "SIGKILL" };
  await sideBySide(t, ["node", "workerd"], SHORT, setting, ({ code, output, left }) => {
    assertEquals({ code, left }, { code: 137, left: [] }, output);
  });
});

Deno.test("an app ends at once, although a client keeps a connection that it never used", async () => {
  const nowhere = "postgres://nobody@127.0.0.1:1/nothing";
  await Promise.all(APP_RUNTIMES.map(async (runtime) => {
    await using app = await App.start(runtime, nowhere);
    const { hostname, port } = new URL(app.url);
    using _unused = await Deno.connect({ hostname, port: Number(port) });
    await app.stats();
    const started = performance.now();
    await app.end();
    assertLess(performance.now() - started, 2_500, app.runtime);
  }));
});

Deno.test("the demo says what is wrong with its command line", async () => {
  const { code, output } = await runDemo(["--seconds", "0"]);
  assertEquals(code, 2);
  assertStringIncludes(output, "Option --seconds takes a number from 1 to 3600: received 0");
  for (
    const args of [["--clients", "many"], ["--rate"], ["--rate="], ["--no-such-option"], [
      "--runtime",
      "none",
    ]]
  ) {
    assertThrows(() => parseOptions(args), UsageError, args[0]?.replace("=", ""));
  }
  assertEquals(parseOptions(["--", "--rate=7", "--seconds", "2.5"]), {
    help: false,
    runtime: "deno",
    seconds: 2.5,
    clients: 16,
    rate: 7,
    sabotage: undefined,
  });
});
