import { assertEquals } from "@std/assert";
import { runtimePath } from "../support/runtimes.ts";
import { sharedServer } from "../support/shared_server.ts";
import { ROOT } from "../support/std_source.ts";
import { testOn } from "../support/harness.ts";
import { NpmProject, type NpmRuntime } from "./npm_project.ts";
import { SEEN } from "./seen.ts";
import { tempDirectory } from "./temp_directory.ts";

const RUNTIMES: readonly NpmRuntime[] = ["node", "bun"];

/** What Node 22 cannot parse. */
const DECLARED_USE = /^\s*(await )?using \w+ = /m;

function programs(runtime: NpmRuntime): { run: string; types: string } {
  return { run: `${runtime}.ts`, types: `${runtime}_types.ts` };
}

/** A file of ours, written for an entry's users. */
async function writtenFor(runtime: NpmRuntime, file: string): Promise<string> {
  const text = await Deno.readTextFile(new URL(file, import.meta.url));
  return text.replaceAll("@steady/pool/deno", `@steady/pool/${runtime}`);
}

/** A program that imports the types of all entries: none may need the types of a runtime other than Node. */
async function allEntries(): Promise<string> {
  const { name, exports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  return Object.keys(exports)
    .map((subpath, index) =>
      `import type * as entry${index} from "${name}${subpath.slice(1)}";\n` +
      `export type Entry${index} = keyof typeof entry${index};\n`
    )
    .join("");
}

testOn(
  ["deno"],
  "packs with Deno",
  "Projects on Node and Bun check and run with what is published",
  async (test) => {
    await using directory = await tempDirectory();
    const project = await NpmProject.create(directory.path);
    await project.add("entries.ts", await allEntries());
    for (const runtime of RUNTIMES) {
      const { run, types } = programs(runtime);
      await project.add(run, await writtenFor(runtime, "./consumer.ts"));
      await project.add(types, await writtenFor(runtime, "./consumer_types.ts"));
    }

    await test.step("their types are right", async () => {
      const said = await Promise.all(
        RUNTIMES.map((runtime) =>
          project.check(runtime, [
            ...Object.values(programs(runtime)),
            ...(runtime === "node" ? ["entries.ts"] : []),
          ])
        ),
      );
      assertEquals(said, RUNTIMES.map(() => []));
    });

    for (const runtime of RUNTIMES) {
      await test.step(`it runs on ${runtime}`, async () => {
        const args = [programs(runtime).run, sharedServer().url];
        const { code, stdout, stderr } = await project.run(await runtimePath(runtime), args);
        assertEquals([code, stderr], [0, ""]);
        assertEquals(JSON.parse(stdout), { runtime, ...SEEN });
      });
    }

    await test.step("its modules have nothing that Node 22 cannot parse", async () => {
      const modules = await project.modules();
      assertEquals(modules.filter(({ text }) => DECLARED_USE.test(text)), []);
    });
  },
);
