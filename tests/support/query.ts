/**
 * Single statements for the set-up and the looking-on of tests, beside the connections that are tested.
 *
 * @module
 */

import postgres from "postgres";

/** Values for the parameters of a statement. */
export type Parameters = readonly (string | number | boolean | null)[];

/** Where {@linkcode query} connects to. */
export type QueryTarget = string | {
  readonly path: string;
  readonly user: string;
  readonly database: string;
};

/**
 * Runs one statement on a connection of its own.
 *
 * @param target URL, or Unix domain socket.
 * @param text The statement.
 * @param parameters Values for `$1` and so on.
 * @returns Its rows.
 */
export async function query<T extends Record<string, unknown> = Record<string, unknown>>(
  target: QueryTarget,
  text: string,
  parameters: Parameters = [],
): Promise<T[]> {
  // The timer of a client's age may outlive its end for a moment, and with it the test.
  const options = { max: 1, max_lifetime: null, fetch_types: false, onnotice: () => {} };
  const sql = typeof target === "string"
    ? postgres(target, options)
    : postgres({ ...target, ...options });
  try {
    return [...await sql.unsafe<T[]>(text, [...parameters])];
  } finally {
    await sql.end();
  }
}
