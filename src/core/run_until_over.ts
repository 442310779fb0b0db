/**
 * Callbacks that have something until their result is there.
 *
 * @module
 */

/** How a callback ends. */
export interface Ending<R> {
  /** Called first, whatever comes. */
  readonly leave: () => void;
  /** Called with the result. */
  readonly resolve: (result: R) => void;
  /** Called with what was thrown. */
  readonly reject: (error: unknown) => void;
}

/**
 * Runs a callback, and tells when its result is there. An async function would do the same with two more promises, which
 * shows in what is done for every request.
 *
 * @param run Calls a function where the callback is to run.
 * @param fn The callback.
 * @param ending How it ends.
 */
export function runUntilOver<R>(
  run: (fn: () => void) => void,
  fn: () => R | PromiseLike<R>,
  { leave, resolve, reject }: Ending<R>,
): void {
  const done = (result: R): void => {
    leave();
    resolve(result);
  };
  const failed = (error: unknown): void => {
    leave();
    reject(error);
  };
  try {
    run(() => {
      const result = fn();
      // Within, as a query is sent when it is awaited. And never at once: what the callback began and did not await is
      // begun first.
      (isThenable(result) ? result : Promise.resolve(result)).then(done, failed);
    });
  } catch (error) {
    failed(error);
  }
}

function isThenable<R>(value: R | PromiseLike<R>): value is PromiseLike<R> {
  return value !== null && (typeof value === "object" || typeof value === "function") &&
    "then" in value &&
    typeof value.then === "function";
}
