/**
 * What is measured end to end.
 *
 * @module
 */

/** One kind of work. */
export interface Mode {
  /** Name on the command line; the client's method. */
  readonly name: "select1" | "param" | "checkout" | "transaction" | "shared" | "scope";
  /** Heading of its table. */
  readonly title: string;
  /** How many work at the same time. */
  readonly concurrency: readonly number[];
}

const ALL = [1, 10, 100, 1_000];

/** All of them, in the order they are printed. */
export const modes: readonly Mode[] = [
  { name: "select1", title: "One statement, `select 1`", concurrency: ALL },
  { name: "param", title: "One parametrised statement, two rows", concurrency: ALL },
  { name: "checkout", title: "Checkout: acquire, `select 1`, release", concurrency: ALL },
  { name: "transaction", title: "Transaction: begin, `select 1`, commit", concurrency: ALL },
  {
    name: "shared",
    title: "A thousand readers on two shared connections: `select 1`",
    concurrency: [100, 1_000],
  },
  { name: "scope", title: "`select 1` in a scope of its own, or by `use`", concurrency: ALL },
];
