import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runChild } from "../support/child.ts";
import { sharedServer } from "../support/shared_server.ts";
import { DenoProject, PROGRAM } from "./deno_project.ts";
import { DENORT_VARIABLE, hasDenort } from "./denort.ts";
import { SEEN } from "./seen.ts";
import { tempDirectory } from "./temp_directory.ts";

const CONSUMER = fileURLToPath(new URL("./consumer.ts", import.meta.url));

const denort = await hasDenort();

/** Compiles the consumer; returns the path of the program. */
async function compile(path: string, env: Record<string, string> = {}): Promise<string> {
  const project = await DenoProject.create(path, CONSUMER);
  const args = ["compile", "--no-check", "--allow-net", "--output", "app", PROGRAM];
  const { code, stderr } = await project.deno(args, env);
  assertEquals([code, code === 0 ? "" : stderr], [0, ""]);
  return join(project.path, "app");
}

if (denort) {
  Deno.test("A compiled program runs", async () => {
    await using directory = await tempDirectory();
    const app = await compile(directory.path);
    // An empty environment: whatever it needs is in it.
    const { code, stdout, stderr } = await runChild(app, [sharedServer().url], { env: {} });
    assertEquals([code, stderr], [0, ""]);
    assertEquals(JSON.parse(stdout), { runtime: "deno", ...SEEN });
  });
} else {
  // Deno gets what a compiled program starts from elsewhere than from npm.
  Deno.test(`All that a program needs can be compiled into it (${DENORT_VARIABLE} names no denort)`, async () => {
    await using directory = await tempDirectory();
    // Any program will do to have the modules put behind it; what comes out does not run.
    await compile(directory.path, { [DENORT_VARIABLE]: Deno.execPath() });
  });
}
