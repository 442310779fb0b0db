/**
 * The worker of the tests: each path is one thing to do.
 *
 * @module
 */

// @ts-ignore: only workerd has it.
import { env } from "cloudflare:workers";
import { createPool, type PostgresLease, type TransactionSql } from "../../src/entry/workerd.ts";

const { DATABASE_URL } = env as { readonly DATABASE_URL: string };

/** What of a handler's third argument is used here. */
interface Context {
  waitUntil(promise: Promise<unknown>): void;
}

/** Does something and tells of it; what it returns is the response. */
type Action = (parameters: URLSearchParams, ctx: Context) => unknown;

// At module level, where workerd allows nothing but configuration.
const db = createPool(DATABASE_URL);
const { sql } = db;
const pooled = createPool(DATABASE_URL, { pooler: "transaction" });
let urlCalls = 0;
const byRequest = createPool(() => {
  urlCalls++;
  return `${DATABASE_URL}&statement_timeout=${urlCalls}000`;
}, { max: 2 });

/** What one request leaves to others, which it must not. */
let kept: {
  readonly lease: PostgresLease;
  readonly query: PromiseLike<unknown>;
  readonly begin: typeof sql.begin;
  readonly transaction: TransactionSql;
} | undefined;
/** What became of work that went on behind a response. */
const background: unknown[] = [];

/** What became of it: a value, or an error. */
async function outcome(fn: () => unknown): Promise<unknown> {
  const startedAt = Date.now();
  try {
    return { value: await fn() };
  } catch (error) {
    const { name, message, code, outcome } = error as Error & { code?: string; outcome?: string };
    return { name, message, code, outcome, ms: Date.now() - startedAt };
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function pidOf(): Promise<number> {
  const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid from pg_sleep(0.05)`;
  return row?.pid ?? 0;
}

/** Uses what another request kept. */
async function useKept(): Promise<unknown> {
  if (kept === undefined) throw new Error("nothing is kept");
  const { lease, query, begin, transaction } = kept;
  const outcomes = {
    lease: await outcome(() => lease.sql`select 1`),
    transaction: await outcome(() => lease.transaction((sql) => sql`select 1`)),
    query: await outcome(() => query),
    begin: await outcome(() => begin((sql) => sql`select 1`)),
    statement: await outcome(() => transaction`select 1`),
    savepoint: await outcome(() => transaction.savepoint((sql) => sql`select 1`)),
  };
  lease.release();
  return { ...outcomes, released: lease.released };
}

/** Actions in a request of the pool's. */
const scoped: Record<string, Action> = {
  select: async () => await sql`select ${1}::int as one, ${[1, 2]}::int[] as list`,
  transaction: (parameters) =>
    outcome(() =>
      db.transaction(async (sql) => {
        await sql`insert into t (x) values (${Number(parameters.get("x"))})`;
        if (parameters.has("fail")) throw new Error("changed my mind");
        return "committed";
      })
    ),
  begin: () => sql.begin((sql) => [sql`select 1 as x`, sql`select 2 as x`]),
  async scope() {
    const order: string[] = [];
    const inside = await db.scope(async (scope) => {
      const pids = await Promise.all([
        pidOf(),
        pidOf(),
        db.use(({ connection }) => connection.pid),
      ]);
      await db.transaction(async () => {
        db.afterCommit(() => void order.push("committed"));
        await sql`insert into t (x) values (1)`;
        await db.transaction(async () => {
          db.afterRollback(() => void order.push("rolled back"));
          db.requireTransaction();
          await sql`insert into t (x) values (2)`;
          throw new Error("changed my mind");
        }).catch(({ message }) => order.push(message));
        pids.push(await pidOf());
      });
      return { pids, outside: await db.outside(pidOf), same: db.current()?.name === scope.name };
    });
    using explicit = db.openScope({ name: "mine" });
    await explicit.sql`select 1`;
    return { ...inside, order, left: db.current() === undefined, name: explicit.name };
  },
  async crowd(parameters) {
    let most = 0;
    const pids = Array.from({ length: Number(parameters.get("count")) }, async () => {
      const pid = await pidOf();
      most = Math.max(most, db.stats().total);
      return pid;
    });
    return { pids: [...new Set(await Promise.all(pids))], most, max: db.stats().max };
  },
  slow: async (parameters) => {
    await sql`insert into t (x) select ${Number(parameters.get("x"))} from pg_sleep(0.5)`;
    await sql`insert into t (x) values (${Number(parameters.get("x")) + 1})`;
    return "done";
  },
  insert: async (parameters) => {
    await sql`insert into t (x) values (${Number(parameters.get("x"))})`;
    return "inserted";
  },
  running: (parameters) =>
    outcome(async () =>
      await sql`insert into t (x) select ${Number(parameters.get("x"))} from pg_sleep(60)`
    ),
  async keep() {
    const lease = await db.acquire();
    const query = sql`select 1`;
    const { begin } = sql;
    await db.transaction(async (transaction) => {
      kept = { lease, query, begin, transaction };
      await transaction`select pg_sleep(1)`;
    });
    try {
      return (await lease.sql`select 1 as own`)[0];
    } finally {
      lease.release();
    }
  },
  "use-kept": useKept,
  async leaks() {
    await (await db.acquire()).sql`begin`;
    return "kept";
  },
  "late": (_, ctx) => {
    const work = async (): Promise<void> => {
      await pause(50);
      background.push(await outcome(() => sql`select 1`), await outcome(() => db.acquire()));
    };
    ctx.waitUntil(work());
    return "responded";
  },
  limits: () => outcome(() => db.with({ timeoutMs: 100 }).sql`select pg_sleep(1)`),
  async lease() {
    await using lease = await db.acquire();
    await lease.sql`set application_name to 'mine'`;
    const [row] = await lease.sql`show application_name`;
    return [row, db.stats(), (await db.use(({ sql }) => sql`select 1 as used`))[0]];
  },
  async callbacks() {
    const seen: unknown[] = [];
    const inner: Promise<unknown>[] = [];
    const add = async (x: unknown): Promise<void> => {
      seen.push((await sql`select ${Number(x)}::int + 1 as y`)[0]?.y);
    };
    // For what is done with the last rows porsager does not wait.
    await sql`select x from generate_series(1, 3) x`.cursor(2, async (rows) => {
      const added = Promise.all(rows.map(({ x }) => add(x)));
      inner.push(added);
      await added;
    });
    await sql`select x from generate_series(1, 2) x`.forEach(({ x }) => {
      inner.push((async () => seen.push((await sql`select ${Number(x)}::int * 10 as y`)[0]?.y))());
    });
    await Promise.all(inner);
    for await (const rows of sql`select x from generate_series(1, 3) x`.cursor(2)) {
      seen.push(rows.length);
    }
    return seen;
  },
  cancel: () =>
    outcome(async () => {
      const query = sql`select pg_sleep(5)`.execute();
      setTimeout(() => query.cancel(), 200);
      await query;
    }),
  nested: async () => {
    using lease = await db.acquire();
    const again = db.scoped(() => Promise.resolve(db.stats().used));
    return [lease.released, await again()];
  },
};

/** Actions in a request of nobody's. */
const plain: Record<string, Action> = {
  outside: async () => ({
    sql: await outcome(() => sql`select 1`),
    transaction: await outcome(() => db.transaction((sql) => sql`select 1`)),
    acquire: await outcome(() => db.acquire()),
    tryAcquire: await outcome(() => db.tryAcquire()),
    use: await outcome(() => db.use(() => {})),
    with: await outcome(() => db.with({ timeoutMs: 5 }).sql`select 1`),
    begin: await outcome(() => sql.begin((sql) => sql`select 1`)),
    stats: await outcome(() => db.stats()),
    evict: await outcome(() => db.evict()),
    ready: await outcome(() => db.ready()),
    resize: await outcome(() => db.resize(2)),
    suspend: await outcome(() => db.suspend()),
    resume: await outcome(() => db.resume()),
  }),
  "use-kept-outside": useKept,
  background: () => background.splice(0),
  "without-context": () => db.scoped(pidOf)().then((pid) => pid > 0),
  behind: (_, ctx) => {
    ctx.waitUntil(
      db.scoped(async () => {
        await pause(50);
        background.push((await sql`select 'behind' as word`)[0]);
      })(),
    );
    return "responded";
  },
  "by-request": byRequest.scoped(async () => {
    const [row] = await byRequest.sql`show statement_timeout`;
    await byRequest.sql`select 1`;
    return [row?.statement_timeout, urlCalls, byRequest.stats().max];
  }),
  pooled: pooled.scoped(async (parameters) => {
    const x = Number(parameters.get("x"));
    const rows = await Promise.all(
      [1, 2, 3].map(async (y) =>
        (await pooled.sql`select ${y}::int as y, ${[y]}::int[] as list`)[0]
      ),
    );
    await pooled.transaction((sql) => sql`insert into t (x) values (${x})`);
    const prepared = await pooled.sql`select count(*)::int as count from pg_prepared_statements`;
    const cancelled = await outcome(async () => {
      const query = pooled.sql`select pg_sleep(5)`.execute();
      setTimeout(() => query.cancel(), 200);
      await query;
    });
    return { rows, prepared: prepared[0]?.count, cancelled };
  }),
  secure: (parameters) => {
    const secure = createPool(String(parameters.get("url")), {
      acquireTimeoutMs: 2_000,
      ssl: parameters.get("servername") === null
        ? "verify-full"
        : { servername: String(parameters.get("servername")) },
    });
    return secure.scoped(() =>
      outcome(async () =>
        (await secure.sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`)[0]
      )
    )();
  },
  refused: (parameters) => {
    const ssl = JSON.parse(String(parameters.get("ssl")));
    return outcome(() =>
      createPool(DATABASE_URL, {
        ssl,
        sslnegotiation: parameters.get("direct") ? "direct" : undefined,
      })
    );
  },
};

/** A response whose body is still being read from a cursor when the handler has returned. */
const streamed = db.scoped(async (parameters: URLSearchParams) => {
  const lease = await db.acquire();
  const cursor = lease.sql`select x from generate_series(1, ${
    Number(parameters.get("rows"))
  }::int) x`
    .cursor(1000)[Symbol.asyncIterator]();
  return new Response(
    new ReadableStream({
      async pull(controller): Promise<void> {
        const { done, value } = await cursor.next();
        if (!done) {
          return controller.enqueue(
            new TextEncoder().encode(value.map(({ x }) => `${x}\n`).join("")),
          );
        }
        lease.release();
        controller.close();
      },
    }),
  );
});

const inScope = db.scoped((action: Action, parameters: URLSearchParams, ctx: Context) =>
  action(parameters, ctx)
);

export default {
  async fetch(request: Request, _env: unknown, ctx: Context): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const name = pathname.slice(1);
    try {
      if (name === "streamed") return await streamed(searchParams);
      const action = scoped[name];
      const result = action === undefined
        ? await plain[name]?.(searchParams, ctx)
        : await inScope(action, searchParams, ctx);
      return Response.json(result ?? null);
    } catch (error) {
      return new Response(error instanceof Error ? error.stack : String(error), { status: 500 });
    }
  },
};
