import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { deadline } from "@std/async";
import { createPool } from "../src/entry/deno.ts";
import { APP_RUNTIMES } from "./demo/app_command.ts";
import { Ledger } from "./demo/ledger.ts";
import { checkLedger, type Findings } from "./demo/ledger_check.ts";
import { Meter } from "./demo/meter.ts";
import { parseOptions, UsageError } from "./demo/options.ts";
import type { Order, Receipt } from "./demo/order.ts";
import { OrderService } from "./demo/order_service.ts";
import { sabotage } from "./demo/sabotage.ts";
import { createTables, SCARCE_PRODUCT } from "./demo/schema.ts";
import { judge } from "./demo/verdict.ts";
import { query } from "./support/postgres_server.ts";
import { RUN_DIRECTORY_VARIABLE } from "./support/environment.ts";
import { RunDirectory } from "./support/run_directory.ts";
import { freshDatabase } from "./support/shared_server.ts";

const MAIN = new URL("./demo/main.ts", import.meta.url);

/** A load that leaves room for other tests on the same machine. */
const GENTLE = ["--seconds", "2", "--clients", "4", "--rate", "100"];

/** One that ends before its time. */
const SHORT = [...GENTLE, "--seconds", "1"];

/** Longer than any run of the demo takes, even where everything else is slow. */
const PATIENCE_MS = 60_000;

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

/** Runs the demo on every runtime, side by side. */
async function onEveryRuntime(
  t: Deno.TestContext,
  args: readonly string[],
  setting: DemoSetting,
  check: (result: DemoResult) => void,
): Promise<void> {
  const results = await Promise.all(
    APP_RUNTIMES.map((runtime) => runDemo([...args, "--runtime", runtime], setting)),
  );
  for (const result of results) await t.step(result.args.at(-1) ?? "", () => check(result));
}

Deno.test("the demo survives its accident, accounts for every order, and leaves nothing", async (t) => {
  await onEveryRuntime(t, GENTLE, {}, ({ args, code, output, left }) => {
    assertEquals({ code, left }, { code: 0, left: [] }, output);
    assertMatch(output, new RegExp(`^service: .* on ${args.at(-1)}\\S* \\d`, "im"));
    assertMatch(output, /killed \d+ backends/);
    assertMatch(output, /the server is back after \d+ ms/);
    for (const name of ["requests", "transactions committed", "  reconnects", "longest stall, s"]) {
      assertMatch(output, new RegExp(`^${name} +[1-9\\d.,]+`, "m"));
    }
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
  await onEveryRuntime(t, SHORT, setting, ({ code, output, left }) => {
    assertEquals({ code, left }, { code: 130, left: [] }, output);
    assertStringIncludes(output, "SIGINT: cleaning up");
    assert(!output.includes("FAILED"), output);
  });
});

Deno.test("the demo leaves nothing when it is killed under load", async (t) => {
  const setting: DemoSetting = { interruptAt: "all there were", signal: "SIGKILL" };
  await onEveryRuntime(t, SHORT, setting, ({ code, output, left }) => {
    assertEquals({ code, left }, { code: 137, left: [] }, output);
  });
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

Deno.test("judge() wants orders before and after the accident", () => {
  const nothing: Findings = {
    ...{ rows: 0, acknowledged: 0, unknown: 0, unknownFound: 0, failed: 0 },
    ...{ missing: [], doubled: [], altered: [], failedFound: [], strangers: [], invariants: [] },
  };
  const meter = new Meter();
  const accident = { from: 1_000, to: 2_000, killed: 1, down: undefined, recovered: false };
  assertEquals(judge(nothing, new Ledger(), meter, accident), [
    "nothing was acknowledged before the accident",
    "the service did not recover: no new order was acknowledged after the accident",
  ]);
  meter.acknowledged(0);
  assertEquals(judge(nothing, new Ledger(), meter, { ...accident, recovered: true }), []);
});

/** A shop with one order, which costs 2 × 1.00 and 1 × 1.05. */
async function withShop(
  fn: (shop: {
    url: string;
    ledger: Ledger;
    order: Order;
    send: (order: Order) => Promise<{ status: number; body: unknown }>;
  }) => Promise<void>,
): Promise<void> {
  await using database = await freshDatabase();
  await createTables(database.url);
  await using db = createPool(database.url, { max: 2 });
  const service = new OrderService(db);
  const send = async (order: Order) => {
    const body = JSON.stringify(order);
    const request = new Request("http://localhost/orders", { method: "POST", body });
    const response = await service.handle(request);
    return { status: response.status, body: await response.json() };
  };
  const ledger = new Ledger();
  const order = orderOf([1, 2], [2, 1]);
  const { status, body } = await send(order);
  const receipt = body as Receipt;
  assertEquals({ status, ...receipt, backend: Number(receipt.backend) > 0 }, {
    ...{ status: 201, id: order.id, totalCents: 305, repeated: false },
    backend: true,
  });
  ledger.acknowledge(order, receipt);
  await fn({ url: database.url, ledger, order, send });
}

function orderOf(...lines: [product: number, quantity: number][]): Order {
  return {
    id: crypto.randomUUID(),
    customer: "somebody",
    lines: lines.map(([product, quantity]) => ({ product, quantity })),
  };
}

function brokenInvariants({ invariants }: Findings): number[] {
  return invariants.map(({ broken }) => broken);
}

Deno.test("OrderService takes an order once, however often it is sent", async () => {
  await withShop(async ({ url, ledger, order, send }) => {
    const [first, second] = await Promise.all([send(order), send(order)]);
    const receipt = { id: order.id, totalCents: 305, repeated: true };
    assertEquals([first, second], [{ status: 201, body: receipt }, { status: 201, body: receipt }]);
    const other = await send({ ...order, customer: "somebody else" });
    assertEquals(other.status, 409);
    const findings = await checkLedger(url, ledger);
    assertEquals([findings.rows, findings.doubled], [1, []]);
    assertEquals(brokenInvariants(findings), [0, 0, 0]);
  });
});

Deno.test("OrderService leaves no trace of an order that it turns down", async () => {
  await withShop(async ({ url, ledger, send }) => {
    const tooMuch = orderOf([1, 1], [SCARCE_PRODUCT, 999]);
    const { status, body } = await send(tooMuch);
    assertEquals(status, 409);
    assertEquals((body as { code: string }).code, "OUT_OF_STOCK");
    ledger.end(tooMuch, "failed");
    const findings = await checkLedger(url, ledger);
    assertEquals([findings.failed, findings.failedFound], [1, []]);
    assertEquals(brokenInvariants(findings), [0, 0, 0]);
  });
});

Deno.test("checkLedger() finds orders that are lost, doubled, altered, unknown, or there against all words", async () => {
  await withShop(async ({ url, ledger, order, send }) => {
    const [unknown, lie, stranger] = [orderOf([3, 1]), orderOf([4, 1]), orderOf([5, 1])];
    for (const each of [unknown, lie, stranger]) await send(each);
    ledger.end(unknown, "unknown");
    ledger.end(orderOf([6, 1]), "unknown");
    ledger.end(lie, "failed");
    const found = await checkLedger(url, ledger);
    assertEquals([found.missing, found.doubled, found.altered], [[], [], []]);
    assertEquals([found.unknown, found.unknownFound], [2, 1]);
    assertEquals([found.failedFound, found.strangers], [[lie.id], [stranger.id]]);

    await sabotage(url, ledger, "stock");
    assertEquals(brokenInvariants(await checkLedger(url, ledger)), [1, 0, 0]);
    await sabotage(url, ledger, "double");
    const doubled = await checkLedger(url, ledger);
    assertEquals(doubled.doubled, [order.id]);
    assertEquals(brokenInvariants(doubled), [2, 2, 1]);

    await query(url, "delete from order_lines where product_id = 2");
    const altered = await checkLedger(url, ledger);
    assertEquals([altered.doubled, altered.altered], [[], [order.id]]);
    await sabotage(url, ledger, "lose");
    assertEquals((await checkLedger(url, ledger)).missing, [order.id]);
  });
});
