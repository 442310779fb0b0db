/**
 * The adapter of the runtime that this runs on passes the conformance kit.
 */

import { testRuntime } from "../../src/testing/mod.ts";
import { runtimeName, test } from "../support/harness.ts";
import { authorityClause, provesAuthorities } from "./authority_case.ts";
import { testExits } from "./exit_cases.ts";
import { subjectOf } from "./subject.ts";
import { adapter, runtime } from "./this_adapter.ts";

testRuntime(subjectOf(runtimeName, runtime), test);
test(`${runtimeName}: ${authorityClause}`, () => provesAuthorities(runtime));
testExits({ name: runtimeName, adapter }, test);
