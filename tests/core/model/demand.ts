/**
 * How an invariant says that it does not hold.
 *
 * @module
 */

/**
 * Fails unless a condition holds.
 *
 * @param condition The condition.
 * @param otherwise What is the case if it does not.
 */
export function demand(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise);
}
