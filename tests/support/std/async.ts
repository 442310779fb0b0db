/**
 * Stand-in for `jsr:@std/async` 1.5.0 where JSR does not answer: the same names and types, only what the tests use.
 *
 * @module
 */

/** Options of {@linkcode delay}. */
export interface DelayOptions {
  /** Ends the delay early; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Whether the delay keeps the process alive. */
  persistent?: boolean;
}

/** Fulfilled after `ms` milliseconds. */
export function delay(ms: number, options: DelayOptions = {}): Promise<void> {
  const { signal, persistent = true } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => {
    clearTimeout(timer);
    reject(signal?.reason);
  };
  const timer: ReturnType<typeof setTimeout> & { unref?(): void } = setTimeout(() => {
    signal?.removeEventListener("abort", abort);
    resolve();
  }, ms);
  if (!persistent) timer.unref?.();
  signal?.addEventListener("abort", abort, { once: true });
  return promise;
}

/** Rejects with the signal's reason if it aborts first. */
export function abortable<T>(p: Promise<T>, signal: AbortSignal): Promise<T>;
/** Ends the iteration by the signal's reason if it aborts first. */
export function abortable<T>(p: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T>;
export function abortable<T>(
  p: Promise<T> | AsyncIterable<T>,
  signal: AbortSignal,
): Promise<T> | AsyncGenerator<T> {
  return p instanceof Promise ? abortablePromise(p, signal) : abortableIterable(p, signal);
}

async function abortablePromise<T>(p: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([aborted, p]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function* abortableIterable<T>(p: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = p[Symbol.asyncIterator]();
  let ended = false;
  try {
    while (true) {
      const step = await abortablePromise(Promise.resolve(iterator.next()), signal);
      ended = step.done === true;
      if (step.done) return step.value;
      yield step.value;
    }
  } finally {
    if (!ended) await iterator.return?.();
  }
}

/** Options of {@linkcode deadline}. */
export interface DeadlineOptions {
  /** Ends the wait early; the promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Rejects with a `TimeoutError` if the promise takes longer than `ms` milliseconds. */
export async function deadline<T>(
  p: Promise<T>,
  ms: number,
  options: DeadlineOptions = {},
): Promise<T> {
  // A timer of our own and not `AbortSignal.timeout`, which goes on after the promise has settled.
  const timeout = new AbortController();
  const timer = ms < Number.MAX_SAFE_INTEGER
    ? setTimeout(() => timeout.abort(new DOMException("Signal timed out.", "TimeoutError")), ms)
    : undefined;
  const signals = options.signal ? [timeout.signal, options.signal] : [timeout.signal];
  try {
    return await abortable(p, AbortSignal.any(signals));
  } finally {
    clearTimeout(timer);
  }
}
