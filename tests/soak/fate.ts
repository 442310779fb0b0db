/**
 * What a client knows of a write when its call is over.
 *
 * @module
 */

/**
 * The write is in force; it is not and never will be; nobody told.
 *
 * What the pool says (`outcome` of its errors) is taken by its word: the check at the end finds out whether it holds.
 */
export type Fate = "acknowledged" | "refused" | "unknown";

/** All of them, in the order they are reported. */
export const FATES: readonly Fate[] = ["acknowledged", "refused", "unknown"];

const FATE_OF: Readonly<Record<string, Fate>> = {
  "not-applied": "refused",
  "refused": "refused",
  "rolled-back": "refused",
  "unknown": "unknown",
};

/** What is read off an error. */
export interface Failure {
  readonly fate: Fate;
  /** Name, code and outcome, to count by. */
  readonly label: string;
  /** Whether it says what became of the work, as every error that leaves the pool has to. */
  readonly labelled: boolean;
}

/**
 * Reads an error.
 *
 * @param error What the pool rejected with.
 * @returns What it says. One that says nothing leaves the fate unknown.
 */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) {
    return { fate: "unknown", label: `${typeof error} thrown`, labelled: false };
  }
  const { name, code, outcome } = error as { name: string; code?: unknown; outcome?: unknown };
  const fate = typeof outcome === "string" ? FATE_OF[outcome] : undefined;
  const title = typeof code === "string" && code !== "" ? `${name} ${code}` : name;
  return {
    fate: fate ?? "unknown",
    label: `${title}: ${fate === undefined ? `no outcome (${error.message})` : outcome}`,
    labelled: fate !== undefined,
  };
}

/** The work's own reason to give up: given to a signal, it says by itself that nobody knows. */
export class GivenUp extends Error {
  readonly outcome: string = "unknown";
  override readonly name: string = "GivenUp";
}

/** The work's own reason to roll back. */
export class ChangeOfMind extends Error {
  readonly outcome: string = "rolled-back";
  override readonly name: string = "ChangeOfMind";
}
