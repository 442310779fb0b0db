/**
 * The postgres driver passes the conformance kit for driver authors, on real PostgreSQL.
 */

import process from "node:process";
import type { PostgresConnection, PostgresDriver } from "../../../src/driver/postgres/mod.ts";
import { PostgresDriver as Driver } from "../../../src/driver/postgres/driver.ts";
import { resolvePostgresOptions } from "../../../src/driver/postgres/options.ts";
import { Statement } from "../../../src/driver/postgres/statement.ts";
import { runtime } from "../../support/entry.ts";
import type { Driver as AnyDriver } from "../../../mod.ts";
import { type DriverSubject, type RunningStatement, testDriver } from "../../../src/testing/mod.ts";
import { freePort } from "../../support/free_port.ts";
import { query } from "../../support/query.ts";
import { test } from "../../support/harness.ts";
import { sharedServer } from "../../support/shared_server.ts";

type Row = Record<string, unknown>;

const { url } = sharedServer();
const names = new WeakMap<object, string>();
let made = 0;

/** A driver whose connections can be told from others by their application name. */
function make(to: string = url): PostgresDriver {
  const name = `kit_${process.pid}_${made++}`;
  const driver = new Driver(
    runtime,
    resolvePostgresOptions(to, { connection: { application_name: name } }),
  );
  names.set(driver, name);
  return driver;
}

const { template } = make();

function start(connection: PostgresConnection, text: string): RunningStatement {
  const statement = new Statement(
    new template.Query([text], [], () => {}, () => {}, { simple: true }),
  );
  connection.send(statement);
  return { handle: statement, done: statement.query.then((value) => value) };
}

async function firstRow(connection: PostgresConnection, text: string): Promise<Row> {
  const rows = await start(connection, text).done as readonly Row[];
  return rows[0] ?? {};
}

function changed(change: (to: URL) => void): string {
  const to = new URL(url);
  change(to);
  return to.href;
}

const nobody = await freePort();

const subject: DriverSubject<PostgresConnection> = {
  name: "postgres",
  driver: () => make(),
  run: (connection) => start(connection, "select 1"),
  fail: (connection) => start(connection, "select 1/0"),
  startLong: (connection) => start(connection, "select pg_sleep(60)"),
  async breakConnection({ pid }) {
    await query(url, "select pg_terminate_backend($1)", [pid]);
  },
  async countConnections(driver: AnyDriver<PostgresConnection>) {
    const text = "select count(*)::int as n from pg_stat_activity where application_name = $1";
    const rows = await query(url, text, [names.get(driver) ?? ""]);
    return Number(rows[0]?.n);
  },
  unreachable: () => make(changed((to) => to.port = String(nobody))),
  rejected: () => make(changed((to) => to.password = "wrong")),
  sessionStatement: "set time zone 'UTC'",
  dirtySession: (connection) => start(connection, "set work_mem = '7MB'").done,
  async isSessionDirty(connection) {
    return (await firstRow(connection, "show work_mem")).work_mem === "7MB";
  },
};

testDriver(subject, test);
