/**
 * The proxy of the fault rig, by the name it has where its messages are what matters.
 *
 * @module
 */

export type { Verdict } from "../../faults/lane.ts";
export { FaultProxy as WireProxy } from "../../faults/fault_proxy.ts";
export { statementOf, type WireMessage } from "../../faults/wire_message.ts";
