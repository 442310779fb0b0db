import postgres from "postgres";
import type { Client } from "../client.ts";

/** postgres.js, the driver underneath. */
export const client: Client = {
  async firstRow(url) {
    const sql = postgres(url, { max: 10 });
    await sql`select 1`;
    return () => sql.end();
  },
};
