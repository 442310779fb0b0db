/**
 * Accidents on the way between pools and server.
 *
 * @module
 */

import { pause } from "../../demo/pause.ts";
import type { Arrival } from "../../faults/fault_proxy.ts";
import type { Break, Decision } from "../../faults/lane.ts";
import type { From, ProxiedConnection } from "../../faults/proxied_connection.ts";
import {
  completing,
  isCommit,
  isCommitted,
  type MessageFilter,
  nth,
  type WireMessage,
} from "../../faults/wire_message.ts";
import type { Chance } from "../chance.ts";
import type { FaultKind } from "../fault.ts";
import type { World } from "../world.ts";

/** How long a trap waits for somebody to step into it, in milliseconds. */
const TRAP_MS = 1_000;

/** Every n-th connection that is open. */
function everyNth({ proxy }: World, n: number): ProxiedConnection[] {
  return proxy.open.filter(({ number }) => number % n === 0);
}

/** Some or all connections: every first, second or third. */
function drawShare(chance: Chance): number {
  return chance.integer(1, 3);
}

function shareOf(n: number): string {
  return n === 1 ? "all" : `1 of ${n}`;
}

const SIDES = ["client", "server", "both"] as const satisfies readonly From[];

/** Done to connections that are open, at one blow. */
function blow(name: string, fn: (connection: ProxiedConnection) => void): FaultKind {
  return {
    name,
    draw(chance) {
      const n = drawShare(chance);
      return {
        details: shareOf(n),
        strike(world) {
          everyNth(world, n).forEach(fn);
          return Promise.resolve();
        },
      };
    },
  };
}

/** New connections fare badly for a while, and there are none but new ones. */
function arrivals(name: string, arrival: Arrival): FaultKind {
  return {
    name,
    draw(chance) {
      const [ms, n] = [chance.integer(100, 1_200), drawShare(chance)];
      return {
        details: `${ms} ms, ${shareOf(n)} cut`,
        async strike(world, signal) {
          const { proxy } = world;
          proxy.arrivals = arrival;
          for (const connection of everyNth(world, n)) connection.cut();
          await pause(ms, signal);
          proxy.heal();
        },
      };
    },
  };
}

const refused: FaultKind = {
  name: "connections refused",
  draw(chance) {
    const ms = chance.integer(100, 1_200);
    return {
      details: `${ms} ms`,
      async strike({ proxy }, signal) {
        proxy.refuse();
        proxy.cut();
        await pause(ms, signal);
        await proxy.accept();
      },
    };
  },
};

const ignored: FaultKind = {
  name: "connections neither taken nor refused",
  draw(chance) {
    const ms = chance.integer(100, 1_200);
    return {
      details: `${ms} ms`,
      async strike({ proxy }, signal) {
        await proxy.ignore();
        proxy.cut();
        await pause(ms, signal);
        await proxy.accept();
      },
    };
  },
};

const delayed: FaultKind = {
  name: "network slow",
  draw(chance) {
    const [ms, delayMs] = [chance.integer(200, 1_200), chance.integer(5, 200)];
    const from = chance.pick(SIDES);
    return {
      details: `${delayMs} ms later (${from}) for ${ms} ms`,
      async strike({ proxy }, signal) {
        proxy.inflict((connection) => connection.delay(delayMs, from));
        await pause(ms, signal);
        proxy.heal();
      },
    };
  },
};

const held: FaultKind = {
  name: "network stopped, then on again",
  draw(chance) {
    const ms = chance.integer(100, 1_200);
    const from = chance.pick(SIDES);
    return {
      details: `${from}, ${ms} ms`,
      async strike({ proxy }, signal) {
        proxy.inflict((connection) => connection.hold(from));
        await pause(ms, signal);
        proxy.heal();
      },
    };
  },
};

const blackhole: FaultKind = {
  name: "blackhole",
  draw(chance) {
    const [ms, n] = [chance.integer(100, 2_000), drawShare(chance)];
    const from = chance.pick(SIDES);
    return {
      details: `${from}, ${shareOf(n)}, ${ms} ms`,
      async strike(world, signal) {
        const lost = everyNth(world, n);
        for (const connection of lost) connection.blackhole(from);
        await pause(ms, signal);
        // What is swallowed stays so; those that nobody gave up by then end here.
        for (const connection of lost) connection.cut();
      },
    };
  },
};

/** Something befalls the connections on which certain messages come. */
function trap(
  name: string,
  filterOf: (chance: Chance) => { readonly filter: MessageFilter; readonly details: string },
  decisions: readonly [Decision, ...Decision[]],
): FaultKind {
  return {
    name,
    draw(chance) {
      const count = chance.integer(1, 4);
      const { filter, details } = filterOf(chance);
      const decision = chance.pick(decisions);
      const ms = chance.integer(50, 1_500);
      return {
        details: `${details}${JSON.stringify(decision)}, ${count} times`,
        async strike({ proxy }, signal) {
          const traps = Array.from({ length: count }, () => proxy.strike(filter, decision));
          const struck: WireMessage[] = [];
          for (const trap of traps) trap.then((message) => struck.push(message));
          const done = new AbortController();
          const patience = AbortSignal.any([signal, done.signal]);
          await Promise.race([Promise.all(traps), pause(TRAP_MS, patience)]);
          done.abort();
          proxy.heal();
          // What is not to be seen ends later.
          if (isSilent(decision)) await pause(ms, signal);
          const numbers = new Set(struck.map(({ connection }) => connection));
          for (const connection of proxy.open) {
            if (numbers.has(connection.number)) connection.cut();
          }
        },
      };
    },
  };
}

function isSilent(decision: Decision): boolean {
  return (typeof decision === "string" ? decision : decision.then) === "blackhole";
}

const BREAKS: readonly [Break, ...Break[]] = ["cut", "reset", "blackhole", "half-close"];

/** After so many bytes of a message. */
const TORN: readonly [Decision, ...Decision[]] = [
  { pass: 1, then: "cut" },
  { pass: 4, then: "blackhole" },
  { pass: 5, then: "cut" },
  { pass: 6, then: "half-close" },
  { pass: 7, then: "reset" },
  { pass: 11, then: "cut" },
  { pass: Infinity, then: "cut" },
  { pass: Infinity, then: "half-close" },
];

function anyMessage(from: "client" | "server") {
  return (chance: Chance) => {
    const k = chance.integer(1, 400);
    return {
      filter: nth(k, (message) => message.from === from),
      details: `message ${k}, `,
    };
  };
}

/** All of them. */
export const WIRE_FAULTS: readonly FaultKind[] = [
  blow("connections cut", (connection) => connection.cut()),
  blow("connections reset", (connection) => connection.reset()),
  blow("half-closed to the pool", (connection) => connection.halfClose("client")),
  blow("half-closed to the server", (connection) => connection.halfClose("server")),
  refused,
  ignored,
  arrivals("connections taken and reset", "reset"),
  arrivals("connections taken and not answered", "silence"),
  arrivals("server starting up (57P03)", { fatal: "57P03" }),
  arrivals("too many clients (53300)", { fatal: "53300" }),
  delayed,
  held,
  blackhole,
  trap("COMMIT lost on its way", () => ({ filter: isCommit, details: "" }), BREAKS),
  trap("answer to COMMIT lost", () => ({ filter: isCommitted, details: "" }), BREAKS),
  trap("answer to INSERT lost", () => ({ filter: completing("INSERT"), details: "" }), BREAKS),
  trap("answer torn", anyMessage("server"), TORN),
  trap("request torn", anyMessage("client"), TORN),
];
