import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { outcome, parity } from "./parity.ts";

const TABLE = "create table t (x int, y text)";

async function text(readable: Readable): Promise<string> {
  const chunks: string[] = [];
  for await (const chunk of readable) chunks.push(String(chunk));
  return chunks.join("");
}

parity("copy from stdin", async (sql) => {
  await pipeline(
    Readable.from(["1\tone\n2\t", "two\n", "3\tthree\n"]),
    await sql`copy t from stdin`.writable(),
  );
  return await sql`select * from t order by x`;
}, { setUp: TABLE });

parity("copy of nothing from stdin", async (sql) => {
  await pipeline(Readable.from([]), await sql`copy t from stdin`.writable());
  return await sql`table t`;
}, { setUp: TABLE });

parity("copy to stdout", async (sql) => {
  await sql`insert into t select x, 'row ' || x from generate_series(1, 1000) x`;
  return [
    await text(await sql`copy t to stdout`.readable()),
    await text(await sql`copy (select 1 where false) to stdout`.readable()),
    await sql`select 'still well' as state`,
  ];
}, { setUp: TABLE });

parity("copy that is refused", async (sql) => [
  await outcome(sql`copy nowhere from stdin`.writable()),
  await outcome(sql`copy nowhere to stdout`.readable()),
  await sql`select 'still well' as state`,
], { setUp: TABLE });

parity("copy from stdin that is given up", async (sql) => {
  const stream = await sql`copy t from stdin`.writable();
  const thrown = new Error("no");
  const closed = new Promise((resolve) => stream.once("error", resolve));
  stream.write("1\tone\n");
  stream.destroy(thrown);
  return [await closed === thrown, await sql`table t`];
}, { setUp: TABLE });

parity("statements during a copy from stdin", async (sql) => {
  const reserved = await sql.reserve();
  try {
    const stream = await reserved`copy t from stdin`.writable();
    const error = await outcome(reserved`select 1`) as Error;
    await pipeline(Readable.from(["1\tone\n"]), stream);
    return [error.message, Reflect.get(error, "code"), await reserved`table t`];
  } finally {
    reserved.release();
  }
}, { setUp: TABLE });
