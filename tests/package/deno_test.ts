import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { sharedServer } from "../support/shared_server.ts";
import { testOn } from "../support/harness.ts";
import { DenoProject, PROGRAM } from "./deno_project.ts";
import { SEEN } from "./seen.ts";
import { tempDirectory } from "./temp_directory.ts";

const CONSUMER = fileURLToPath(new URL("./consumer.ts", import.meta.url));

testOn(
  ["deno"],
  "for users of Deno",
  "A project on Deno checks and runs with what is published",
  async (test) => {
    await using directory = await tempDirectory();
    const project = await DenoProject.create(directory.path, CONSUMER);
    const { url } = sharedServer();

    await test.step("its types are right", async () => {
      const { code, stderr } = await project.deno(["check", PROGRAM]);
      assertEquals([code, code === 0 ? "" : stderr], [0, ""]);
    });

    for (
      const flags of [["--allow-net"], ["--allow-net", "--allow-env"], [
        "--allow-net",
        "--ignore-env",
      ]]
    ) {
      await test.step(`it runs with ${flags.join(" ")}`, async () => {
        const args = ["run", "--quiet", "--no-prompt", ...flags, PROGRAM, url];
        const { code, stdout, stderr } = await project.deno(args);
        assertEquals([code, stderr], [0, ""]);
        assertEquals(JSON.parse(stdout), { runtime: "deno", ...SEEN });
      });
    }
  },
);
