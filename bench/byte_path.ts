/**
 * What the byte path under the driver costs: postgres.js over the `net.Socket` it makes itself, over the Deno adapter's
 * own socket, and over the adapter's `node:net` socket, against a real PostgreSQL on this machine.
 *
 * ```sh
 * deno run -A bench/byte_path.ts [rounds] [milliseconds per measurement]
 * ```
 *
 * Numbers of one run compare with one another only. Rounds are interleaved; given are medians over the rounds, in
 * brackets the median of the rounds' ratios to the driver's own socket. CPU is that of this process, without the server.
 *
 * Deno 2.9.6, PostgreSQL 18.4, 2 cores that others used too, 301 rounds of 40 ms; ratios to the driver's own socket,
 * queries/s and CPU per query:
 *
 * |                                     | Deno.connect | node:net     |
 * |-------------------------------------|-------------:|-------------:|
 * | 1 client, select 1                  | ×1.01, ×0.99 | ×1.01, ×0.99 |
 * | 1 client, two rows                  | ×1.01, ×0.99 | ×1.00, ×1.01 |
 * | 10 clients, select 1                | ×0.96, ×1.03 | ×0.97, ×1.04 |
 * | 10 clients, two rows                | ×0.97, ×1.04 | ×0.98, ×1.03 |
 * | 1 client, 100 in the pipe, select 1 | ×1.02, ×0.99 | ×0.96, ×1.02 |
 * | 1 client, 100 in the pipe, two rows | ×1.02, ×1.00 | ×0.99, ×1.01 |
 *
 * So the kind of socket makes no difference that this machine can show. Both of ours lose 2 to 4 % at 10 clients, so it
 * is presumably the layer on top (not measured apart). A prototype that entered the root context for each write, instead
 * of sleeping on a promise, was 10 to 15 % slower at 10 clients running `select 1`, in two shorter runs.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import process from "node:process";
import postgres from "postgres";
import type { Runtime, Socket } from "../src/core/runtime.ts";
import { planConnect } from "../src/runtime/connect_plan.ts";
import { runtime } from "../src/runtime/deno.ts";
import { NodeSocket } from "../src/runtime/node_socket.ts";
import { PostgresServer } from "../tests/support/postgres_server.ts";
import { print, progress } from "./print.ts";
import { format, formatRatio, median } from "./statistics.ts";

type Sql = ReturnType<typeof postgres>;

/** As much of a Node stream as postgres.js needs. */
class Duplex extends EventEmitter {
  readyState = "open";
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.receive({
      data: (bytes) => {
        this.emit("data", Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      },
      drain: () => {
        this.emit("drain");
      },
      close: (error) => {
        this.readyState = "closed";
        if (error !== undefined) this.emit("error", error);
        this.emit("close", error !== undefined);
      },
    });
  }

  write(bytes: Uint8Array, done?: () => void): boolean {
    const room = this.#socket.write(bytes);
    if (done !== undefined) queueMicrotask(done);
    return room;
  }

  end(bytes?: Uint8Array): void {
    if (bytes !== undefined) this.#socket.write(bytes);
    this.readyState = "closed";
    this.#socket.close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

const CLIENTS = 10;
const [rounds = 31, milliseconds = 100] = Deno.args.map(Number);

const server = await PostgresServer.start();
const port = Number(new URL(server.url()).port);

/** Where a client's bytes go: into the driver's own socket, or into one of ours. */
const paths: Record<string, Runtime["connect"] | undefined> = {
  "driver's own": undefined,
  "Deno.connect": runtime.connect,
  "node:net": (address, options) => new NodeSocket(planConnect(address, options)),
};

function makeClient(connect: Runtime["connect"] | undefined): Sql {
  const socket = connect && (async () => {
    const made = connect({ hostname: server.host, port });
    await made.opened;
    return new Duplex(made);
  });
  // `socket` is an option that the driver's types do not know.
  return postgres(server.url(), { max: 1, fetch_types: false, ...{ socket } });
}

const queries: Record<string, (sql: Sql) => Promise<unknown>> = {
  "select 1": (sql) => sql`select 1`,
  "two rows": (sql) => sql`select g, ${"x"}::text as t from generate_series(1, ${2}::int) g`,
};

type Load = (clients: readonly Sql[], query: (sql: Sql) => Promise<unknown>) => Promise<number>;

/** Repeats a query, one at a time, until the time is over. */
async function repeat(sql: Sql | undefined, query: (sql: Sql) => Promise<unknown>, until: number) {
  if (sql === undefined) return 0;
  let count = 0;
  for (; performance.now() < until; count++) await query(sql);
  return count;
}

function together(clients: readonly (Sql | undefined)[]): Load {
  return async (all, query) => {
    const until = performance.now() + milliseconds;
    const used = clients.length > 0 ? clients : all;
    const counts = await Promise.all(used.map((sql) => repeat(sql, query, until)));
    return counts.reduce((sum, count) => sum + count, 0);
  };
}

const loads: Record<string, Load> = {
  "1 client": (all, query) => together([all[0]])(all, query),
  "10 clients": (all, query) => together(all)(all, query),
  "1 client, 100 in the pipe": (all, query) => together(Array(100).fill(all[0]))(all, query),
};

/** Samples of one path under one load. */
interface Samples {
  readonly perSecond: number[];
  readonly cpuMicroseconds: number[];
}

const clients = Object.entries(paths).map(([name, connect]) => ({
  name,
  all: Array.from({ length: CLIENTS }, () => makeClient(connect)),
}));
const samples = new Map<string, Samples>();

async function measure(load: string, query: string, name: string, all: readonly Sql[]) {
  const run = loads[load];
  const ask = queries[query];
  if (run === undefined || ask === undefined) return;
  const before = process.cpuUsage();
  const start = performance.now();
  const count = await run(all, ask);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  const key = `${load}, ${query}/${name}`;
  const kept = samples.get(key) ?? { perSecond: [], cpuMicroseconds: [] };
  kept.perSecond.push(count / seconds);
  kept.cpuMicroseconds.push((user + system) / count);
  samples.set(key, kept);
}

for (let round = 0; round < rounds + 2; round++) {
  progress(`round ${round} of ${rounds}`);
  // The first two rounds warm up.
  if (round === 2) samples.clear();
  for (const load of Object.keys(loads)) {
    for (const query of Object.keys(queries)) {
      // Each path comes first, second, last equally often.
      const turn = round % clients.length;
      for (const { name, all } of [...clients.slice(turn), ...clients.slice(0, turn)]) {
        await measure(load, query, name, all);
      }
    }
  }
}
progress("");

const names = clients.map(({ name }) => name);
const header = ["", ...names.flatMap((name) => [`${name}: queries/s`, "CPU µs/query"])];
print(`| ${header.join(" | ")} |`);
print(`|${header.map((_, index) => index === 0 ? "---|" : "---:|").join("")}`);
for (const load of Object.keys(loads)) {
  for (const query of Object.keys(queries)) {
    const cells = names.flatMap((name) => {
      const own = samples.get(`${load}, ${query}/${names[0]}`);
      const these = samples.get(`${load}, ${query}/${name}`);
      return (["perSecond", "cpuMicroseconds"] as const).map((kind) => {
        const values = these?.[kind] ?? [];
        if (these === own) return format(median(values));
        // Neighbours in time share what else the machine does, so their ratio is steadier than that of the medians.
        const ratios = values.map((value, round) => value / (own?.[kind][round] ?? NaN));
        return `${format(median(values))} (${formatRatio(median(ratios))})`;
      });
    });
    print(`| ${[`${load}, ${query}`, ...cells].join(" | ")} |`);
  }
}

await Promise.all(clients.flatMap(({ all }) => all.map((sql) => sql.end())));
await server[Symbol.asyncDispose]();
