/**
 * The few assertions that the conformance kits need, so that they depend on nothing.
 *
 * @module
 */

/** A clause of a contract that a subject of a conformance kit does not keep. */
export class ConformanceError extends Error {
  /** Name of the class. */
  override get name(): string {
    return "ConformanceError";
  }
}

/**
 * Fails unless a condition holds.
 *
 * @param condition The condition.
 * @param clause The clause of the contract, as a sentence.
 * @throws {ConformanceError} If it does not hold.
 */
export function expect(condition: boolean, clause: string): asserts condition {
  if (!condition) throw new ConformanceError(clause);
}

/**
 * Fails unless a value is the expected one.
 *
 * @param actual The value.
 * @param expected What it must be.
 * @param clause The clause of the contract, as a sentence.
 * @throws {ConformanceError} If it is another one.
 */
export function expectSame(actual: unknown, expected: unknown, clause: string): void {
  expect(Object.is(actual, expected), `${clause}: expected ${text(expected)}, got ${text(actual)}`);
}

/**
 * Fails if a promise rejects.
 *
 * @param promise The promise.
 * @param clause The clause of the contract, as a sentence.
 * @throws {ConformanceError} If it rejects.
 */
export async function expectFulfilment(promise: Promise<unknown>, clause: string): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof ConformanceError) throw error;
    throw new ConformanceError(`${clause}: ${text(error)}`, { cause: error });
  }
}

/**
 * Fails unless a promise rejects.
 *
 * @param promise The promise.
 * @param clause The clause of the contract, as a sentence.
 * @returns What it rejected with.
 * @throws {ConformanceError} If it fulfils, or fails by one itself.
 */
export async function expectRejection(promise: Promise<unknown>, clause: string): Promise<unknown> {
  const settled = await promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  expect(settled !== undefined, `${clause}: it fulfilled`);
  // That it never settled is no rejection of the subject's.
  if (settled.error instanceof ConformanceError) throw settled.error;
  return settled.error;
}

/**
 * Fails unless a call throws a `TypeError`.
 *
 * @param fn The call.
 * @param clause The clause of the contract, as a sentence.
 * @throws {ConformanceError} If it returns, or throws something else.
 */
export function expectTypeError(fn: () => unknown, clause: string): void {
  let thrown: { readonly error: unknown } | undefined;
  try {
    fn();
  } catch (error) {
    thrown = { error };
  }
  expect(thrown !== undefined, `${clause}: it did not throw`);
  expect(thrown.error instanceof TypeError, `${clause}: it threw ${text(thrown.error)}`);
}

function text(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return value instanceof Error ? `${value.name}: ${value.message}` : String(value);
}
