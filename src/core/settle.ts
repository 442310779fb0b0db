/**
 * Results that are there now, later, or when they are asked for.
 *
 * @module
 */

/**
 * Makes a promise of what a callback has returned. Called where that ran: what is sent only when it is awaited, as a query,
 * is sent there, and at once.
 *
 * @param result What was returned.
 * @returns Its promise.
 */
export function settle<R>(result: R | PromiseLike<R>): Promise<R> {
  if (!isThenable(result) || result.constructor === Promise) return Promise.resolve(result);
  return new Promise((resolve, reject) => {
    result.then(resolve, reject);
  });
}

function isThenable<R>(value: R | PromiseLike<R>): value is PromiseLike<R> {
  return value !== null && (typeof value === "object" || typeof value === "function") &&
    "then" in value &&
    typeof value.then === "function";
}
