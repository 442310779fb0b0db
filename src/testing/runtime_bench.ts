/**
 * The bench on which one check of the runtime kit works.
 *
 * @module
 */

import type { ConnectOptions, Runtime, Socket, SocketAddress } from "../core/runtime.ts";
import { expect, expectFulfilment } from "./expect.ts";
import { Limit, turns, type Wait } from "./limit.ts";
import { PeerEnd } from "./peer_end.ts";
import type { RuntimeSubject } from "./runtime_subject.ts";
import { SocketRecorder } from "./socket_recorder.ts";
import type { PeerAddressKind, PeerServer, SilentServer } from "./test_peers.ts";
import { UnhandledRejections } from "./unhandled_rejections.ts";

/** How long the kit waits by default before it calls a thing never, in milliseconds. */
const LIMIT_MS = 10_000;

/** One check: the clause it proves, and how. */
export interface RuntimeCheck {
  /** The clause, as a sentence about the runtime. */
  readonly clause: string;
  /**
   * Whether the subject offers what the check needs; every subject does when not given.
   *
   * @param subject The subject.
   * @returns Whether to register it.
   */
  readonly applies?: (subject: RuntimeSubject) => boolean;
  /**
   * Proves the clause.
   *
   * @param bench What the check works on.
   */
  readonly prove: (bench: RuntimeBench) => Promise<void>;
}

/** An open socket and what is at its other end. */
export interface OpenSocket {
  readonly server: PeerServer;
  readonly socket: Socket;
  readonly peer: PeerEnd;
}

/** An open socket whose receiver writes down what it is told. */
export interface RecordedSocket extends OpenSocket {
  readonly recorder: SocketRecorder;
}

/** A runtime under test, what was opened in one check, and the limit on every wait. */
export class RuntimeBench {
  /** The subject. */
  readonly subject: RuntimeSubject;
  /** Its runtime. */
  readonly runtime: Runtime;
  /** Waits for something that the contract promises, within the subject's limit. */
  readonly within: Wait;
  readonly #limit: Limit;
  readonly #sockets: Socket[] = [];
  readonly #servers: { close(): Promise<void> }[] = [];

  private constructor(subject: RuntimeSubject) {
    this.subject = subject;
    this.runtime = subject.runtime;
    this.#limit = new Limit(subject.limitMs ?? LIMIT_MS);
    this.within = (promise, clause) => this.#limit.wait(promise, clause);
  }

  /**
   * Runs one check and cleans up behind it.
   *
   * @param subject The subject.
   * @param check The check.
   */
  static async run(subject: RuntimeSubject, check: RuntimeCheck): Promise<void> {
    const rejections = new UnhandledRejections();
    const bench = new RuntimeBench(subject);
    try {
      await check.prove(bench);
      await bench.#end();
    } finally {
      for (const socket of bench.#sockets) socket.destroy();
      for (const server of bench.#servers) await server.close();
      bench.#limit.end();
      // The platform reports an unhandled rejection only after the turn in which it happened.
      await turns(1);
      rejections.stop();
    }
    expect(
      rejections.seen.length === 0,
      `no promise is left unhandled: ${rejections.seen.map(String).join("; ")}`,
    );
  }

  /**
   * Starts a server.
   *
   * @param kind On what.
   * @returns The server, closed at the end of the check.
   */
  async listen(kind: PeerAddressKind = "ipv4"): Promise<PeerServer> {
    const server = await this.within(this.subject.peers.listen(kind), "the peers listen");
    this.#servers.push(server);
    return server;
  }

  /**
   * Makes a port that answers no connect. Only for checks that apply where the subject offers it.
   *
   * @returns The port, given up at the end of the check.
   */
  async listenSilently(): Promise<SilentServer> {
    const { peers } = this.subject;
    expect(peers.listenSilently !== undefined, "the peers can listen and answer no connect");
    const server = await this.within(peers.listenSilently(), "the peers listen silently");
    this.#servers.push(server);
    return server;
  }

  /**
   * Takes the next connection of a server.
   *
   * @param server The server.
   * @returns Its end; nothing is read from it unless asked to.
   */
  async accept(server: PeerServer): Promise<PeerEnd> {
    return new PeerEnd(await this.within(server.accept(), "a connection comes"), this.within);
  }

  /**
   * Starts to open a socket.
   *
   * @param address Where to.
   * @param options How.
   * @returns The socket, destroyed at the end of the check.
   */
  connect(address: SocketAddress, options?: ConnectOptions): Socket {
    return this.track(this.runtime.connect(address, options));
  }

  /**
   * Takes care of a socket that the check got in another way.
   *
   * @param socket The socket.
   * @returns The socket, destroyed at the end of the check.
   */
  track(socket: Socket): Socket {
    this.#sockets.push(socket);
    return socket;
  }

  /**
   * Makes a recorder the receiver of a socket.
   *
   * @param socket The socket.
   * @returns The recorder.
   */
  record(socket: Socket): SocketRecorder {
    const recorder = new SocketRecorder(this.within);
    socket.receive(recorder);
    return recorder;
  }

  /**
   * Waits until a socket is open.
   *
   * @param socket The socket.
   */
  opened(socket: Socket): Promise<void> {
    return expectFulfilment(this.within(socket.opened, "`opened` settles"), "`opened` fulfils");
  }

  /**
   * Waits until a socket is gone.
   *
   * @param socket The socket.
   */
  closed(socket: Socket): Promise<void> {
    return expectFulfilment(this.within(socket.closed, "`closed` settles"), "`closed` fulfils");
  }

  /**
   * Opens a socket that nobody receives from.
   *
   * @returns The socket and its peer.
   */
  async open(): Promise<OpenSocket> {
    const server = await this.listen();
    const socket = this.connect(server.address);
    await this.opened(socket);
    return { server, socket, peer: await this.accept(server) };
  }

  /**
   * Opens a socket with a recorder as its receiver.
   *
   * @returns The socket, its recorder and its peer.
   */
  async openRecorded(): Promise<RecordedSocket> {
    const server = await this.listen();
    const socket = this.connect(server.address);
    const recorder = this.record(socket);
    await this.opened(socket);
    return { server, socket, recorder, peer: await this.accept(server) };
  }

  /** Ends what the check left open: a socket that does not end is no better for having passed. */
  async #end(): Promise<void> {
    for (const socket of this.#sockets) {
      socket.destroy();
      await this.closed(socket);
    }
  }
}
