/**
 * Requests that the service turns down for reasons of its own, and how every failure is told to the client.
 *
 * @module
 */

import { SteadyError } from "../../mod.ts";
import type { Problem } from "./order.ts";

/** The service turns a request down; thrown inside of a transaction, it rolls it back. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  /**
   * @param status Status of the response.
   * @param code A word for programs.
   * @param message A sentence for people.
   */
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** What the pool adds to every error, its own and the server's. */
interface Described {
  readonly code?: unknown;
  readonly outcome?: unknown;
  readonly retryable?: unknown;
}

/** What is known of a failure. What does not say what became of the work may have done it. */
function problemOf(error: unknown): Problem {
  if (error instanceof Refusal) {
    const { code, message } = error;
    return { code, message, outcome: "refused", retryable: false };
  }
  const { code, outcome, retryable }: Described = typeof error === "object" && error ? error : {};
  return {
    code: typeof code === "string" ? code : error instanceof Error ? error.name : "INTERNAL",
    message: error instanceof Error ? error.message : "Something went wrong",
    outcome: typeof outcome === "string" ? outcome : "unknown",
    retryable: retryable === true,
  };
}

function statusOf(error: unknown, { retryable }: Problem): number {
  if (error instanceof Refusal) return error.status;
  // Try again later: the database is away, or says itself that the same thing may go well next time.
  return error instanceof SteadyError || retryable ? 503 : 500;
}

/**
 * Makes the response to a request that failed.
 *
 * @param error Why.
 * @returns The response, which says what is known of the work and whether the request may be sent again.
 */
export function failureResponse(error: unknown): Response {
  const problem = problemOf(error);
  return Response.json(problem, { status: statusOf(error, problem) });
}
