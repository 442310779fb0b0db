/**
 * A project of somebody who uses the package on Node or Bun.
 *
 * @module
 */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { type ChildResult, expectChild, runChild } from "../support/child.ts";
import { ROOT } from "../support/std_source.ts";
import { makeNpmPackage } from "./npm_package.ts";

/** A runtime whose packages come from npm. */
export type NpmRuntime = "node" | "bun";

/** What the project needs to check its types. */
const DEV_DEPENDENCIES = {
  "typescript": "5.9.3",
  "@types/node": "24.19.2",
  "bun-types": "1.4.5",
};

const INSTALL = [
  "install",
  "--prefer-offline",
  "--no-audit",
  "--no-fund",
  "--ignore-scripts",
  "--no-package-lock",
  "--loglevel=error",
];

/** The strictest that users have. */
const STRICT = {
  strict: true,
  noEmit: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  verbatimModuleSyntax: true,
};

/**
 * Declarations of packages of JSR name each other with the whole ending (`./a.d.ts`). The compiler finds them, and says
 * that this is not done; unless it skips what is in libraries, as most users have it.
 */
const OWED_TO_JSR = /^node_modules\/@steady\/pool\/_dist\/\S+: error TS2846: /;

/** What each runtime's documentation tells its users to set. */
const COMPILER_OPTIONS: Readonly<Record<NpmRuntime, object>> = {
  node: {
    target: "es2023",
    lib: ["es2023", "esnext.disposable"],
    module: "nodenext",
    types: ["node"],
    skipLibCheck: false,
  },
  bun: {
    target: "esnext",
    lib: ["esnext"],
    module: "preserve",
    moduleResolution: "bundler",
    types: ["bun-types"],
    // As `bun init` has it; its own types do not pass.
    skipLibCheck: true,
  },
};

/** A module of the package. */
export interface InstalledModule {
  readonly path: string;
  readonly text: string;
}

/** A project of somebody who uses the package on Node or Bun. */
export class NpmProject {
  /** Its folder. */
  readonly path: string;
  readonly #name: string;

  private constructor(path: string, name: string) {
    this.path = path;
    this.#name = name;
  }

  /**
   * Makes one, and installs the package as `npx jsr add` does: under its name on JSR.
   *
   * @param path An empty folder.
   * @returns The project.
   */
  static async create(path: string): Promise<NpmProject> {
    const { name } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
    const project = join(path, "project");
    const folders = { sources: join(path, "published"), target: join(path, "package") };
    for (const folder of [project, folders.sources, folders.target]) await Deno.mkdir(folder);
    await makeNpmPackage(folders.sources, folders.target);
    const manifest = {
      private: true,
      type: "module",
      dependencies: { [name]: "file:../package" },
      devDependencies: DEV_DEPENDENCIES,
    };
    await Deno.writeTextFile(join(project, "package.json"), JSON.stringify(manifest));
    // Packed and unpacked, as from a registry; not linked.
    await expectChild("npm", [...INSTALL, "--install-links"], { cwd: project, env: cleared() });
    return new NpmProject(project, name);
  }

  /**
   * Adds a program.
   *
   * @param file Its name.
   * @param text Its text.
   */
  async add(file: string, text: string): Promise<void> {
    await Deno.writeTextFile(join(this.path, file), text);
  }

  /**
   * Checks the types of programs, and on Node of all declarations that they need.
   *
   * @param runtime For which runtime.
   * @param files The programs.
   * @returns What the compiler says against them.
   */
  async check(runtime: NpmRuntime, files: readonly string[]): Promise<string[]> {
    const config = `tsconfig.${runtime}.json`;
    const compilerOptions = { ...STRICT, ...COMPILER_OPTIONS[runtime] };
    await this.add(config, JSON.stringify({ compilerOptions, files }));
    const { code, stdout, stderr } = await runChild(
      join(this.path, "node_modules", ".bin", "tsc"),
      ["--project", config],
      { cwd: this.path },
    );
    const said = (stdout + stderr).split("\n").filter((line) => line !== "");
    if (code !== 0 && said.length === 0) return [`the compiler ended with code ${code}`];
    return said.filter((line) => !OWED_TO_JSR.test(line));
  }

  /**
   * Reads the modules of the package, as they are installed.
   *
   * @returns Name and text of each.
   */
  async modules(): Promise<InstalledModule[]> {
    const folder = join(this.path, "node_modules", this.#name);
    const modules: InstalledModule[] = [];
    for (const path of await readdir(folder, { recursive: true })) {
      if (!path.endsWith(".js")) continue;
      modules.push({ path, text: await Deno.readTextFile(join(folder, path)) });
    }
    return modules;
  }

  /**
   * Runs a program.
   *
   * @param executable Path of the runtime.
   * @param args Name of the program, and its arguments.
   * @returns Exit code and output.
   */
  run(executable: string, args: readonly string[]): Promise<ChildResult> {
    return runChild(executable, args, { cwd: this.path });
  }
}

/** The environment without what an npm that runs the tests has put there for itself. */
function cleared(): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD$)/i.test(name)),
  );
}
