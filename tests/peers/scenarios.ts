/**
 * What goes wrong.
 *
 * @module
 */

import { completing, isCommitted, type WireMessage } from "../faults/wire_message.ts";
import type { Verdict } from "../faults/lane.ts";
import type { World } from "../soak/world.ts";
import type { Mode } from "./protocol.ts";

/** Waits until so many writes are over. */
export type Settled = (count: number) => Promise<void>;

/** One thing that goes wrong. */
export interface Scenario {
  /** Its name. */
  readonly name: string;
  /** How the clients write. */
  readonly mode: Mode;
  /** What happens while the connections are idle, before the first write. */
  readonly before?: (world: World) => Promise<void>;
  /** What happens under load. */
  readonly during?: (world: World, settled: Settled) => Promise<void>;
  /** Makes what is done with each message. */
  readonly judge?: () => (message: WireMessage) => Verdict;
}

/** One in so many answers is lost. */
const LOST = 10;

/** As long as a service may rest between two requests, in milliseconds. */
const REST_MS = 1_500;

const DOWN_MS = 3_000;

/** Types of messages that a client sends last before it waits: Sync, Query, Flush, Terminate. */
const ENDS = new Set(["S", "Q", "H", "X"]);

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Swallows every n-th of some messages, and breaks the connection. */
function loseSome(filter: (message: WireMessage) => boolean) {
  return () => {
    let count = 0;
    return (message: WireMessage): Verdict =>
      filter(message) && ++count % LOST === 0 ? "cut" : "pass";
  };
}

/** All of them, in the order they are reported. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "server restarted (immediate) under load",
    mode: "statement",
    async during({ server }, settled) {
      await settled(125);
      await server.restart("immediate");
    },
  },
  {
    name: "all backends terminated under load, twice",
    mode: "statement",
    async during({ server, backends }, settled) {
      for (const count of [125, 250]) {
        await settled(count);
        for (const pid of await backends()) await server.terminateBackends({ pid });
      }
    },
  },
  {
    name: "server down for 3 s",
    mode: "statement",
    async during({ server }, settled) {
      await settled(100);
      await server.stop("fast");
      await sleep(DOWN_MS);
      await server.start();
    },
  },
  {
    name: "idle connections gone, unnoticed, before the first write",
    mode: "statement",
    async before({ proxy, server, backends }) {
      await sleep(REST_MS);
      // As by a router that forgot them: nothing is heard, and who speaks is told that there is no such connection.
      const gone = new Set(proxy.open.map(({ number }) => number));
      for (const connection of proxy.open) connection.blackhole("server");
      for (const pid of await backends()) await server.terminateBackends({ pid });
      const { judge } = proxy;
      proxy.judge = (message) => {
        const verdict = judge(message);
        if (!gone.has(message.connection) || message.from === "server") return verdict;
        // All that was sent together has left its client.
        return ENDS.has(message.type) ? "reset" : "drop";
      };
    },
  },
  {
    name: "connection cut, answer to INSERT lost (1 of 10)",
    mode: "statement",
    judge: loseSome(completing("INSERT")),
  },
  {
    name: "the same, of an INSERT that may be repeated",
    mode: "idempotent",
    judge: loseSome(completing("INSERT")),
  },
  {
    name: "connection cut, answer to COMMIT lost (1 of 10)",
    mode: "transaction",
    judge: loseSome(isCommitted),
  },
  {
    name: "blackhole amid statements with a limit of 2 s",
    mode: "deadline",
    async during({ proxy }, settled) {
      await settled(125);
      proxy.inflict((connection) => connection.blackhole("both"), "open");
    },
  },
];
