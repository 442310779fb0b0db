/**
 * A port that answers no connect: neither accepted nor refused.
 *
 * @module
 */

import { connect, type Socket as NetSocket } from "node:net";
import { Worker } from "node:worker_threads";

/** Listens with the shortest queue there is, then sleeps until it is told to end: nobody takes from the queue. */
const LISTENER = `
  const { createServer } = require("node:net");
  const { parentPort, workerData } = require("node:worker_threads");
  const server = createServer((socket) => socket.destroy());
  const { shared, port } = workerData;
  server.listen({ port, host: "127.0.0.1", backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setTimeout(() => {
      Atomics.wait(new Int32Array(shared), 0, 0);
      server.close(() => parentPort.postMessage("closed"));
    }, 10);
  });
`;

/** How long a connect may take before it counts as unanswered, in milliseconds. */
const UNANSWERED_MS = 150;

/** A port that answers no connect. */
export interface SilentPort {
  /** The port, on 127.0.0.1. */
  readonly port: number;
  /** Gives it up. */
  close(): Promise<void>;
}

/**
 * Makes such a port.
 *
 * @param wanted Which; by default one that is free.
 * @returns The port; it keeps a thread until it is closed.
 */
export async function listenSilently(wanted = 0): Promise<SilentPort> {
  const shared = new SharedArrayBuffer(4);
  const worker = new Worker(LISTENER, { eval: true, workerData: { shared, port: wanted } });
  const fillers: NetSocket[] = [];
  let listening = false;
  const close = async (): Promise<void> => {
    const closed: Promise<unknown>[] = fillers.map((filler) =>
      new Promise<void>((resolve) => filler.once("close", () => resolve()).destroy())
    );
    // Only then the port is free for another one.
    if (listening) closed.push(new Promise((resolve) => worker.once("message", resolve)));
    Atomics.store(new Int32Array(shared), 0, 1);
    Atomics.notify(new Int32Array(shared), 0);
    await Promise.all(closed);
    await worker.terminate();
  };
  try {
    const port = await new Promise<number>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
    listening = true;
    await new Promise((resolve) => setTimeout(resolve, 50));
    while (await answers(port, fillers));
    return { port, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * Runs a test with such a port.
 *
 * @param fn Receives the port.
 */
export async function withBlackhole(fn: (port: number) => Promise<void>): Promise<void> {
  const silent = await listenSilently();
  try {
    await fn(silent.port);
  } finally {
    await silent.close();
  }
}

/** Puts one more connection into the queue; `false` when it is full. */
async function answers(port: number, fillers: NetSocket[]): Promise<boolean> {
  const filler = connect({ host: "127.0.0.1", port });
  fillers.push(filler);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const answered = await new Promise<boolean>((resolve, reject) => {
    filler.once("connect", () => resolve(true));
    filler.once("error", reject);
    timer = setTimeout(() => resolve(false), UNANSWERED_MS);
  });
  clearTimeout(timer);
  return answered;
}
