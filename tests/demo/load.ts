/**
 * The load: clients who order, look their orders up, and ask for the sums, each at a steady pace.
 *
 * Bounded on both sides: so many clients, each with one request at a time, and so many requests a second. On a slow
 * machine there is less load, not a queue that grows.
 *
 * @module
 */

import { type Reply, send } from "./client.ts";
import type { Fate, Ledger } from "./ledger.ts";
import type { Meter, RequestKind } from "./meter.ts";
import type { Order, OrderLine, Problem, Receipt, Sums } from "./order.ts";
import { pause } from "./pause.ts";
import { PRODUCTS } from "./schema.ts";

/** How much of it. */
export interface LoadOptions {
  /** URL of the service. */
  readonly url: string;
  readonly clients: number;
  /** Requests a second, of all clients together. */
  readonly rate: number;
}

/** Shares of the requests; the rest are orders. */
const LOOKUPS = 0.25;
const SUMS = 0.01;

/** How often an order is sent, if it may be sent again. */
const ATTEMPTS = 6;

/** Longest wait before the second attempt, in milliseconds; it doubles with every further one. */
const FIRST_RETRY_MS = 50;

/** The clients. */
export class Load {
  readonly #options: LoadOptions;
  readonly #ledger: Ledger;
  readonly #meter: Meter;
  /** No more requests, but those under way are carried through. */
  readonly #ending = new AbortController();
  /** Nothing more at all. */
  readonly #abort: AbortSignal;

  /**
   * @param options How much.
   * @param ledger Where the orders are written down.
   * @param meter Where counts and times are.
   * @param abort Breaks everything off.
   */
  constructor(options: LoadOptions, ledger: Ledger, meter: Meter, abort: AbortSignal) {
    this.#options = options;
    this.#ledger = ledger;
    this.#meter = meter;
    this.#abort = abort;
    abort.addEventListener("abort", () => this.end(), { once: true });
  }

  /** Starts no more requests. */
  end(): void {
    this.#ending.abort();
  }

  /** Runs until it is ended and what was under way is over. */
  async run(): Promise<void> {
    const clients = Array.from({ length: this.#options.clients }, () => this.#client());
    await Promise.all(clients);
  }

  async #client(): Promise<void> {
    const { clients, rate } = this.#options;
    const intervalMs = 1_000 * clients / rate;
    const ending = this.#ending.signal;
    let next = performance.now() + Math.random() * intervalMs;
    while (true) {
      const waitMs = next - performance.now();
      if (waitMs > 0) await pause(waitMs, ending);
      if (ending.aborted) return;
      // Who was kept waiting does not hurry afterwards.
      next = Math.max(next, performance.now()) + intervalMs;
      await this.#request();
    }
  }

  async #request(): Promise<void> {
    const dice = Math.random();
    if (dice < SUMS) return await this.#askForSums();
    if (dice < SUMS + LOOKUPS) return await this.#lookUp();
    await this.#order(randomOrder());
  }

  async #order(order: Order): Promise<void> {
    const init = { method: "POST", body: JSON.stringify(order) };
    for (let attempt = 1;; attempt++) {
      const sentAt = this.#meter.elapsedMs;
      const reply = await this.#send<Receipt>("order", "/orders", init);
      if (reply.ok) {
        this.#ledger.acknowledge(order, reply.body);
        this.#meter.acknowledged(sentAt);
        if (reply.body.backend !== undefined) this.#meter.sessionSeen(reply.body.backend);
        return;
      }
      const { problem } = reply;
      const again = mayRetry(problem) && attempt < ATTEMPTS && !this.#abort.aborted;
      if (!again) return this.#ledger.end(order, fateOf(problem));
      this.#meter.retries++;
      await pause(Math.random() * FIRST_RETRY_MS * 2 ** (attempt - 1), this.#abort);
    }
  }

  async #lookUp(): Promise<void> {
    const entry = this.#ledger.pick();
    if (entry === undefined) return;
    const { order: { id }, totalCents } = entry;
    const reply = await this.#send<{ totalCents: number }>("lookup", `/orders/${id}`, {});
    if (reply.ok && reply.body.totalCents !== totalCents) {
      this.#ledger.surprise(
        `order ${id} costs ${reply.body.totalCents}, but ${totalCents} on its receipt`,
      );
    }
    if (!reply.ok && reply.status === 404) {
      this.#ledger.surprise(`order ${id} was acknowledged, but could not be found a moment later`);
    }
  }

  async #askForSums(): Promise<void> {
    const reply = await this.#send<Sums>("sums", "/sums", {});
    if (!reply.ok) return;
    const { orderedCents, linesCents, takingsCents } = reply.body;
    if (orderedCents !== linesCents || orderedCents !== takingsCents) {
      this.#ledger.surprise(
        `the sums differ: orders ${orderedCents}, lines ${linesCents}, takings ${takingsCents}`,
      );
    }
  }

  async #send<T>(kind: RequestKind, path: string, init: RequestInit): Promise<Reply<T>> {
    const started = performance.now();
    const reply = await send<T>(this.#options.url + path, { ...init, signal: this.#abort });
    this.#meter.responded(kind, performance.now() - started);
    if (!reply.ok) this.#count(reply.status, reply.problem);
    return reply;
  }

  #count(status: number | undefined, { code, outcome, retryable }: Problem): void {
    if (status === 409) this.#meter.refused(`409 ${code}`);
    else {
      if (outcome !== "unknown") this.#meter.needless++;
      this.#meter.failed(
        `${status ?? "no answer"} ${code}: ${outcome}${retryable ? ", retryable" : ""}`,
      );
    }
  }
}

function mayRetry({ outcome, retryable }: Problem): boolean {
  return retryable && outcome !== "unknown";
}

/** What an order's last problem says about it; the ones before it were all without effect. */
function fateOf({ outcome }: Problem): Exclude<Fate, "acknowledged"> {
  return outcome === "unknown" ? "unknown" : "failed";
}

function randomOrder(): Order {
  const products = new Set<number>();
  const lines = 1 + Math.floor(Math.random() * 3);
  while (products.size < lines) products.add(1 + Math.floor(Math.random() * PRODUCTS));
  return {
    id: crypto.randomUUID(),
    customer: `customer ${1 + Math.floor(Math.random() * 1_000)}`,
    lines: Array.from(products, (product): OrderLine => ({
      product,
      quantity: 1 + Math.floor(Math.random() * 5),
    })),
  };
}
