/**
 * Serves a function from request to response by `node:http`.
 *
 * @module
 */

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { finished } from "node:stream/promises";
import type { Handler, HttpServer } from "./run_app.ts";

/**
 * Serves on a free port of the loopback interface.
 *
 * @param handler Answers requests.
 * @returns The running server.
 */
export async function serve(handler: Handler): Promise<HttpServer> {
  const answers = new Set<Promise<void>>();
  const server = createServer((incoming, outgoing) => {
    const answered = answer(handler, incoming, outgoing)
      // Who breaks off while its request is read or answered gets no answer.
      .catch(() => void outgoing.destroy())
      .finally(() => answers.delete(answered));
    answers.add(answered);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async close() {
      server.close();
      await Promise.all(answers);
      // A client may have opened one ahead, which counts as busy until its first request.
      server.closeAllConnections();
    },
  };
}

async function answer(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const { method, headers, url } = incoming;
  const body = method === "GET" ? undefined : await text(incoming);
  const response = await handler(new Request(`http://${headers.host}${url}`, { method, body }));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(await response.text());
  await finished(outgoing);
}
