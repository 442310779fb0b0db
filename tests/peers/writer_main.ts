/**
 * A process that writes by one client.
 *
 * @module
 */

import { once } from "node:events";
import process from "node:process";
import { type Client, CLIENTS } from "./clients.ts";
import {
  DEADLINE_MS,
  HUNG_MS,
  INTERVAL_MS,
  type Mode,
  type Report,
  type WriterInput,
  WRITERS,
  WRITES,
} from "./protocol.ts";

function tell(report: Report): void {
  process.stdout.write(JSON.stringify(report) + "\n");
}

function labelOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { name, code, message } = error as { name: string; code?: unknown; message: string };
  return typeof code === "string" ? `${name} ${code}` : `${name}: ${message}`;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const WRITE: Readonly<Record<Mode, (client: Client, id: string) => PromiseLike<unknown>>> = {
  statement: (client, id) => client.insert(id),
  deadline: (client, id) => client.insertWithin(id, DEADLINE_MS),
  idempotent: (client, id) => client.insertIdempotently(id),
  transaction: (client, id) => client.insertInTransaction(id),
};

/** As many connections as there may be, and all of them idle. */
async function warmUp(write: (id: string) => PromiseLike<unknown>): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: WRITERS }, (_, index) => write(`warm-${index}`)));
  }
}

async function main({ client: name, url, mode }: WriterInput): Promise<void> {
  for (const event of ["unhandledRejection", "uncaughtException"] as const) {
    process.on(event, (error: unknown) => tell({ type: "crash", text: labelOf(error) }));
  }
  const client = CLIENTS[name]?.(url);
  if (client === undefined) throw new TypeError(`There is no client ${name}`);
  const write = (id: string) => WRITE[mode](client, id);
  await warmUp(write);
  tell({ type: "warm" });
  await once(process.stdin, "data");

  const pending = new Set<string>();
  const one = async (id: string): Promise<void> => {
    const started = performance.now();
    const ms = (): number => Math.round(performance.now() - started);
    pending.add(id);
    try {
      await write(id);
      tell({ type: "settled", id, acknowledged: true, ms: ms() });
    } catch (error) {
      tell({ type: "settled", id, acknowledged: false, ms: ms(), error: labelOf(error) });
    }
    pending.delete(id);
  };
  const writer = async (_: unknown, index: number): Promise<void> => {
    await sleep(index * INTERVAL_MS / WRITERS);
    for (let number = 0; number < WRITES; number++) {
      const pace = sleep(INTERVAL_MS);
      // One that hangs must not keep its writer from the next.
      await Promise.race([one(`id-${index}-${number}.`), sleep(HUNG_MS)]);
      await pace;
    }
  };
  await Promise.all(Array.from({ length: WRITERS }, writer));
  // Rejections count as unhandled a turn later.
  await sleep(50);
  tell({ type: "done", hung: [...pending] });
  // How a client ends is none of this.
  process.exit();
}

await main(JSON.parse(process.argv[2] ?? "") as WriterInput);
