/**
 * The data directory of a PostgreSQL server: its cluster, settings, access rules and certificates.
 *
 * @module
 */

import { chmod, chown, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { expectChild } from "./child.ts";
import type { PostgresInstallation, SystemUser } from "./postgres_installation.ts";

/** What the data of a server are made from, and how it is set up. */
export interface PostgresDataOptions {
  /** Settings of `postgresql.conf`, beside the defaults (which are for speed: no fsync, little memory). */
  readonly config?: Readonly<Record<string, string>>;
  /**
   * Lines of `pg_hba.conf`. The Unix domain socket is always open to everybody who gets at it.
   *
   * @default {["host all all samehost scram-sha-256"]}
   */
  readonly hba?: readonly string[];
  /** Further files in the data directory, by name: `standby.signal`, say. */
  readonly files?: Readonly<Record<string, string>>;
  /** Turns TLS on (`hostssl` lines are up to `hba`); everything in PEM. `ca` is whom client certificates must be from. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  /** A server, stopped, whose data this one starts with, instead of its own empty cluster: same system identifier. */
  readonly dataOf?: { readonly socketDir: string };
}

/** Address that servers listen on. */
export const HOST = "127.0.0.1";

/** Superuser of all servers. */
export const USER = "steady";

/** The superuser's password. */
export const PASSWORD = "steady-password";

const DEFAULTS: Readonly<Record<string, string>> = {
  // Nothing here survives the machine, so nothing has to be on the disk; a killed server loses nothing by it.
  fsync: "off",
  full_page_writes: "off",
  autovacuum: "off",
  jit: "off",
  shared_buffers: "16MB",
  // In the data directory, so that a killed server leaves nothing in /dev/shm.
  dynamic_shared_memory_type: "mmap",
  timezone: "UTC",
  // One address only: with more, PostgreSQL starts although the port of one of them is taken.
  listen_addresses: HOST,
};

const DEFAULT_HBA = ["host all all samehost scram-sha-256"];

/** @returns The environment without PostgreSQL's own variables, which would leak into servers and programs. */
export function cleanEnvironment(): Record<string, string | undefined> {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith("PG"));
  return { ...Object.fromEntries(entries), LC_ALL: "C" };
}

/**
 * Path of the data.
 *
 * @param directory The server's directory.
 * @returns The directory of its data.
 */
export function dataPath(directory: string): string {
  return join(directory, "data");
}

/**
 * Gives a file or directory of ours to the one who runs the server.
 *
 * @param user Who that is; nothing is done without, since it is ourselves.
 * @param path What is given.
 */
export async function giveTo(user: SystemUser | undefined, path: string): Promise<void> {
  if (user) await chown(path, user.uid, user.gid);
}

async function write(user: SystemUser | undefined, path: string, text: string): Promise<void> {
  await writeFile(path, text);
  // PostgreSQL refuses keys that others may read.
  await chmod(path, 0o600);
  await giveTo(user, path);
}

async function initialize(directory: string, installation: PostgresInstallation): Promise<void> {
  const { initdb, runAs } = installation;
  const passwordFile = join(directory, "password");
  await write(runAs, passwordFile, PASSWORD);
  await expectChild(initdb, [
    `--pgdata=${dataPath(directory)}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
    // The default of 16 MB for one segment would be half of the directory.
    "--wal-segsize=1",
  ], { ids: runAs, env: cleanEnvironment(), cwd: "/" });
  await rm(passwordFile);
}

async function copy(from: string, to: string, user: SystemUser | undefined): Promise<void> {
  await expectChild("cp", ["-R", "-p", from, to], { ids: user, cwd: "/" });
  await rm(join(to, "postmaster.pid"), { force: true });
}

function dataFiles({ hba = DEFAULT_HBA, files, tls }: PostgresDataOptions): Record<string, string> {
  return {
    "pg_hba.conf": ["local all all trust", "local replication all trust", ...hba, ""].join("\n"),
    ...(tls && { "server.crt": tls.cert, "server.key": tls.key }),
    ...(tls?.ca && { "ca.crt": tls.ca }),
    ...files,
  };
}

/**
 * Makes the data of a server.
 *
 * @param directory The server's directory.
 * @param installation PostgreSQL's programs.
 * @param options What it is made from.
 */
export async function createData(
  directory: string,
  installation: PostgresInstallation,
  options: PostgresDataOptions,
): Promise<void> {
  const { dataOf } = options;
  const data = dataPath(directory);
  if (dataOf) await copy(dataPath(dataOf.socketDir), data, installation.runAs);
  else await initialize(directory, installation);
  for (const [name, text] of Object.entries(dataFiles(options))) {
    await write(installation.runAs, join(data, name), text);
  }
}

/**
 * Writes the settings of a server.
 *
 * @param directory The server's directory.
 * @param installation PostgreSQL's programs.
 * @param options What is set beside the defaults.
 * @param port Port to listen on.
 */
export async function configure(
  directory: string,
  installation: PostgresInstallation,
  { config, tls }: PostgresDataOptions,
  port: number,
): Promise<void> {
  const settings = {
    ...DEFAULTS,
    ...(tls && { ssl: "on" }),
    ...(tls?.ca && { ssl_ca_file: "ca.crt" }),
    ...config,
    port: String(port),
    unix_socket_directories: directory,
  };
  const lines = Object.entries(settings)
    .map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  await write(installation.runAs, join(dataPath(directory), "postgresql.conf"), lines.join(""));
}
