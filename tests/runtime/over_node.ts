/**
 * A runtime that uses `node:net` for every socket: what the adapters use for some plans must be good for all.
 *
 * @module
 */

import type { Runtime } from "../../src/core/runtime.ts";
import { capture, contextVariable, root } from "../../src/runtime/async_context.ts";
import { planConnect } from "../../src/runtime/connect_plan.ts";
import { NodeSocket } from "../../src/runtime/node_socket.ts";

/** The runtime. */
export const runtime: Runtime = {
  name: "node:net",
  connect: (address, options) => new NodeSocket(planConnect(address, options)),
  contextVariable,
  root,
  capture,
};
