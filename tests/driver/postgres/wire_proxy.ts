/**
 * A proxy on loopback that understands PostgreSQL's messages: it notes what passes, and lets a test hold, drop or cut.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { connect, createServer, type Server, type Socket } from "node:net";

/** One message that came to the proxy. */
export interface WireMessage {
  /** Number of the connection, from 1, in the order they were opened. */
  readonly connection: number;
  /** Who sent it. */
  readonly from: "client" | "server";
  /**
   * Its type byte. What a client says first has none and is called by its meaning: `"startup"`, `"ssl"`, `"cancel"`.
   */
  readonly type: string;
  /** What follows the length. */
  readonly body: Buffer;
}

/**
 * What is done with a message: it goes on; it is swallowed; it is swallowed and its connection broken on both sides;
 * or the decision is still to come, and what was sent behind it waits with it.
 */
export type Verdict = "pass" | "drop" | "cut" | Promise<"pass" | "drop" | "cut">;

/** First messages of a client, by the number in them. */
const FIRST_MESSAGES: Readonly<Record<number, string>> = {
  80877103: "ssl",
  80877102: "cancel",
  196608: "startup",
};

/** The statement in a client's Query or Parse, as far as it is one. */
export function statementOf({ from, type, body }: WireMessage): string | undefined {
  if (from !== "client") return undefined;
  const texts = body.toString().split("\0");
  if (type === "Q") return texts[0];
  return type === "P" ? texts[1] : undefined;
}

/** One direction of one connection. */
class Lane {
  readonly #target: Socket;
  readonly #judge: (type: string, body: Buffer) => Verdict;
  #rest: Buffer = Buffer.alloc(0);
  #typed: boolean;
  #held = false;
  #ended = false;

  constructor(
    source: Socket,
    target: Socket,
    typed: boolean,
    judge: (type: string, body: Buffer) => Verdict,
  ) {
    this.#typed = typed;
    this.#target = target;
    this.#judge = judge;
    source.on("data", (chunk: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      this.#pump();
    });
    source.on("end", () => {
      this.#ended = true;
      this.#pump();
    });
  }

  #pump(): void {
    while (!this.#held) {
      const message = this.#next();
      if (message === undefined) break;
      const verdict = this.#judge(message.type, message.body);
      if (typeof verdict === "string") this.#carryOut(verdict, message.bytes);
      else {
        this.#held = true;
        verdict.then((decided) => {
          this.#held = false;
          this.#carryOut(decided, message.bytes);
          this.#pump();
        });
      }
    }
    if (this.#ended && !this.#held) this.#target.end();
  }

  #next(): { type: string; body: Buffer; bytes: Buffer } | undefined {
    const header = this.#typed ? 5 : 4;
    if (this.#rest.length < header) return undefined;
    const end = this.#rest.readInt32BE(header - 4) + header - 4;
    if (this.#rest.length < end) return undefined;
    const bytes = this.#rest.subarray(0, end);
    this.#rest = this.#rest.subarray(end);
    const body = bytes.subarray(header);
    if (this.#typed) return { type: String.fromCharCode(bytes[0] ?? 0), body, bytes };
    this.#typed = true;
    return { type: FIRST_MESSAGES[body.readInt32BE(0)] ?? "unknown", body, bytes };
  }

  #carryOut(verdict: "pass" | "drop" | "cut", bytes: Buffer): void {
    if (verdict === "pass") this.#target.write(bytes);
    else if (verdict === "cut") this.#target.destroy();
  }
}

/** A proxy in front of a server. */
export class WireProxy implements AsyncDisposable {
  /** Port it listens on. */
  readonly port: number;
  /** Decides on each message; passes all by default. */
  judge: (message: WireMessage) => Verdict = () => "pass";
  /** All messages that came, in order. */
  readonly messages: WireMessage[] = [];
  /** How many connections were opened through it. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #closed: Promise<void> | undefined;
  readonly #watchers = new Set<(message: WireMessage) => void>();

  private constructor(server: Server, target: { host: string; port: number }) {
    this.#server = server;
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("The proxy has no port");
    this.port = address.port;
    server.on("connection", (client) => this.#accept(client, target));
  }

  /**
   * Starts one.
   *
   * @param target URL of the server behind it.
   * @returns The proxy.
   */
  static async start(target: string): Promise<WireProxy> {
    const { hostname, port } = new URL(target);
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return new WireProxy(server, { host: hostname, port: Number(port) });
  }

  /** The statements that clients sent so far, in order, on all connections. */
  get statements(): string[] {
    return this.messages.flatMap((message) => statementOf(message) ?? []);
  }

  /**
   * Waits for a message to come; one that came before counts too.
   *
   * @param wanted Which.
   * @returns The message.
   */
  async message(wanted: (message: WireMessage) => boolean): Promise<WireMessage> {
    const before = this.messages.find(wanted);
    if (before !== undefined) return before;
    return await new Promise((resolve) => {
      const watcher = (message: WireMessage): void => {
        if (!wanted(message)) return;
        this.#watchers.delete(watcher);
        resolve(message);
      };
      this.#watchers.add(watcher);
    });
  }

  /**
   * Waits until a statement came.
   *
   * @param text Part of it.
   * @returns The message.
   */
  statement(text: string): Promise<WireMessage> {
    return this.message((message) => statementOf(message)?.includes(text) ?? false);
  }

  #accept(client: Socket, target: { host: string; port: number }): void {
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    const connection = ++this.connections;
    const judge = (from: "client" | "server") => (type: string, body: Buffer): Verdict => {
      const message = { connection, from, type, body };
      this.messages.push(message);
      const verdict = this.judge(message);
      for (const watcher of [...this.#watchers]) watcher(message);
      return verdict;
    };
    for (
      const [from, source, sink] of [
        ["client", client, server],
        ["server", server, client],
      ] as const
    ) {
      new Lane(source, sink, from === "server", judge(from));
      this.#sockets.add(source);
      source.on("error", () => {});
      source.on("close", () => {
        this.#sockets.delete(source);
        sink.destroy();
      });
    }
  }

  /** Refuses new connections from now on; those that are open stay. */
  refuse(): void {
    this.#closed ??= new Promise((resolve) => this.#server.close(() => resolve()));
  }

  /** Breaks all connections; new ones are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.refuse();
    this.cut();
    await this.#closed;
  }
}
