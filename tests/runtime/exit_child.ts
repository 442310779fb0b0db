/**
 * Opens a socket and does nothing more, so that the process ends when nothing holds it.
 *
 * Arguments: module of the runtime's adapter, port, mode (`ref`, `unref`, `early`, `unref-ref`), `tls` or `plain`,
 * authority in PEM.
 *
 * @module
 */

import process from "node:process";
import type { ConnectOptions, Runtime } from "../../src/core/runtime.ts";

const [adapter = "", port = "", mode = "", transport = "", ca = ""] = process.argv.slice(2);
const { runtime }: { runtime: Runtime } = await import(adapter);

const options: ConnectOptions = transport === "tls"
  ? {
    secureTransport: "on",
    tls: { verify: "full", serverName: "localhost", ca: ca === "" ? undefined : [ca] },
  }
  : {};
const socket = runtime.connect({ hostname: "127.0.0.1", port: Number(port) }, options);
socket.receive({
  data() {
    process.stdout.write("data\n");
    socket.destroy();
  },
  drain() {},
  close() {
    process.stdout.write("close\n");
  },
});
if (mode === "early") socket.unref();
socket.opened.then(() => {
  process.stdout.write("open\n");
  if (mode.startsWith("unref")) socket.unref();
  if (mode === "unref-ref") socket.ref();
});
