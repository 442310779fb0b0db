import type postgres from "postgres";
import { outcome, parity } from "./parity.ts";

const TABLE = "create table t (x int primary key)";

parity("begin", async (sql) => [
  await sql.begin(async (sql) => {
    await sql`insert into t values (1)`;
    return "done";
  }),
  await sql.begin(() => undefined),
  await sql.begin((sql) => sql`select 1 as x`),
  await sql.begin((sql) => [sql`insert into t values (2)`, sql`table t`]),
  await sql.begin((sql) => [sql`select 1 as x`, 5, "text"]),
  await sql.begin(() => []),
  await sql`table t`,
], { setUp: TABLE });

parity("begin with options", async (sql) => {
  const settings = (sql: postgres.TransactionSql) =>
    sql`select current_setting('transaction_isolation') as x, current_setting('transaction_read_only') as y`;
  return [
    await sql.begin("read only", settings),
    await sql.begin("isolation level serializable read write deferrable", settings),
    await sql.begin("isolation level repeatable read; drop table t --", settings)
      .catch((error) => error),
    await outcome(sql.begin("nonsense", settings)),
    await sql`table t`,
  ];
}, { setUp: TABLE });

parity("begin that fails", async (sql) => {
  const thrown = new Error("no");
  return [
    await outcome(sql.begin(async (sql) => {
      await sql`insert into t values (1)`;
      throw thrown;
    })) === thrown,
    await outcome(sql.begin(() => {
      throw thrown;
    })) === thrown,
    await outcome(sql.begin(async (sql) => {
      await sql`insert into t values (1)`;
      await sql`insert into t values (1)`.catch(() => {});
      return "as if nothing had happened";
    })),
    await outcome(sql.begin(async (sql) => {
      await sql`selec`.catch(() => {});
      await sql`select 1`;
    })),
    await outcome(sql.begin(async (sql) => {
      await sql`selec`.catch(() => {});
      throw thrown;
    })) === thrown,
    await outcome(sql.begin((sql) => [sql`insert into t values (2)`, sql`selec`])),
    await outcome(sql.begin((sql) => sql`select ${undefined as never}`)),
    await sql`table t`,
  ];
}, { setUp: TABLE });

parity("begin whose COMMIT fails", async (sql) => [
  await outcome(sql.begin((sql) => sql`insert into d values (1, 2)`)),
  await sql`table d`,
], {
  setUp: "create table d (x int primary key, y int references d deferrable initially deferred)",
});

parity("savepoints", async (sql) => {
  const thrown = new Error("no");
  const seen: unknown[] = [];
  await sql.begin(async (sql) => {
    await sql`insert into t values (1)`;
    seen.push(await sql.savepoint((sql) => sql`insert into t values (2)`));
    seen.push(
      await outcome(sql.savepoint("name", async (sql) => {
        await sql`insert into t values (3)`;
        throw thrown;
      })) === thrown,
    );
    seen.push(
      await outcome(sql.savepoint(async (sql) => {
        await sql`insert into t values (4)`;
        await sql`insert into t values (4)`.catch(() => {});
        return "as if nothing had happened";
      })),
    );
    seen.push(
      await sql.savepoint('Odd "name"', async (sql) => {
        await sql`insert into t values (5)`;
        await outcome(sql.savepoint(async (sql) => {
          await sql`insert into t values (6)`;
          await sql`selec`;
        }));
        return await sql.savepoint((sql) => [sql`insert into t values (7)`, sql`table t`]);
      }),
    );
  });
  seen.push(await sql`table t`);
  return seen;
}, { setUp: TABLE });

const sent: string[] = [];

parity("names of savepoints", async (sql) => {
  await sql.begin(async (sql) => {
    await sql.savepoint((sql) => sql.savepoint("inner", () => {}));
    await sql.savepoint('odd "name"', () => {});
  });
  return sent.splice(0).filter((text) => text.startsWith("savepoint"));
}, { debug: (_, text) => sent.push(text) });

parity("a transaction's own sql", async (sql) =>
  await sql.begin(async (sql) => [
    await sql`insert into t ${sql([{ x: 1 }, { x: 2 }])} returning ${sql(["x"])}`,
    await sql`select ${sql.json({ a: 1 })} as x, ${sql.array([1])} as y, ${sql.typed(1, 20)} as z`,
    await sql.unsafe("select $1::int as x", [1]),
    await sql`select 1 as x`.values(),
    await sql`select x from t where x = ${1}`.describe().then(({ types }) => types),
    namesOf(sql).filter((name) => name !== "with").sort(),
  ]), { setUp: TABLE });

parity("transactions one after the other", async (sql) => {
  const seen: unknown[] = [];
  await Promise.all([1, 2, 3].map((x) =>
    sql.begin(async (sql) => {
      seen.push(`${x} begins`);
      await sql`insert into t values (${x})`;
      seen.push(`${x} ends`);
    })
  ));
  return [seen, await sql`table t`];
}, { setUp: TABLE });

/** What it has, of its own or by its prototype. */
function namesOf(object: object): string[] {
  const names: string[] = [];
  for (const name in object) names.push(name);
  return names;
}
