/**
 * Opening of workerd's sockets. Whoever's promise is rejected here leaves nothing open.
 *
 * @module
 */

import { connectNative, type NativeSocket } from "./cloudflare.ts";
import type { Dialer } from "./conn.ts";
import { WorkerdConn } from "./workerd_conn.ts";

/** workerd's connections. */
export const workerdDialer: Dialer<WorkerdConn> = {
  canceller: () => new AbortController(),

  async dial({ address, secureTransport, serverName }, cancel) {
    cancel.throwIfAborted();
    // Plans with a Unix socket are refused (see `workerd.ts`).
    const { hostname, port } = address as { hostname: string; port: number };
    return await opened(
      connectNative({ hostname: bracketed(hostname), port }, {
        secureTransport,
        allowHalfOpen: true,
      }),
      cancel,
      secureTransport === "on" ? serverName : undefined,
    );
  },

  async secure({ serverName }, conn, cancel) {
    const native = conn.release().startTls({ expectedServerHostname: serverName });
    return await opened(native, cancel, serverName);
  },
};

/** Waits until a socket is open. When a TLS handshake is done workerd does not tell: see {@linkcode WorkerdConn}. */
async function opened(
  native: NativeSocket,
  cancel: AbortSignal,
  serverName: string | undefined,
): Promise<WorkerdConn> {
  native.closed.catch(ignore);
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(cancel.reason);
  cancel.addEventListener("abort", abort);
  if (cancel.aborted) abort();
  try {
    await Promise.race([native.opened, cancelled]);
    return new WorkerdConn(native, serverName);
  } catch (error) {
    // That is done when the attempt has come to its end, which it may never.
    native.close().catch(ignore);
    throw error;
  } finally {
    cancel.removeEventListener("abort", abort);
  }
}

/** workerd tells addresses from names by the brackets of a URL. */
function bracketed(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

function ignore(): void {}
