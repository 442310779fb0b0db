import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { RUN_DIRECTORY_VARIABLE } from "../support/environment.ts";
import { type RuntimeName, runtimeName, test, testOn } from "../support/harness.ts";
import { RunDirectory } from "../support/run_directory.ts";
import { scriptCommand } from "../support/this_runtime.ts";
import { parseOptions, UsageError } from "./options.ts";
import { runSoak, type Screen } from "./soak.ts";

/** So that each runtime sees other accidents; a run that fails is to be had again by its seed. */
const SEEDS: Readonly<Record<RuntimeName, number>> = { deno: 1, bun: 2, node: 3 };

/** Keeps what is told. */
function listener(): Screen & { readonly lines: string[] } {
  const lines: string[] = [];
  return { interactive: false, lines, line: (text) => void lines.push(text), status: () => {} };
}

test("nothing is lost, doubled or left behind in a short soak", async () => {
  const screen = listener();
  const options = { seconds: 8, seed: SEEDS[runtimeName], runtime: runtimeName };
  const problems = await runSoak(
    { ...options, tasks: 20, rate: 150 },
    screen,
    new AbortController().signal,
  );
  const text = screen.lines.join("\n");
  assertEquals(problems, [], text);
  for (const name of ["acknowledged", "refused", "unknown"]) {
    assertMatch(text, new RegExp(`^\\| ${name} +\\| +[1-9]`, "m"), text);
  }
  assertMatch(text, /^\| \*\*doubled\*\* +\| +0 \|$/m);
});

testOn(
  ["deno"],
  "signals and what is left are looked at from Deno",
  "a soak that is interrupted cleans up",
  async () => {
    await using directory = await RunDirectory.create();
    const { program, args } = scriptCommand(
      fileURLToPath(new URL("./main.ts", import.meta.url)),
      ["--seed=4", "--tasks", "4", "--rate", "20"],
    );
    const child = new Deno.Command(program, {
      args: [...args],
      env: { [RUN_DIRECTORY_VARIABLE]: directory.path },
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    let output = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const before = output;
      output += chunk;
      if (output.includes("seed 4") && !before.includes("seed 4")) child.kill("SIGINT");
    }
    const { code } = await child.status;
    assertEquals({ code, left: await directory.sweep() }, { code: 130, left: [] }, output);
    assertMatch(output, /^SIGINT: cleaning up$/m);
  },
);

test("parseOptions() says what is wrong with the command line", () => {
  const problemOf = (...args: string[]): string => {
    try {
      parseOptions(args);
      return "";
    } catch (error) {
      return error instanceof UsageError ? error.message : "no usage error";
    }
  };
  assertEquals(
    problemOf("--seconds", "0"),
    "Option --seconds takes a number from 1 to 86400: received 0",
  );
  assertEquals(
    problemOf("--seed="),
    "Option --seed takes a number from 0 to 4294967295: received ",
  );
  assertEquals(problemOf("--rate"), "Option needs a value: --rate");
  assertEquals(
    problemOf("--runtime", "workerd"),
    "Option --runtime takes one of deno, bun, node: received workerd",
  );
  assertEquals(
    problemOf("--sabotage=all"),
    "Option --sabotage takes one of lose, tear, double, revive, steal: received all",
  );
  assertEquals(problemOf("--no-such-option"), "There is no option --no-such-option");
  assertEquals(parseOptions(["--help"]), undefined);
  assertEquals(parseOptions(["--", "--seed=7", "--seconds", "2.5"]), {
    ...{ seconds: 2.5, seed: 7, runtime: "deno", tasks: 40, rate: 250, sabotage: undefined },
  });
});
