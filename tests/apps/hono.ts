/**
 * The shop as a Hono app, on Node.js: one connection for each request, by a middleware.
 *
 * @module
 */

import { Hono } from "hono";
import process from "node:process";
import { createPool } from "../../src/entry/node.ts";
import { servedFrom } from "../demo/apps/lifetime.ts";
import { serve } from "../demo/apps/node_http.ts";
import { orderOf } from "../demo/order_request.ts";
import { failureResponse } from "../demo/refusal.ts";
import { findOrder, placeOrder } from "./shop/orders.ts";
import { usePool } from "./shop/pool.ts";
import { sumUp } from "./shop/sums.ts";

const db = usePool(createPool(process.env.DATABASE_URL ?? "", { max: 10 }));

const app = new Hono();
app.use((_context, next) => db.scope(() => next()));
app.post("/orders", async ({ req, json }) => json(await placeOrder(await orderOf(req.raw)), 201));
app.get("/orders/:id", async ({ req, json }) => json(await findOrder(req.param("id"))));
app.get("/sums", async ({ json }) => json(await sumUp()));
app.onError((error) => failureResponse(error));

const server = await serve(async (request) => await app.fetch(request));
await servedFrom(server.port);
await Promise.all([server.close(), db.close({ timeoutMs: 500 })]);
