/**
 * What a {@linkcode PulledSocket} is made of: a connection that is read by asking for bytes, and who opens it.
 *
 * @module
 */

import type { ConnectPlan } from "./connect_plan.ts";

/** An open connection; `Deno.Conn` is one. */
export interface Conn {
  /**
   * Reads what has arrived, or waits for it.
   *
   * @param into Where to put it; not used for anything else until the promise is settled.
   * @returns How many bytes were read; `null` if the peer has said its last.
   */
  read(into: Uint8Array<ArrayBuffer>): Promise<number | null>;
  /**
   * Writes.
   *
   * @param bytes What to send.
   * @returns How many of them were sent.
   */
  write(bytes: Uint8Array): Promise<number>;
  /** Tells the peer that no more will come. */
  closeWrite(): Promise<void>;
  /** Lets the connection keep the process alive. */
  ref(): void;
  /** Lets the process exit although the connection is open. */
  unref(): void;
  /** Closes at once, and ends reads and writes; does nothing if it is closed. */
  [Symbol.dispose](): void;
}

/** Opens connections. Whoever's promise is rejected leaves nothing open. */
export interface Dialer<C extends Conn> {
  /**
   * Makes the canceller whose signal the other two take.
   *
   * @returns A new one.
   */
  canceller(): AbortController;
  /**
   * Connects, and does the TLS handshake if it comes first.
   *
   * @param plan Where to and how.
   * @param cancel Ends the attempt.
   * @returns The connection.
   */
  dial(plan: ConnectPlan, cancel: AbortSignal): Promise<C>;
  /**
   * Puts TLS on a connection and does the handshake.
   *
   * @param plan What to verify.
   * @param conn A connection without a read or write on its way; it is used up.
   * @param cancel Ends the attempt.
   * @returns The secured connection.
   */
  secure(plan: ConnectPlan, conn: C, cancel: AbortSignal): Promise<C>;
}
