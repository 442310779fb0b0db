/**
 * Opening of Deno's own connections: TCP, Unix, TLS. Whoever's promise is rejected here leaves nothing open.
 *
 * @module
 */

import type { Dialer } from "./conn.ts";
import type { ConnectPlan } from "./connect_plan.ts";

/** Deno's own connections. */
export const denoDialer: Dialer<Deno.Conn> = {
  canceller,
  dial,
  // Plans with TLS and a Unix socket are not ours (see `deno.ts`): this is a TCP connection.
  secure: (plan, conn, cancel) => secure(plan, conn as Deno.TcpConn, cancel),
};

/**
 * Makes the canceller that {@linkcode dial} and {@linkcode secure} take.
 *
 * `Deno.connect` (2.9) looks at its signal once more when the connection stands and, if that fired meanwhile, throws the
 * connection away without closing it: a file and a server session lost for good, seen in 3 of 100 aborts on a busy event
 * loop. A signal that never throws makes it hand the connection over, and we close it.
 *
 * @returns A controller whose signal tells by `aborted` alone.
 */
function canceller(): AbortController {
  const controller = new AbortController();
  controller.signal.throwIfAborted = () => {};
  return controller;
}

/**
 * Connects, and does the TLS handshake if it comes first.
 *
 * @param plan Where to and how.
 * @param cancel Signal of a {@linkcode canceller}.
 * @returns The connection.
 */
async function dial(plan: ConnectPlan, cancel: AbortSignal): Promise<Deno.Conn> {
  if (cancel.aborted) throw new Error("Cancelled");
  const { address } = plan;
  if ("path" in address) {
    return kept(await Deno.connect({ transport: "unix", path: address.path }), cancel);
  }
  const { hostname, port } = address;
  const conn = kept(await Deno.connect({ hostname, port, signal: cancel }), cancel);
  try {
    conn.setNoDelay(true);
    conn.setKeepAlive(plan.keepAliveMs > 0);
  } catch (error) {
    conn[Symbol.dispose]();
    throw error;
  }
  return plan.secureTransport === "on" ? await secure(plan, conn, cancel) : conn;
}

/**
 * Puts TLS on a connection and does the handshake.
 *
 * @param plan What to verify.
 * @param conn A connection without a read or write on its way; it is used up.
 * @param cancel Signal of a {@linkcode canceller}.
 * @returns The secured connection.
 */
async function secure(
  plan: ConnectPlan,
  conn: Deno.TcpConn,
  cancel: AbortSignal,
): Promise<Deno.TlsConn> {
  let tls: Deno.TlsConn | undefined;
  const drop = (): void => {
    conn[Symbol.dispose]();
    tls?.[Symbol.dispose]();
  };
  cancel.addEventListener("abort", drop);
  try {
    tls = await Deno.startTls(conn, {
      hostname: plan.serverName,
      alpnProtocols: plan.tls?.alpn && [...plan.tls.alpn],
      unsafelyDisableHostnameVerification: plan.tls?.verify === "ca",
    });
    kept(tls, cancel);
    await tls.handshake();
    return kept(tls, cancel);
  } catch (error) {
    drop();
    throw error;
  } finally {
    cancel.removeEventListener("abort", drop);
  }
}

/** Passes on a connection that is still wanted and closes one that is not. */
function kept<C extends Deno.Conn>(conn: C, cancel: AbortSignal): C {
  if (!cancel.aborted) return conn;
  conn[Symbol.dispose]();
  throw new Error("Cancelled");
}
