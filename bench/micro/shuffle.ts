/**
 * The same disorder in every run.
 *
 * @module
 */

/**
 * @param items Anything.
 * @returns The items in an order that looks random and never changes.
 */
export function shuffled<T>(items: readonly T[]): T[] {
  let seed = 1;
  const keyed = items.map((item) => {
    // Numerical Recipes' linear congruential generator.
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return { item, key: seed };
  });
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}
