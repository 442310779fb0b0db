import { assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { test } from "../support/harness.ts";
import type { WireMessage } from "../faults/wire_message.ts";
import { World } from "../soak/world.ts";
import { parseOptions, UsageError } from "./options.ts";
import { WRITERS, WRITES } from "./protocol.ts";
import { SCENARIOS } from "./scenarios.ts";
import { Trail } from "./tally.ts";
import { runTrial } from "./trial.ts";
import { WireTruth } from "./wire_truth.ts";

const ID = "id-1-2.";
const OTHER = "id-1-3.";

function message(from: "client" | "server", type: string, ...texts: string[]): WireMessage {
  return {
    connection: 1,
    from,
    type,
    body: Buffer.from(texts.map((text) => `${text}\0`).join("")),
  };
}

const bind = (id: string) => message("client", "B", "", "statement", id);
const inserted = message("server", "C", "INSERT 0 1");
const fatal = (code: string) => message("server", "E", "SFATAL", "VFATAL", `C${code}`, "");
const error = message("server", "E", "SERROR", "VERROR", "C57014", "");
const commit = message("client", "Q", "COMMIT");

/** Whether two writes are without effect for sure, after some messages. */
function withoutEffect(transactions: boolean, ...messages: WireMessage[]): boolean[] {
  const truth = new WireTruth(transactions);
  for (const each of messages) truth.see(each);
  return [ID, OTHER].map((id) => truth.isWithoutEffect(id));
}

test("WireTruth knows what left, what was refused, and what FATAL 57P01 struck", () => {
  assertEquals(withoutEffect(false), [true, true]);
  assertEquals(withoutEffect(false, bind(ID)), [false, true]);
  assertEquals(withoutEffect(false, bind(ID), error), [true, true]);
  assertEquals(withoutEffect(false, bind(ID), bind(OTHER), error), [true, false]);
  assertEquals(withoutEffect(false, bind(ID), bind(OTHER), fatal("57P01")), [true, true]);
  assertEquals(withoutEffect(false, bind(ID), fatal("57P02")), [false, true]);
  // What was answered was carried out, whatever came after.
  assertEquals(withoutEffect(false, bind(ID), inserted, fatal("57P01")), [false, true]);
  // Sent again, it is in doubt again.
  assertEquals(withoutEffect(false, bind(ID), fatal("57P01"), bind(ID)), [false, true]);
});

test("WireTruth takes a transaction for without effect as long as its COMMIT did not leave", () => {
  assertEquals(withoutEffect(true, bind(ID), inserted), [true, true]);
  assertEquals(withoutEffect(true, bind(ID), inserted, commit), [false, true]);
  assertEquals(withoutEffect(true, bind(ID), inserted, commit, bind(OTHER)), [false, true]);
});

test("Trail counts what became of each write", async () => {
  const truth = new WireTruth(false);
  const trail = new Trail(truth);
  trail.take({ type: "warm" });
  await trail.warm;
  const four = trail.settled(4);
  // Acknowledged: there, lost, doubled. Rejected: in vain, unknown and there, unknown and not.
  for (const id of ["a", "b", "c"]) trail.take({ type: "settled", id, acknowledged: true, ms: 1 });
  truth.see(bind(ID));
  for (const id of ["d", "e", ID]) {
    trail.take({ type: "settled", id, acknowledged: false, ms: 7, error: "Error" });
  }
  await four;
  trail.take({ type: "crash", text: "boom" });
  trail.take({ type: "done", hung: ["f"] });
  assertEquals(trail.count(new Map([["a", 1], ["c", 2], ["e", 1]]), 9), {
    ...{ acknowledged: 3, lost: 1, doubled: 1, inVain: 1, unknown: 2, unknownThere: 1, hung: 1 },
    ...{ never: 2, crashes: 1, longestMs: 7, errors: { "Error": 3, "(crash) boom": 1 } },
  });
});

test("a trial finds out what became of writes whose COMMIT was not answered", async () => {
  const scenario = SCENARIOS.find(({ mode }) => mode === "transaction");
  if (scenario === undefined) throw new Error("There is no such scenario");
  await using world = await World.start();
  const { signal } = new AbortController();
  const tally = await runTrial({ client: "steady", runtime: "deno", scenario, world, signal });
  assertEquals({ ...tally, longestMs: 0 }, {
    ...{ acknowledged: WRITERS * WRITES, lost: 0, doubled: 0, inVain: 0, unknown: 0, hung: 0 },
    ...{ unknownThere: 0, never: 0, crashes: 0, longestMs: 0, errors: {} },
  });
});

test("parseOptions() of the comparison says what is wrong with the command line", () => {
  const problemOf = (...args: string[]): string => {
    try {
      parseOptions(args);
      return "";
    } catch (error) {
      return error instanceof UsageError ? error.message : "no usage error";
    }
  };
  assertEquals(
    problemOf("--runtime", "workerd"),
    "Option --runtime takes one of deno, bun, node: received workerd",
  );
  assertEquals(problemOf("--rounds", "0"), "Option --rounds takes an integer >= 1: received 0");
  assertEquals(problemOf("--only"), "Option needs a value: --only");
  assertEquals(problemOf("--nothing", "1"), "There is no option --nothing");
  assertEquals(parseOptions(["--", "--rounds", "2", "--client", "pg", "--errors"]), {
    ...{ runtime: "deno", rounds: 2, only: "", client: "pg", errors: true },
  });
});
