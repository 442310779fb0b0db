/**
 * The `PG…` variables that a test wants.
 *
 * @module
 */

import process from "node:process";

/**
 * Runs something with these `PG…` variables, and no other.
 *
 * @param variables Their values.
 * @param fn What to run.
 */
export function withEnvironment(variables: Record<string, string>, fn: () => void): void {
  const { env } = process;
  const before = Object.entries(env).filter(([name]) => name.startsWith("PG"));
  for (const [name] of before) delete env[name];
  Object.assign(env, variables);
  try {
    fn();
  } finally {
    for (const name of Object.keys(variables)) delete env[name];
    Object.assign(env, Object.fromEntries(before));
  }
}
