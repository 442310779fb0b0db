/**
 * Queries that belong to one request.
 *
 * @module
 */

import type { LightQueryClass } from "../driver/postgres/light_query.ts";
import type { Template } from "../driver/postgres/porsager.ts";
import type { Gate } from "../driver/postgres/sql.ts";

/**
 * Makes a template whose queries are refused where they do not belong. A query is a promise of the request it was made in:
 * where that is over, whoever waits for it would wait for ever, so that the refusal has to come from another promise.
 *
 * @param template Whose queries.
 * @param gate Asked when a query is awaited.
 * @returns The template.
 */
export function gatedTemplate(template: Template, gate: Gate): Template {
  return {
    ...template,
    Query: gated(template.Query, gate),
    LightQuery: gated(template.LightQuery, gate),
  };
}

function gated(Query: LightQueryClass, gate: Gate): LightQueryClass {
  return class extends Query {
    override then<Result = unknown, Failure = never>(
      onFulfilled?: ((value: unknown) => Result | PromiseLike<Result>) | null,
      onRejected?: ((reason: unknown) => Failure | PromiseLike<Failure>) | null,
    ): Promise<Result | Failure> {
      const refusal = gate.refusal();
      return refusal === undefined
        ? super.then(onFulfilled, onRejected)
        : Promise.reject(refusal).then(onFulfilled, onRejected);
    }
  };
}
