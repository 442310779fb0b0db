import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import postgres from "postgres";
import { OwnCommand } from "../../../src/driver/postgres/own_command.ts";
import { PostgresServer } from "../../support/postgres_server.ts";
import { createPool } from "../../support/entry.ts";
import { test } from "../../support/harness.ts";

function message(type: string, body: string): Buffer {
  const bytes = Buffer.alloc(5 + Buffer.byteLength(body));
  bytes.write(type);
  bytes.writeInt32BE(bytes.length - 1, 1);
  bytes.write(body, 5);
  return bytes;
}

const READY = message("Z", "T");
const NOTICE = message("N", "SNOTICE\0Mwell\0\0");
const NOTIFICATION = message("A", "\0\0\0\x01news\0text\0");

test("OwnCommand takes its answer out of what comes, in whatever pieces, and leaves what is about other things", async () => {
  const parts = [NOTICE, message("C", "BEGIN\0"), NOTIFICATION, READY, message("S", "a\0b\0")];
  const all = Buffer.concat(parts);
  for (let size = 1; size <= all.length; size++) {
    const command = new OwnCommand("begin");
    const others: Uint8Array[] = [];
    for (let at = 0; at < all.length; at += size) {
      const piece = all.subarray(at, at + size);
      others.push(...command.isOver ? [piece] : command.receive(piece));
    }
    command.settle();
    assertEquals(await command.done, { command: "BEGIN" });
    assertEquals(
      Buffer.concat(others).equals(Buffer.concat([NOTICE, NOTIFICATION, message("S", "a\0b\0")])),
      true,
      `${size}`,
    );
  }
});

test("OwnCommand has the server's error, as porsager's, when all is said", async () => {
  const command = new OwnCommand("commit");
  const fields = "SFEHLER\0VERROR\0C23503\0Mno such row\0tparent\0nfk\0\0";
  assertEquals(command.receive(Buffer.concat([message("E", fields), READY])), []);
  assertEquals(command.isOver, true);
  command.settle();
  const error = await assertRejects(() => command.done, postgres.PostgresError, "no such row");
  assertInstanceOf(error, postgres.PostgresError);
  const { code, severity, severity_local, table_name, constraint_name, name } = error;
  assertEquals([code, severity, severity_local, table_name, constraint_name, name], [
    ...["23503", "ERROR", "FEHLER", "parent", "fk", "PostgresError"],
  ]);
  assertEquals(Reflect.get(error, "query"), "commit");
});

test("OwnCommand knows the server's tag without its numbers; of rows it wants to know nothing", async () => {
  const tags = [["SELECT 3", "SELECT"], ["INSERT 0 1", "INSERT"], [
    "PREPARE TRANSACTION",
    "PREPARE TRANSACTION",
  ]] as const;
  for (const [tag, expected] of tags) {
    const command = new OwnCommand("select");
    const others = command.receive(
      Buffer.concat([message("T", "x"), message("D", "y"), message("C", `${tag}\0`), READY]),
    );
    command.settle();
    assertEquals([others, await command.done], [[], { command: expected }]);
  }
  const empty = new OwnCommand("");
  assertEquals([...empty.bytes], [0x51, 0, 0, 0, 5, 0]);
  empty.receive(Buffer.concat([message("I", ""), READY]));
  empty.settle();
  assertEquals(await empty.done, { command: null });
  assertEquals(Buffer.from(new OwnCommand("sät").bytes).equals(message("Q", "sät\0")), true);
});

test("Notices and notifications that come with BEGIN and COMMIT reach who wants them", async () => {
  await using server = await PostgresServer.start();
  const notices: unknown[] = [];
  await using db = createPool(server.url(), {
    max: 1,
    onnotice: ({ message }) => void notices.push(message),
  });
  await db.sql`create table t (x int)`;
  await db.sql.unsafe(`
    create function tell() returns trigger language plpgsql
      as $$begin raise notice 'committing %', new.x; return null; end$$;
    create constraint trigger tells after insert on t deferrable initially deferred
      for each row execute function tell();
  `);
  await db.transaction((sql) => sql`insert into t values (7)`);
  assertEquals(notices, ["committing 7"]);
  assertEquals([...await db.sql`select x from t`], [{ x: 7 }]);
});
