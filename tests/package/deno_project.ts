/**
 * A project of somebody who uses the package on Deno.
 *
 * @module
 */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ChildResult } from "../support/child.ts";
import { ROOT } from "../support/std_source.ts";
import { publishedFiles } from "./published_files.ts";

/** The project's program, as it is under {@linkcode DenoProject.path}. */
export const PROGRAM = "main.ts";

/** A project of somebody who uses the package on Deno. */
export class DenoProject {
  /** Its folder. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes one.
   *
   * JSR may be out of reach, so that the package is linked: its specifier is the one that users have, and what it imports is
   * found by its own `deno.json`.
   *
   * @param path An empty folder.
   * @param program Path of the program.
   * @returns The project.
   */
  static async create(path: string, program: string): Promise<DenoProject> {
    const { name, version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
    const project = join(path, "project");
    await copyPublished(join(path, "pool"));
    await Deno.mkdir(project);
    await Deno.copyFile(program, join(project, PROGRAM));
    const config = {
      imports: { [name]: `jsr:${name}@^${version}` },
      links: ["../pool"],
      lock: false,
    };
    await Deno.writeTextFile(join(project, "deno.json"), JSON.stringify(config));
    return new DenoProject(project);
  }

  /**
   * Runs Deno in the project's folder.
   *
   * @param args Its arguments.
   * @param env What is added to the environment.
   * @returns Exit code and output.
   */
  async deno(args: readonly string[], env: Record<string, string> = {}): Promise<ChildResult> {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args],
      cwd: this.path,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }
}

/**
 * Copies the files that are published.
 *
 * @param folder Where to.
 * @returns Their paths from there.
 */
export async function copyPublished(folder: string): Promise<string[]> {
  const files = await publishedFiles();
  for (const file of files) {
    const target = join(folder, file);
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.copyFile(fileURLToPath(new URL(file, ROOT)), target);
  }
  return files;
}
