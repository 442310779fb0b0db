/**
 * The worker in which the conformance kit runs: each request is one check, as all I/O in workerd belongs to a request.
 *
 * @module
 */

// @ts-ignore: only workerd has it.
import { env } from "cloudflare:workers";
import { runtime } from "../../src/runtime/workerd.ts";
import { silenceFalseAlarms } from "./false_alarms.ts";
import { type KitFacts, testWorkerd, workerdSubject } from "./kit_subject.ts";
import { RemotePeers } from "./remote_peers.ts";

const { FACTS } = env as { readonly FACTS: string };
const { url, kinds, certificates } = JSON.parse(FACTS) as KitFacts;

silenceFalseAlarms();

/** Runs a check; returns what was wrong. */
async function run(name: string, limitMs: number | undefined): Promise<string | undefined> {
  using peers = await RemotePeers.connect(url, kinds);
  const subject = workerdSubject(runtime, peers, certificates, limitMs);
  const checks = new Map<string, () => Promise<void>>();
  testWorkerd(subject, (name, fn) => checks.set(name, fn));
  const check = checks.get(name);
  if (check === undefined) throw new Error("There is no such check");
  try {
    await check();
  } catch (error) {
    return error instanceof Error ? error.stack ?? error.message : String(error);
  }
}

export default {
  async fetch(request: Request): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const limitMs = searchParams.get("limitMs");
    const problem = await run(
      searchParams.get("check") ?? "",
      limitMs ? Number(limitMs) : undefined,
    );
    return Response.json({ problem });
  },
};
