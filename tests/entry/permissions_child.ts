/**
 * A program that makes one query and prints the answer, or what is said of the failure.
 *
 * Arguments: URL; options in JSON.
 *
 * @module
 */

import process from "node:process";
import { SteadyError } from "../../mod.ts";
import { createPool } from "../../src/entry/deno.ts";

const [url = "", options = "{}"] = process.argv.slice(2);

async function answer(): Promise<unknown> {
  try {
    await using db = createPool(url, { max: 2, ...JSON.parse(options) });
    const [row] = await db.sql`select 'ok' as answer, '{1,2}'::int[] as list, true as fine`;
    return row;
  } catch (error) {
    if (!(error instanceof Error)) return error;
    const { name, message, cause } = error;
    const retryable = error instanceof SteadyError ? error.retryable : undefined;
    return { name, message, retryable, cause: cause instanceof Error ? cause.name : undefined };
  }
}

process.stdout.write(JSON.stringify(await answer()));
