// @ts-types="@types/pg"
import { Pool } from "pg";
import type { Client } from "../client.ts";

/** node-postgres. */
export const client: Client = {
  async firstRow(url) {
    const pool = new Pool({ connectionString: url, max: 10 });
    await pool.query("select 1");
    return () => pool.end();
  },
};
