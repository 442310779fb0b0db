/**
 * What `consumer.ts` prints on every runtime.
 *
 * @module
 */

/** All but the name of the runtime. */
export const SEEN = {
  items: ["item 1", "item 2"],
  transfer: 3,
  borrow: true,
  failure: "22012",
  timeout: ["not-applied", "queue", 1],
  otherPools: ["idle", 3],
  stats: 1,
} as const;
