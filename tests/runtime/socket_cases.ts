/**
 * What the sockets and the async context of every runtime must do.
 *
 * @module
 */

import { byteCases } from "./byte_cases.ts";
import { contextCases } from "./context_cases.ts";
import { endingCases } from "./ending_cases.ts";
import { exitCases } from "./exit_cases.ts";
import { openingCases } from "./opening_cases.ts";
import { tlsCases } from "./tls_cases.ts";
import type { SocketCase, SocketCaseContext } from "./socket_case.ts";

export type { SocketCase, SocketCaseContext };

/**
 * All cases for one runtime.
 *
 * @param context What to check.
 * @returns The cases, to be handed to a test runner.
 */
export function socketCases(context: SocketCaseContext): SocketCase[] {
  const cases = [
    ...openingCases(context),
    ...byteCases(context),
    ...endingCases(context),
    ...tlsCases(context),
    ...contextCases(context),
    ...exitCases(context),
  ];
  return cases.map(({ name, fn }) => ({ name, fn: () => inTime(name, fn()) }));
}

/** Longest that a case may take, in milliseconds: a promise that never settles must not hang the run. */
const CASE_MS = 30_000;

async function inTime(name: string, done: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not done after ${CASE_MS} ms: ${name}`)), CASE_MS);
  });
  try {
    await Promise.race([done, late]);
  } finally {
    clearTimeout(timer);
  }
}
