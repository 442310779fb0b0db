/**
 * The sections in the order they are printed.
 *
 * @module
 */

import { postgresSection } from "./end_to_end/section.ts";
import { microSection } from "./micro/section.ts";
import type { Section } from "./section.ts";
import { recoverySection } from "./recovery/section.ts";
import { startupSection } from "./startup/section.ts";

/** All sections. */
export const sections: readonly Section[] = [
  microSection,
  postgresSection,
  startupSection,
  recoverySection,
];
