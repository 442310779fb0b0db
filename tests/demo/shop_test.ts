import { assertEquals } from "@std/assert";
import { createPool } from "../support/entry.ts";
import { query } from "../support/postgres_server.ts";
import { freshDatabase } from "../support/shared_server.ts";
import { test } from "../support/harness.ts";
import { Ledger } from "./ledger.ts";
import { checkLedger, type Findings } from "./ledger_check.ts";
import type { Order, Receipt } from "./order.ts";
import { OrderService } from "./order_service.ts";
import { sabotage } from "./sabotage.ts";
import { createTables, SCARCE_PRODUCT } from "./schema.ts";

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

test("OrderService takes an order once, however often it is sent", async () => {
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

test("OrderService leaves no trace of an order that it turns down", async () => {
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

test("checkLedger() finds orders that are lost, doubled, altered, unknown, or there against all words", async () => {
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
