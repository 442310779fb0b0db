/**
 * Leaving a wait early without disturbing what is waited for.
 *
 * @module
 */

/**
 * Waits for `promise`, or until `signal` aborts. The promise goes on either way.
 *
 * @param promise What to wait for.
 * @param signal What ends the wait; the rejection is its own reason.
 * @returns The promise's result.
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      promise.catch(() => {});
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const done = (): void => signal.removeEventListener("abort", onAbort);
    promise.then(
      (value) => (done(), resolve(value)),
      (error) => (done(), reject(error)),
    );
  });
}
