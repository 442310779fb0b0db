/**
 * Functions that take the place of others.
 *
 * @module
 */

/**
 * Has a function declare as many parameters as the one it stands for: who calls it may go by that. `Deno.serve` passes its
 * request to no handler that declares none.
 *
 * @param original The function it stands for.
 * @param wrapper Calls that one with whatever it is given itself.
 * @returns The wrapper.
 */
export function inPlaceOf<Args extends unknown[], R>(
  original: (...args: Args) => unknown,
  wrapper: (...args: Args) => R,
): (...args: Args) => R {
  return Object.defineProperty(wrapper, "length", { value: original.length });
}
