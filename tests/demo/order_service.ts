/**
 * A web service that takes orders: JSON over HTTP in front, a pool of PostgreSQL connections behind.
 *
 * - `POST /orders`: `{ id, customer, lines: [{ product, quantity }] }` → 201 and a receipt. The same order sent again
 *   gets the same receipt and is not carried out again.
 * - `GET /orders/:id` → the order.
 * - `GET /sums` → sums over all orders.
 * - `GET /stats` → the service's own counts and the pool's; asks nothing of the database.
 *
 * It is a function from request to response and knows nothing of the runtime that serves it.
 *
 * @module
 */

import type { PoolStats } from "../../src/core/stats.ts";
import type { PostgresPool } from "../../src/entry/postgres_pool.ts";
import type { TransactionOptions, TransactionSql } from "../../src/driver/postgres/transaction.ts";
import { isOrderId, type Order, type Receipt, type Sums } from "./order.ts";
import { orderOf } from "./order_request.ts";
import { failureResponse, Refusal } from "./refusal.ts";
import { SteadyError } from "../../mod.ts";

/** What the service did so far, and how its pool is. */
export interface ServiceStats {
  /** Transactions that were committed. */
  readonly committed: number;
  /** Transactions that were not, or not for sure. */
  readonly failed: number;
  /** How often a transaction was run again, as it was surely rolled back. */
  readonly rerun: number;
  readonly pool: PoolStats;
}

/** What the service needs of a pool: of one for all requests, or of one that makes one for each. */
export type OrderDatabase = Pick<PostgresPool, "sql" | "stats" | "transaction"> & {
  with(options: { idempotent: boolean }): Pick<PostgresPool, "sql">;
};

/** How often a transaction is run again: sessions may be ended again and again while a server goes down. */
const RETRIES = 10;

/** The service. */
export class OrderService {
  readonly #db: OrderDatabase;
  #committed = 0;
  #failed = 0;
  #rerun = 0;

  /** @param db Where the shop's tables are. */
  constructor(db: OrderDatabase) {
    this.#db = db;
  }

  /**
   * Answers one request; never rejects.
   *
   * @param request The request.
   * @returns The response.
   */
  readonly handle = async (request: Request): Promise<Response> => {
    try {
      return await this.#route(request);
    } catch (error) {
      return failureResponse(error);
    }
  };

  async #route(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const [, collection, id, ...rest] = pathname.split("/");
    const route = `${request.method} ${collection}${id === undefined ? "" : "/:id"}`;
    if (rest.length === 0) {
      if (route === "POST orders") {
        const receipt = await this.#place(await orderOf(request));
        return Response.json(receipt, { status: 201 });
      }
      if (route === "GET orders/:id") return Response.json(await this.#find(id ?? ""));
      if (route === "GET sums") return Response.json(await this.#sums());
      if (route === "GET stats") return Response.json(this.#stats());
    }
    throw new Refusal(404, "NO_SUCH_ROUTE", `There is no ${request.method} ${pathname}`);
  }

  #stats(): ServiceStats {
    return {
      committed: this.#committed,
      failed: this.#failed,
      rerun: this.#rerun,
      pool: this.#db.stats(),
    };
  }

  #place(order: Order): Promise<Receipt> {
    return this.#transaction(async (sql) => {
      const { id, customer } = order;
      const [placed] = await sql<{ backend: number }[]>`
        insert into orders ${sql({ id, customer, total_cents: 0 })}
        on conflict (id) do nothing
        returning pg_backend_pid() as backend`;
      if (placed === undefined) return await receiptOf(sql, order);
      const totalCents = await takeLines(sql, order);
      await sql`update orders set total_cents = ${totalCents} where id = ${id}`;
      return { id, totalCents, repeated: false, backend: placed.backend };
    });
  }

  async #find(id: string): Promise<Order & { totalCents: number }> {
    // To read twice is as good as to read once, so it may be asked again after a crash.
    const { sql } = this.#db.with({ idempotent: true });
    const [found] = isOrderId(id)
      ? await sql<(Order & { totalCents: number })[]>`
          select o.id, customer, total_cents as "totalCents",
                 (select json_agg(json_build_object('product', product_id, 'quantity', quantity))
                    from order_lines where order_id = o.id) as lines
            from orders o where o.id = ${id}`
      : [];
    if (found === undefined) throw new Refusal(404, "NO_SUCH_ORDER", "There is no such order");
    return found;
  }

  #sums(): Promise<Sums> {
    // One snapshot for all three: read committed would see orders that came in between.
    return this.#transaction(async (sql) => {
      const [ordered] = await sql`
        select count(*) as orders, coalesce(sum(total_cents), 0) as cents from orders`;
      const [lines] = await sql`
        select coalesce(sum(quantity * price_cents), 0) as cents from order_lines`;
      const [takings] = await sql`select sum(takings_cents) as cents from products`;
      return {
        orders: Number(ordered?.orders),
        orderedCents: Number(ordered?.cents),
        linesCents: Number(lines?.cents),
        takingsCents: Number(takings?.cents),
      };
    }, { isolation: "repeatable read", readOnly: true });
  }

  async #transaction<T>(
    work: (sql: TransactionSql) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    let runs = 0;
    const counted = (sql: TransactionSql): Promise<T> => {
      if (runs++ > 0) this.#rerun++;
      return work(sql);
    };
    for (let again = 0;; again++) {
      try {
        const result = await this.#db.transaction(counted, { ...options, retries: RETRIES });
        this.#committed++;
        return result as T;
      } catch (error) {
        // Its COMMIT was sent, so that the pool leaves it to us: it is surely not in force, and may be run again.
        const isRolledBack = error instanceof SteadyError && error.outcome === "rolled-back";
        if (isRolledBack && error.retryable && again < RETRIES) continue;
        this.#failed++;
        throw error;
      }
    }
  }
}

/** Takes what was ordered out of the store and writes it down; returns what it costs. */
async function takeLines(sql: TransactionSql, { id, lines }: Order): Promise<number> {
  const taken: { order_id: string; product_id: number; quantity: number; price_cents: number }[] =
    [];
  // Always in the same order, or two orders of the same products would wait for each other.
  for (const { product, quantity } of lines.toSorted((a, b) => a.product - b.product)) {
    const [row] = await sql<{ price_cents: number }[]>`
      update products
         set stock = stock - ${quantity}, takings_cents = takings_cents + ${quantity} * price_cents
       where id = ${product} and stock >= ${quantity}
      returning price_cents`;
    if (row === undefined) {
      throw new Refusal(409, "OUT_OF_STOCK", `There are no ${quantity} of product ${product}`);
    }
    taken.push({ order_id: id, product_id: product, quantity, price_cents: row.price_cents });
  }
  await sql`insert into order_lines ${sql(taken)}`;
  return taken.reduce((sum, { quantity, price_cents }) => sum + quantity * price_cents, 0);
}

/** The receipt of an order that was taken before. */
async function receiptOf(sql: TransactionSql, { id, customer, lines }: Order): Promise<Receipt> {
  const [order] = await sql<{ customer: string; total_cents: number }[]>`
    select customer, total_cents from orders where id = ${id}`;
  const taken = await sql<{ product_id: number; quantity: number }[]>`
    select product_id, quantity from order_lines where order_id = ${id}`;
  const quantities = new Map(taken.map(({ product_id, quantity }) => [product_id, quantity]));
  const same = order?.customer === customer && taken.length === lines.length &&
    lines.every(({ product, quantity }) => quantities.get(product) === quantity);
  if (!same) throw new Refusal(409, "ORDER_ID_TAKEN", "Another order has this id");
  return { id, totalCents: order.total_cents, repeated: true };
}
