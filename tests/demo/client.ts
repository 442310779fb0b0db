/**
 * HTTP as the clients of the shop speak it.
 *
 * @module
 */

import type { Problem } from "./order.ts";

/** What became of a request: the answer, or what is known of the failure. */
export type Reply<T> =
  | { readonly ok: true; readonly body: T }
  | { readonly ok: false; readonly status: number | undefined; readonly problem: Problem };

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "outcome" in value && "retryable" in value;
}

/**
 * Sends one request; never rejects.
 *
 * @param url Where.
 * @param init What.
 * @returns The reply. No answer, or one that can't be read, is a failure with unknown outcome.
 */
export async function send<T>(url: string, init: RequestInit): Promise<Reply<T>> {
  let status: number | undefined;
  try {
    const response = await fetch(url, init);
    status = response.status;
    const body: unknown = await response.json();
    if (response.ok) return { ok: true, body: body as T };
    if (isProblem(body)) return { ok: false, status, problem: body };
    throw new Error("The answer can't be understood");
  } catch (error) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return {
      ok: false,
      status,
      problem: { code: name, message, outcome: "unknown", retryable: false },
    };
  }
}
