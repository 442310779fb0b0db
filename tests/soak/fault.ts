/**
 * What goes wrong, and when.
 *
 * @module
 */

import type { Chance } from "./chance.ts";
import { SERVER_FAULTS } from "./faults/server.ts";
import { WIRE_FAULTS } from "./faults/wire.ts";
import type { World } from "./world.ts";

/** One accident, with everything about it decided. */
export interface Fault {
  /** Its kind. */
  readonly name: string;
  /** What was decided, for people. */
  readonly details: string;
  /**
   * Lets it happen; over when it is, and everything can work again.
   *
   * @param world What it happens to.
   * @param signal Cuts it short.
   */
  readonly strike: (world: World, signal: AbortSignal) => Promise<void>;
}

/** A kind of accident. */
export interface FaultKind {
  /** Its name. */
  readonly name: string;
  /**
   * Decides everything about one, before it happens.
   *
   * @param chance What decides.
   * @returns The accident.
   */
  draw(chance: Chance): Omit<Fault, "name">;
}

/** An accident, and the time before it. */
export interface Planned {
  readonly fault: Fault;
  readonly pauseMs: number;
}

/** All kinds, in the order they are reported. */
export const FAULT_KINDS: readonly FaultKind[] = [...SERVER_FAULTS, ...WIRE_FAULTS];

/** Time between the end of one and the next, in milliseconds. */
const PAUSE_MS = [100, 1_200] as const;

/**
 * Plans accidents without end; each kind comes up once before any comes up again.
 *
 * @param chance What decides.
 * @yields One after the other.
 */
export function* planFaults(chance: Chance): Generator<Planned, never> {
  while (true) {
    for (const { name, draw } of chance.shuffled(FAULT_KINDS)) {
      yield { fault: { name, ...draw(chance) }, pauseMs: chance.integer(...PAUSE_MS) };
    }
  }
}
