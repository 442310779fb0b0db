import { createPool } from "../../../src/entry/bun.ts";
import type { Client } from "../client.ts";

/** This module, as a Deno service imports it. */
export const client: Client = {
  async firstRow(url) {
    const db = createPool(url, { max: 10 });
    await db.sql`select 1`;
    return () => db.close();
  },
};
