/**
 * Results that are read when the function that made them has returned.
 *
 * @module
 */

/** A web response, as far as it matters here. */
interface ResponseLike {
  readonly body: ReadableStream<Uint8Array> | null;
}

/**
 * Tells when a stream, or the body of a response, was read to its end, failed or was cancelled.
 *
 * @param result What a function returned.
 * @param run Runs the stream's own callbacks where the function ran.
 * @param done Called once: at once, if it is neither a stream nor a response with a body.
 * @returns What is to be used instead of it.
 */
export function untilRead<R>(
  result: R,
  run: <T>(fn: () => T) => T,
  done: () => void,
): R {
  if (result instanceof ReadableStream) return watched(result, run, done) as R;
  if (typeof Response === "function" && result instanceof Response) {
    const { body }: ResponseLike = result;
    if (body !== null) return new Response(watched(body, run, done), result) as R;
  }
  done();
  return result;
}

/** Passes a stream on, no sooner than it is asked for. */
function watched<T>(
  stream: ReadableStream<T>,
  run: <T>(fn: () => T) => T,
  done: () => void,
): ReadableStream<T> {
  const reader = stream.getReader();
  return new ReadableStream<T>({
    async pull(controller): Promise<void> {
      try {
        const { done: isOver, value } = await run(() => reader.read());
        if (!isOver) return controller.enqueue(value);
        controller.close();
        done();
      } catch (error) {
        controller.error(error);
        done();
      }
    },
    async cancel(reason): Promise<void> {
      try {
        await run(() => reader.cancel(reason));
      } finally {
        done();
      }
    },
  }, { highWaterMark: 0 });
}
