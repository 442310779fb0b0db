/**
 * The shop on each runtime, with one connection for each request: real requests, a server that crashes in between, and
 * books that are held against its tables.
 */

import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { checkJournal, createJournal } from "./apps/journal_check.ts";
import { SHOP_APPS } from "./apps/modules.ts";
import { App } from "./demo/app.ts";
import { APP_RUNTIMES, type AppRuntime, TITLES } from "./demo/app_command.ts";
import { send } from "./demo/client.ts";
import { Ledger } from "./demo/ledger.ts";
import { checkLedger } from "./demo/ledger_check.ts";
import { Load } from "./demo/load.ts";
import { Meter } from "./demo/meter.ts";
import type { Order, Receipt } from "./demo/order.ts";
import { createTables, SCARCE_PRODUCT } from "./demo/schema.ts";
import { PostgresServer, query } from "./support/postgres_server.ts";

/** A load that leaves room for four of them on one machine. */
const LOAD = { clients: 3, rate: 60 } as const;

/** How many orders each app has to take before the crash, and after it. */
const ENOUGH = 25;

/** Longer than any run takes, even where everything else is slow. */
const PATIENCE_MS = 120_000;

/** One app, its tables, and who orders there. */
class Shop implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly meter = new Meter();
  readonly #app: App;
  readonly #load: Load;
  readonly #breakOff = new AbortController();
  #running: Promise<void> | undefined;

  readonly name: AppRuntime;
  readonly url: string;

  private constructor(name: AppRuntime, url: string, app: App) {
    this.name = name;
    this.url = url;
    this.#app = app;
    const signal = AbortSignal.any([this.#breakOff.signal, app.lost]);
    this.#load = new Load({ ...LOAD, url: app.url }, this.ledger, this.meter, signal);
  }

  static async open(server: PostgresServer, name: AppRuntime): Promise<Shop> {
    const url = new URL(server.url());
    url.searchParams.set("search_path", name);
    await query(url.href, `create schema ${name}`);
    await createTables(url.href);
    await createJournal(url.href);
    return new Shop(name, url.href, await App.start(name, url.href, SHOP_APPS));
  }

  /** Begins to order. */
  begin(): void {
    this.#running = this.#load.run();
  }

  /** Resolved when enough orders were acknowledged that were sent from now on. */
  async enough(): Promise<void> {
    for (let count = 0; count < ENOUGH; count++) {
      await this.meter.acknowledgedSince(this.meter.elapsedMs);
    }
  }

  /** Orders no more; over when the last answer is there. */
  async end(): Promise<void> {
    this.#load.end();
    await this.#running;
  }

  order(order: Order): ReturnType<typeof send<Receipt>> {
    return send<Receipt>(`${this.#app.url}/orders`, {
      method: "POST",
      body: JSON.stringify(order),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#breakOff.abort();
    await this.end();
    await this.#app.end();
  }
}

/** One order that cannot be, and one that is placed twice. */
async function checkByHand(shop: Shop): Promise<void> {
  const lines = [{ product: 1, quantity: 1 }, { product: SCARCE_PRODUCT, quantity: 1_000 }];
  const impossible: Order = { id: crypto.randomUUID(), customer: "somebody", lines };
  const refused = await shop.order(impossible);
  assert(!refused.ok);
  assertEquals([refused.status, refused.problem.code], [409, "OUT_OF_STOCK"]);
  const left = await query(shop.url, "select deed from journal where order_id = $1", [
    impossible.id,
  ]);
  assertEquals(left, [{ deed: "attempt" }]);
  shop.ledger.end(impossible, "failed");

  const order: Order = { ...impossible, id: crypto.randomUUID(), lines: lines.slice(0, 1) };
  const replies = [await shop.order(order), await shop.order(order)];
  assertEquals(replies.map((reply) => reply.ok && reply.body.repeated), [false, true]);
  const [first] = replies;
  if (first?.ok) shop.ledger.acknowledge(order, first.body);
}

async function checkBooks({ url, ledger }: Shop): Promise<void> {
  const { rows, acknowledged, unknownFound, invariants, ...findings } = await checkLedger(
    url,
    ledger,
  );
  const { missing, doubled, altered, failedFound, strangers } = findings;
  assertEquals({ missing, doubled, altered, failedFound, strangers }, {
    missing: [],
    doubled: [],
    altered: [],
    failedFound: [],
    strangers: [],
  });
  assertEquals(ledger.surprises, []);
  assertEquals(rows, acknowledged + unknownFound);
  const broken = [...invariants, ...await checkJournal(url)].filter(({ broken }) => broken !== 0);
  assertEquals(broken, []);
}

Deno.test("apps whose modules know nothing but the pool keep their books while the server crashes (Z-02, Z-10, X-18)", async (t) => {
  await using server = await PostgresServer.start();
  const shops: Shop[] = [];
  await using stack = new AsyncDisposableStack();
  for (const name of APP_RUNTIMES) shops.push(stack.use(await Shop.open(server, name)));

  await Promise.all(shops.map(checkByHand));
  for (const shop of shops) shop.begin();
  const all = (each: (shop: Shop) => Promise<void>): Promise<unknown> =>
    deadline(Promise.all(shops.map(each)), PATIENCE_MS);
  await all((shop) => shop.enough());
  await server.restart("immediate");
  await all((shop) => shop.enough());
  await all((shop) => shop.end());
  for (const shop of shops) {
    await t.step(`the shop on ${TITLES[shop.name]}`, () => checkBooks(shop));
  }
});
