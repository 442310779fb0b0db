/**
 * The other side of connections, for the conformance kit, over `node:net` and `node:tls`, which every runtime but workerd
 * has.
 *
 * @module
 */

import { rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import type {
  PeerAddressKind,
  PeerServer,
  PeerStream,
  SilentServer,
  SocketAddress,
  TestPeers,
} from "../../src/testing/mod.ts";
import { listenSilently } from "./blackhole.ts";
import { NodePeerStream } from "./node_peer_stream.ts";
import { TestServer } from "./test_server.ts";

class NodePeerServer implements PeerServer {
  readonly #server: TestServer;
  #closed: Promise<void> | undefined;

  constructor(server: TestServer) {
    this.#server = server;
  }

  get address(): SocketAddress {
    return this.#server.address;
  }

  async accept(): Promise<PeerStream> {
    return new NodePeerStream(await this.#server.acceptStream());
  }

  countConnections(): Promise<number> {
    return Promise.resolve(this.#server.connections);
  }

  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.#server.close();
    if ("path" in this.address) rmSync(this.address.path, { force: true });
  }
}

/** Whether this machine has IPv6, at least for itself. */
function hasIpv6(): boolean {
  const addresses = Object.values(networkInterfaces()).flat();
  return addresses.some((address) => address?.address === "::1");
}

async function listen(kind: PeerAddressKind): Promise<PeerServer> {
  if (kind === "unix") {
    const path = join(tmpdir(), `steady_${crypto.randomUUID()}.sock`);
    return new NodePeerServer(await TestServer.listen({ path }));
  }
  const host = kind === "ipv6" ? "::1" : "127.0.0.1";
  return new NodePeerServer(await TestServer.listen({ host }));
}

async function silent(): Promise<SilentServer> {
  const { port, close } = await listenSilently();
  return { address: { hostname: "127.0.0.1", port }, close };
}

/** The peers. */
export const nodePeers: TestPeers = {
  kinds: hasIpv6() ? ["ipv4", "ipv6", "unix"] : ["ipv4", "unix"],
  listen,
  listenSilently: silent,
};
