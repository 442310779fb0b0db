/**
 * The temporary directory of one run of the tests, by which everything the run started is found again.
 *
 * @module
 */

import { join } from "node:path";
import { RUN_DIRECTORY_VARIABLE } from "./environment.ts";

/** A process, as far as it is of interest. */
export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/** Processes go after their standard input or their parent; there is no event for the end of somebody else's child. */
const POLL_MS = 50;

/** How long what was told to end may take. */
const GRACE_MS = 1_500;

function* processIds(): Generator<number> {
  for (const { name } of Deno.readDirSync("/proc")) {
    if (/^\d+$/.test(name)) yield Number(name);
  }
}

/** Text of a file in `/proc`; empty if the process is gone or not ours to look at. */
function readProcFile(pid: number, name: string): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/${name}`);
  } catch {
    return "";
  }
}

/** On Linux, a process is known by its environment. */
function findByEnvironment(directory: string): FoundProcess[] {
  const mark = `${RUN_DIRECTORY_VARIABLE}=${directory}`;
  const found: FoundProcess[] = [];
  for (const pid of processIds()) {
    if (!readProcFile(pid, "environ").split("\0").includes(mark)) continue;
    // One that has ended and waits to be reaped by somebody else has no command line.
    const command = readProcFile(pid, "cmdline").replaceAll("\0", " ").trim();
    if (command !== "") found.push({ pid, command });
  }
  return found;
}

/** Elsewhere by its command line, which is the case for servers and keepers. */
function findByCommand(directory: string): FoundProcess[] {
  const ps = new Deno.Command("ps", { args: ["-axww", "-o", "pid=,command="] }).outputSync();
  return new TextDecoder().decode(ps.stdout).split("\n")
    .filter((line) => line.includes(directory))
    .map((line) => {
      const [, pid = "0", command = ""] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
      return { pid: Number(pid), command };
    });
}

/** The temporary directory of one run of the tests. */
export class RunDirectory implements AsyncDisposable {
  /** Its path. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes one.
   *
   * @returns The directory.
   */
  static async create(): Promise<RunDirectory> {
    const parent = Deno.env.get(RUN_DIRECTORY_VARIABLE);
    const path = await Deno.makeTempDir({ dir: parent, prefix: "steady-test-" });
    // PostgreSQL runs as somebody else when root runs the tests, and has to get at its own directory in here.
    await Deno.chmod(path, 0o711);
    return new RunDirectory(path);
  }

  /** @returns The processes of this run, other than this one, that are alive. */
  processes(): FoundProcess[] {
    const find = Deno.build.os === "linux" ? findByEnvironment : findByCommand;
    return find(this.path).filter(({ pid }) => pid !== Deno.pid);
  }

  /** @returns The directories in it, which are those of servers that were not disposed of. */
  directories(): string[] {
    return [...Deno.readDirSync(this.path)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => join(this.path, name));
  }

  /**
   * Tells what the run has left behind, after a short time of grace, and removes it.
   *
   * @returns One line for each thing.
   */
  async sweep(): Promise<string[]> {
    const deadline = performance.now() + GRACE_MS;
    while (performance.now() < deadline) {
      if (this.processes().length === 0 && this.directories().length === 0) return [];
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    const left = this.processes();
    for (const { pid } of left) {
      try {
        Deno.kill(pid, "SIGKILL");
      } catch {
        // It ended just now.
      }
    }
    return [
      ...left.map(({ pid, command }) => `process left behind: ${pid} ${command}`),
      ...this.directories().map((path) => `directory left behind: ${path}`),
    ];
  }

  /** Removes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}
