/**
 * The shop as a function from request to response, which knows neither the runtime nor the database.
 *
 * @module
 */

import { orderOf } from "../../demo/order_request.ts";
import { failureResponse, Refusal } from "../../demo/refusal.ts";
import { findOrder, placeOrder } from "./orders.ts";
import { sumUp } from "./sums.ts";

/**
 * Answers a request; never rejects.
 *
 * @param request `POST /orders`, `GET /orders/:id`, or `GET /sums`.
 * @returns The response.
 */
export async function handle(request: Request): Promise<Response> {
  try {
    return await answer(request);
  } catch (error) {
    return failureResponse(error);
  }
}

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const [, collection, id] = pathname.split("/");
  const route = `${request.method} ${collection}${id === undefined ? "" : "/:id"}`;
  if (route === "POST orders") {
    return Response.json(await placeOrder(await orderOf(request)), { status: 201 });
  }
  if (route === "GET orders/:id") return Response.json(await findOrder(id ?? ""));
  if (route === "GET sums") return Response.json(await sumUp());
  throw new Refusal(404, "NO_SUCH_ROUTE", `There is no ${request.method} ${pathname}`);
}
