/**
 * Signals of a view and of a call together.
 *
 * @module
 */

/**
 * Makes one signal of two.
 *
 * @param first One, if there is any.
 * @param second Another, if there is any.
 * @returns What aborts when one of them does; `undefined` without any.
 */
export function anySignal(
  first: AbortSignal | undefined,
  second: AbortSignal | undefined,
): AbortSignal | undefined {
  if (first === undefined || first === second) return second;
  return second === undefined ? first : AbortSignal.any([first, second]);
}
