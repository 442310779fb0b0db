/**
 * Accidents of the server and its sessions.
 *
 * @module
 */

import process from "node:process";
import { pause } from "../../demo/pause.ts";
import { exhaust, Recovery } from "../../faults/server_faults.ts";
import { messageOf } from "../../../src/core/errors.ts";
import type { PostgresServer, StopMode } from "../../support/postgres_server.ts";
import type { FaultKind } from "../fault.ts";
import { APPLICATION_NAME, type World } from "../world.ts";

/** Kills a process; one that has gone is none of our business. */
function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as { code?: string }).code !== "ESRCH") throw error;
  }
}

/** Stops a session, if it is still there. */
async function freeze(server: PostgresServer, pid: number): Promise<void> {
  try {
    await server.freeze([pid]);
  } catch (error) {
    if (!messageOf(error).includes("ESRCH")) throw error;
  }
}

/** The n-th session, counted on over the end; as a list, as there may be none. */
async function nth(world: World, index: number): Promise<number[]> {
  const pids = await world.backends();
  const pid = pids[index % pids.length];
  return pid === undefined ? [] : [pid];
}

/** Ends all sessions of the pools at one blow, without a wait for one before the next. */
async function terminate({ ask }: World): Promise<void> {
  await ask(
    "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1",
    [APPLICATION_NAME],
  );
}

const terminateOne: FaultKind = {
  name: "one backend terminated",
  draw(chance) {
    const index = chance.integer(0, 99);
    return {
      details: `number ${index}`,
      async strike(world) {
        for (const pid of await nth(world, index)) {
          await world.ask("select pg_terminate_backend($1)", [pid]);
        }
      },
    };
  },
};

const terminateAll: FaultKind = {
  name: "all backends terminated",
  draw: () => ({
    details: "",
    strike: terminate,
  }),
};

const terminateAgain: FaultKind = {
  name: "backends terminated again and again",
  draw(chance) {
    const pauses = Array.from({ length: chance.integer(3, 6) }, () => chance.integer(20, 150));
    return {
      details: `after ${pauses.join(", ")} ms`,
      async strike(world, signal) {
        for (const ms of pauses) {
          await pause(ms, signal);
          await terminate(world);
        }
      },
    };
  },
};

const cancelAll: FaultKind = {
  name: "all statements cancelled",
  draw: () => ({
    details: "",
    async strike({ ask }) {
      await ask(
        "select pg_cancel_backend(pid) from pg_stat_activity where application_name = $1",
        [APPLICATION_NAME],
      );
    },
  }),
};

const crashOne: FaultKind = {
  name: "one backend killed",
  draw(chance) {
    const index = chance.integer(0, 99);
    return {
      details: `number ${index}`,
      async strike(world) {
        // The server takes this for corruption: all others are ended (57P02), and it recovers.
        const pids = await nth(world, index);
        pids.forEach(kill);
        if (pids.length > 0) await recovered(world);
      },
    };
  },
};

/** Over when the server, which recovers by itself, takes connections again. */
async function recovered({ ask }: World): Promise<void> {
  for (let attempts = 200;; attempts--) {
    try {
      await ask("select 1");
      return;
    } catch (error) {
      // There is no event for it but the answer to who asks.
      if (attempts === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function restart(mode: StopMode): FaultKind {
  return {
    name: `server restarted (${mode})`,
    draw: () => ({ details: "", strike: ({ server }) => server.restart(mode) }),
  };
}

const down: FaultKind = {
  name: "server down for a while",
  draw(chance) {
    const ms = chance.integer(200, 1_500);
    return {
      details: `${ms} ms`,
      async strike({ server }, signal) {
        await server.stop("fast");
        await pause(ms, signal);
        await server.start();
      },
    };
  },
};

const killed: FaultKind = {
  name: "server killed",
  draw: () => ({
    details: "",
    async strike({ server }) {
      await server.kill();
      await server.start();
    },
  }),
};

const recovering: FaultKind = {
  name: "server killed, recovering for a while",
  draw(chance) {
    const ms = chance.integer(100, 1_200);
    return {
      details: `${ms} ms`,
      async strike({ server }, signal) {
        await server.kill();
        await using recovery = await Recovery.hold(server);
        const started = server.start();
        await recovery.begun();
        await pause(ms, signal);
        await recovery.goOn();
        await started;
      },
    };
  },
};

const exhausted: FaultKind = {
  name: "all connections taken by others",
  draw(chance) {
    const ms = chance.integer(100, 1_000);
    return {
      details: `${ms} ms`,
      async strike(world, signal) {
        await terminate(world);
        await using _taken = await exhaust(world.server.url());
        await pause(ms, signal);
      },
    };
  },
};

const frozen: FaultKind = {
  name: "server frozen",
  draw(chance) {
    const ms = chance.integer(100, 1_000);
    const whole = chance.unit() < 0.5;
    return {
      details: `${whole ? "all of it" : "its sessions"}, ${ms} ms`,
      async strike(world, signal) {
        const { server } = world;
        try {
          for (const pid of await world.backends()) await freeze(server, pid);
          if (whole) await server.freeze();
          await pause(ms, signal);
        } finally {
          await server.thaw();
        }
      },
    };
  },
};

const readOnly: FaultKind = {
  name: "server read-only",
  draw(chance) {
    const ms = chance.integer(50, 400);
    return {
      details: `${ms} ms`,
      async strike({ ask }, signal) {
        await ask("alter system set default_transaction_read_only = on");
        await ask("select pg_reload_conf()");
        try {
          await pause(ms, signal);
        } finally {
          await ask("alter system reset default_transaction_read_only");
          await ask("select pg_reload_conf()");
        }
      },
    };
  },
};

/** All of them. */
export const SERVER_FAULTS: readonly FaultKind[] = [
  ...[terminateOne, terminateAll, terminateAgain, cancelAll, crashOne],
  ...[restart("immediate"), restart("fast"), down, killed, recovering, exhausted],
  ...[frozen, readOnly],
];
