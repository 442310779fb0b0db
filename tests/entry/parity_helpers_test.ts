import { outcome, parity } from "./parity.ts";

const TABLE = "create table users (id int, name text, age int default 7)";
const first = { id: 1, name: "Ada", age: 36 };
const second = { id: 2, name: "Bob", age: 40 };

parity("insert helper", async (sql) => [
  await sql`insert into users ${sql(first)} returning *`,
  await sql`insert into users ${sql(first, "id", "name")} returning *`,
  await sql`insert into users ${sql([first, second])} returning *`,
  await sql`insert into users ${sql([first, second], "name", "id")} returning *`,
  await sql`insert into users ${sql([first, second], ["id", "name"] as never)} returning *`,
  await sql`insert into users (${sql(["id", "name"])}) values (3, 'Cid') returning *`,
], { setUp: TABLE });

parity("values helper", async (sql) => [
  await sql`select * from (values ${sql([[1, "a"], [2, "b"]] as never)}) as t (x, y)`,
  await sql`insert into users (id, name, age) values ${sql(first as never)} returning *`,
], { setUp: TABLE });

parity("update helper", async (sql) => {
  await sql`insert into users ${sql([first, second])}`;
  return [
    await sql`update users set ${sql({ name: "Eve", age: 1 })} where id = 1 returning *`,
    await sql`update users set ${sql(second, "age")} where id = 1 returning *`,
    await sql`update users set ${sql({ age: sql`age + 1` as never })} returning *`,
    await sql`
      update users set name = data.name from (values ${
      sql([[1, "x"], [2, "y"]] as never)
    }) as data (id, name)
       where users.id = data.id::int returning users.*`,
  ];
}, { setUp: TABLE });

parity("select helper", async (sql) => {
  await sql`insert into users ${sql([first, second])}`;
  return [
    await sql`select ${sql(["name", "age"])} from users order by id`,
    await sql`select ${sql("name", "age" as never)} from users order by id`,
    await sql`select ${sql({ x: 1, y: "text" } as never)}`,
    await sql`select ${sql({ x: 1, y: "text" }, "y")}`,
    await sql`delete from users returning ${sql(["id"])}`,
  ];
}, { setUp: TABLE });

parity("in helper", async (sql) => {
  await sql`insert into users ${sql([first, second])}`;
  return [
    await sql`select * from users where id in ${sql([1, 2, 3])} order by id`,
    await sql`select * from users where name in ${sql(["Bob"])}`,
    await sql`select * from users where id in ${sql([])}`,
    await sql`select * from users where id = any(${[1, 3]}::int[])`,
  ];
}, { setUp: TABLE });

parity("undefined values", async (sql) => [
  await outcome(sql`select ${undefined as never}`),
  await outcome(sql`insert into users ${sql({ id: undefined as never })}`),
  await outcome(sql`select ${[undefined] as never}::int[]`),
  await sql`select 'still well' as state`,
], { setUp: TABLE });

parity("undefined values by transform", async (sql) => [
  await sql`select ${undefined as never}::text as x`,
  await sql`insert into users ${sql({ id: 1, name: undefined as never })} returning *`,
], { setUp: TABLE, transform: { undefined: null } });

parity("helpers that are misused", async (sql) => [
  await outcome(sql("users") as never),
  await outcome(sql({ a: 1 }) as never),
  await outcome(sql`select ${sql({ a: { b: 1 } } as never)}`),
  await sql`select 'still well' as state`,
]);

parity("more parameters than there may be", async (sql) => {
  const rows = Array.from({ length: 65_534 }, (_, id) => ({ id }));
  const error = await outcome(sql`insert into users ${sql(rows)}`) as Error;
  return [error.name, error.message, Reflect.get(error, "code"), await sql`select 1 as one`];
}, { setUp: TABLE });
