/**
 * A proxy on loopback that is as unreliable as a test wants it to be.
 *
 * It understands PostgreSQL's messages: it notes what passes, and holds, drops, delays or breaks at a given message or
 * byte. In front of a server that demands TLS it still does all that needs no understanding.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { connect, createServer, type Server, type Socket } from "node:net";
import { freePort } from "../support/free_port.ts";
import { listenSilently, type SilentPort } from "../runtime/blackhole.ts";
import type { Decision, Verdict } from "./lane.ts";
import { ProxiedConnection } from "./proxied_connection.ts";
import {
  fatalError,
  type MessageFilter,
  MessageReader,
  statementOf,
  stating,
  type WireMessage,
} from "./wire_message.ts";

/**
 * What becomes of a new connection: it is served; taken and reset at once; taken and never answered; or told by the proxy
 * itself, in answer to its startup message, that it is refused with that SQLSTATE (57P03, say).
 */
export type Arrival = "serve" | "reset" | "silence" | { readonly fatal: string };

/** Whom a fault befalls: the connections that are open, those that are opened from now on, or both. */
export type Scope = "open" | "new" | "all";

/** What is done to one connection. */
export type Fault = (connection: ProxiedConnection) => void;

interface Strike {
  readonly when: MessageFilter;
  readonly what: Decision | ((message: WireMessage) => Decision);
  readonly struck: (message: WireMessage) => void;
}

const HOST = "127.0.0.1";

/** A proxy in front of a server. */
export class FaultProxy implements AsyncDisposable {
  /** Port it listens on, on 127.0.0.1; stays the same. */
  readonly port: number;
  /** Decides on each message that no {@linkcode FaultProxy.strike} takes; passes all by default. */
  judge: (message: WireMessage) => Verdict = () => "pass";
  /** What becomes of new connections. */
  arrivals: Arrival = "serve";
  /** Whether messages are kept for a look back. */
  recording = true;
  /** All messages that came, in order; as far as they were recorded. */
  readonly messages: WireMessage[] = [];
  /** How many connections were opened through it: those that `arrivals` turned away do not count. */
  connections = 0;
  /** How many of them asked for a session: the others asked for a cancel, or said nothing. */
  sessions = 0;
  /**
   * How many connections `arrivals` turned away. Those that {@linkcode FaultProxy.refuse} turns away nobody can count:
   * the system answers them.
   */
  turnedAway = 0;
  #target: { readonly host: string; readonly port: number };
  #server: Server | undefined;
  #silent: SilentPort | undefined;
  readonly #open = new Set<ProxiedConnection>();
  /** Those that were turned away, as long as their sockets are open. */
  readonly #strays = new Set<Socket>();
  readonly #closing = new Set<Promise<unknown>>();
  readonly #strikes = new Set<Strike>();
  readonly #watchers = new Set<(message: WireMessage) => void>();
  #fault: Fault | undefined;

  private constructor(port: number, target: string) {
    this.port = port;
    this.#target = addressOf(target);
  }

  /**
   * Starts one.
   *
   * @param target URL of the server behind it.
   * @returns The proxy.
   */
  static async start(target: string): Promise<FaultProxy> {
    for (let attempts = 3;; attempts--) {
      // Not one that the system chooses: such a port could be taken while nobody listens on it.
      const proxy = new FaultProxy(await freePort(), target);
      try {
        await proxy.accept();
        return proxy;
      } catch (error) {
        if (attempts === 1 || (error as { code?: string }).code !== "EADDRINUSE") throw error;
      }
    }
  }

  /**
   * Changes where new connections go; those that are open stay where they are.
   *
   * @param url URL of the server.
   */
  retarget(url: string): void {
    this.#target = addressOf(url);
  }

  /**
   * A server's URL by way of the proxy.
   *
   * @param url The URL.
   * @returns The same with the proxy's address.
   */
  url(url: string): string {
    const through = new URL(url);
    through.hostname = HOST;
    through.port = String(this.port);
    return through.href;
  }

  /** The connections that are open, in the order they were opened. */
  get open(): readonly ProxiedConnection[] {
    return [...this.#open];
  }

  /** The statements that clients sent so far, in order, on all connections. */
  get statements(): string[] {
    return this.messages.flatMap((message) => statementOf(message) ?? []);
  }

  /**
   * Waits for a message to come; one that was recorded before counts too.
   *
   * @param wanted Which.
   * @returns The message.
   */
  async message(wanted: MessageFilter): Promise<WireMessage> {
    const before = this.messages.find(wanted);
    if (before !== undefined) return before;
    return await this.next(wanted);
  }

  /**
   * Waits for a message that is still to come.
   *
   * @param wanted Which.
   * @returns The message.
   */
  next(wanted: MessageFilter): Promise<WireMessage> {
    return new Promise((resolve) => {
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
    return this.message(stating(text));
  }

  /**
   * Lays a trap for one message.
   *
   * @param when Which; the first that is chosen springs it.
   * @param what What is done with it.
   * @returns The message, when it came.
   */
  strike(
    when: MessageFilter,
    what: Decision | ((message: WireMessage) => Decision),
  ): Promise<WireMessage> {
    return new Promise((struck) => this.#strikes.add({ when, what, struck }));
  }

  /**
   * Lets a fault befall connections.
   *
   * @param fault What is done to each.
   * @param scope Which ones. New ones suffer one fault only: that which was set last.
   */
  inflict(fault: Fault, scope: Scope = "all"): void {
    if (scope !== "new") this.#open.forEach(fault);
    if (scope !== "open") this.#fault = fault;
  }

  /**
   * Ends all faults but those that can't be undone: new connections are served, what was held or delayed goes on, traps
   * are gone. A port that is closed stays so: see {@linkcode FaultProxy.accept}.
   */
  heal(): void {
    this.arrivals = "serve";
    this.judge = () => "pass";
    this.#fault = undefined;
    this.#strikes.clear();
    for (const connection of this.#open) {
      connection.delay(0);
      connection.release();
    }
  }

  /** Refuses new connections from now on (nobody listens); those that are open stay. */
  refuse(): void {
    const server = this.#server;
    this.#server = undefined;
    // Fulfilled only when its last connection is closed; the port is closed at once.
    if (server) this.#track(new Promise((resolve) => server.close(resolve)));
  }

  /**
   * Neither takes nor refuses new connections from now on: the system answers none, as the queue of those that nobody has
   * taken yet is full. Those that are open stay.
   *
   * @returns Resolved when it is so.
   */
  async ignore(): Promise<void> {
    this.refuse();
    this.#silent ??= await listenSilently(this.port);
  }

  /**
   * Takes new connections again.
   *
   * @returns Resolved when it is so.
   */
  async accept(): Promise<void> {
    const silent = this.#silent;
    this.#silent = undefined;
    await silent?.close();
    if (this.#server) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host: HOST, port: this.port }, resolve);
    });
    server.on("connection", (client) => this.#arrive(client));
    this.#server = server;
  }

  /** Closes all connections; new ones are taken. */
  cut(): void {
    for (const connection of this.#open) connection.cut();
    for (const socket of this.#strays) socket.destroy();
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.refuse();
    await this.#silent?.close();
    this.cut();
    await Promise.all([...this.#closing, ...this.open.map(({ closed }) => closed)]);
  }

  #track(closing: Promise<unknown>): void {
    this.#closing.add(closing);
    closing.then(() => this.#closing.delete(closing));
  }

  #arrive(client: Socket): void {
    if (this.arrivals === "serve") return this.#serve(client);
    this.turnedAway++;
    this.#strays.add(client);
    client.on("error", () => {});
    client.once("close", () => this.#strays.delete(client));
    if (this.arrivals === "reset") client.resetAndDestroy();
    else if (this.arrivals === "silence") client.resume();
    else reject(client, this.arrivals.fatal);
  }

  #serve(client: Socket): void {
    const server = connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const connection = new ProxiedConnection(
      ++this.connections,
      client,
      server,
      (message) => this.#judge(message),
    );
    this.#open.add(connection);
    connection.closed.then(() => this.#open.delete(connection));
    this.#fault?.(connection);
  }

  #judge(message: WireMessage): Verdict {
    if (message.type === "startup") this.sessions++;
    if (this.recording) this.messages.push(message);
    const strike = [...this.#strikes].find(({ when }) => when(message));
    const verdict = strike === undefined ? this.judge(message) : this.#spring(strike, message);
    for (const watcher of [...this.#watchers]) watcher(message);
    return verdict;
  }

  #spring(strike: Strike, message: WireMessage): Decision {
    this.#strikes.delete(strike);
    strike.struck(message);
    return typeof strike.what === "function" ? strike.what(message) : strike.what;
  }
}

function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

/** Answers a client as a server does that has no use for it now. */
function reject(client: Socket, code: string): void {
  const reader = new MessageReader("client");
  client.on("data", (chunk: Buffer) => {
    reader.push(chunk);
    for (let message = reader.next(); message !== undefined; message = reader.next()) {
      if (message.type === "ssl") client.write("N");
      else if (message.type === "startup") client.end(fatalError(code, "refused by the proxy"));
      else client.end();
    }
  });
}
