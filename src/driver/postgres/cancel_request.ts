/**
 * Asks the server, on a socket of its own, to cancel what a backend executes.
 *
 * @module
 */

import type { Runtime } from "../../core/runtime.ts";
import { dial, type Endpoint } from "./dial.ts";

/** The number that stands for a cancel request. */
const CANCEL_REQUEST_CODE = 80877102;
/** How long the server may take to hang up, in milliseconds. */
const CANCEL_TIMEOUT_MS = 2_000;

/**
 * Sends a cancel request. The server does not answer it: it hangs up when the signal to the backend is out, and only
 * then may the backend be given anything else to do, or the cancel could strike that.
 *
 * @param runtime Supplies sockets.
 * @param endpoint Where the backend's connection goes to.
 * @param backend Process id and secret of the backend.
 * @param outer Ends the attempt.
 * @returns Resolved when the server hung up; rejected if it could not be reached or did not in time.
 */
export async function requestCancel(
  runtime: Runtime,
  endpoint: Endpoint,
  backend: { readonly pid: number; readonly secret: Uint8Array },
  outer?: AbortSignal,
): Promise<void> {
  const abort = new AbortController();
  const timer = setTimeout(
    () =>
      abort.abort(new Error(`the server did not take the cancel within ${CANCEL_TIMEOUT_MS} ms`)),
    CANCEL_TIMEOUT_MS,
  );
  const onAbort = (): void => abort.abort(outer?.reason);
  outer?.addEventListener("abort", onAbort, { once: true });
  if (outer?.aborted) onAbort();
  try {
    const socket = await dial(runtime, endpoint, abort.signal);
    const destroy = (): void => socket.destroy();
    abort.signal.addEventListener("abort", destroy, { once: true });
    socket.receive({ data() {}, drain() {}, close() {} });
    socket.write(cancelRequest(backend.pid, backend.secret));
    await socket.closed;
    abort.signal.throwIfAborted();
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener("abort", onAbort);
  }
}

function cancelRequest(pid: number, secret: Uint8Array): Uint8Array {
  const message = new Uint8Array(12 + secret.length);
  const view = new DataView(message.buffer);
  view.setInt32(0, message.length);
  view.setInt32(4, CANCEL_REQUEST_CODE);
  view.setInt32(8, pid);
  message.set(secret, 12);
  return message;
}
