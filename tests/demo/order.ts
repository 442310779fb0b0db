/**
 * What an order is, for the service that takes it and for the client that sends it.
 *
 * @module
 */

/** So many of one product. */
export interface OrderLine {
  readonly product: number;
  readonly quantity: number;
}

/** An order; its id is made by the client, so that the client can send it again without ordering twice. */
export interface Order {
  readonly id: string;
  readonly customer: string;
  /** At least one; each product at most once. */
  readonly lines: readonly OrderLine[];
}

/** What the client gets for an order that was taken. */
export interface Receipt {
  readonly id: string;
  readonly totalCents: number;
  /** Whether the order had been taken before, by an earlier request with the same id. */
  readonly repeated: boolean;
  /** Process id of the backend that took it; not of one that was taken before. */
  readonly backend?: number;
}

/** Sums over everything, as of one instant; the three amounts are the same money, added up in three places. */
export interface Sums {
  readonly orders: number;
  readonly orderedCents: number;
  readonly linesCents: number;
  readonly takingsCents: number;
}

/** What the service answers when it can't do what it was asked. */
export interface Problem {
  /** A word for programs. */
  readonly code: string;
  readonly message: string;
  /** What is known of the work: the pool's word for it. */
  readonly outcome: string;
  /** Whether the same request may be sent again. */
  readonly retryable: boolean;
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/**
 * Tells whether a text can be the id of an order.
 *
 * @param text The text.
 * @returns Whether it is a UUID in lower case.
 */
export function isOrderId(text: string): boolean {
  return UUID.test(text);
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) <= 1_000;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isLine(value: unknown): value is OrderLine {
  return isObject(value) && isCount(value.product) && isCount(value.quantity);
}

/**
 * Reads an order from what a client sent.
 *
 * @param value Anything.
 * @returns The order; undefined if it is none.
 */
export function readOrder(value: unknown): Order | undefined {
  if (!isObject(value)) return undefined;
  const { id, customer, lines } = value;
  if (typeof id !== "string" || !isOrderId(id)) return undefined;
  if (typeof customer !== "string" || customer === "" || customer.length > 100) return undefined;
  if (!Array.isArray(lines) || lines.length === 0 || !lines.every(isLine)) return undefined;
  if (new Set(lines.map(({ product }) => product)).size !== lines.length) return undefined;
  return { id, customer, lines: lines.map(({ product, quantity }) => ({ product, quantity })) };
}
