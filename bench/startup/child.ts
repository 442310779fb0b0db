/**
 * From import to the first row, once.
 *
 * @module
 */

import { printResult, readInput } from "../child_result.ts";
import type { RuntimeName } from "../runtime.ts";
import { loadClient } from "./clients.ts";

const { runtime, name, url } = readInput() as {
  readonly runtime: RuntimeName;
  readonly name: string;
  readonly url: string;
};
const start = performance.now();
const client = await loadClient(runtime, name);
const imported = performance.now();
const close = await client.firstRow(url);
const answered = performance.now();
await close();
printResult({ importMs: imported - start, rowMs: answered - imported });
