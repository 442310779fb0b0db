/**
 * Pipelined answers that arrive cut where it hurts.
 */

import { assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import type { Runtime } from "../../../src/core/runtime.ts";
import { PostgresDriver } from "../../../src/driver/postgres/driver.ts";
import { resolvePostgresOptions } from "../../../src/driver/postgres/options.ts";
import { runtime } from "../../support/entry.ts";
import { test } from "../../support/harness.ts";
import { pipeline } from "./pipeline.ts";
import { Schema } from "./schema.ts";

/** Where each message of this letter starts. */
function startsOf(letter: string, bytes: Buffer): number[] {
  const starts: number[] = [];
  for (let at = 0; at < bytes.length; at += 1 + bytes.readInt32BE(at + 1)) {
    if (bytes[at] === letter.charCodeAt(0)) starts.push(at);
  }
  return starts;
}

test("An error amid rows is noticed though its rows came with the end of the statement before", async () => {
  await using schema = await Schema.create();
  let hold = false;
  let held = Buffer.alloc(0);
  const regrouping: Runtime = {
    ...runtime,
    connect(address, options) {
      const socket = runtime.connect(address, options);
      const receive = socket.receive.bind(socket);
      socket.receive = (handlers) =>
        receive({
          data(bytes) {
            if (!hold) return handlers.data(bytes);
            held = Buffer.concat([held, bytes]);
            if (startsOf("Z", held).length < 3) return;
            hold = false;
            const [, second = 0] = startsOf("E", held);
            handlers.data(held.subarray(0, second));
            handlers.data(held.subarray(second));
          },
          drain: () => handlers.drain(),
          close: (error) => handlers.close(error),
        });
      return socket;
    },
  };
  const driver = new PostgresDriver(regrouping, resolvePostgresOptions(schema.url, {}));
  const connection = await driver.connect();
  try {
    const sql = pipeline({ connection, template: driver.template });
    hold = true;
    const failing = () => sql`select 1 / (4 - i) as x from generate_series(1, 9) as i`;
    const queries = [failing(), failing(), sql`select 7 as x`];
    for (const query of queries) query.execute();
    for (const query of queries.slice(0, 2)) {
      await assertRejects(async () => await query, Error, "division by zero");
    }
    const rows = await queries[2];
    assertEquals([rows?.length, rows?.[0]], [1, { x: 7 }]);
  } finally {
    connection.destroy();
  }
});
