/**
 * All kinds of work.
 *
 * @module
 */

import type { Work } from "../operation.ts";
import { aborted, abortedTransaction, cancelled, deadline, patient } from "./given_up.ts";
import { leftOpen, statements, transactionByHand, transactionOnLease } from "./leases.ts";
import {
  burst,
  cursor,
  insert,
  insertSelect,
  read,
  slowRead,
  upsert,
  violation,
} from "./single_statements.ts";
import {
  changeOfMind,
  late,
  pipelinedTransaction,
  savepoint,
  severalTables,
  stubborn,
  sums,
  transfer,
} from "./transactions.ts";

/** All kinds, in the order they are reported. */
export const WORKS: readonly [Work, ...Work[]] = [
  ...[insert, insertSelect, burst, upsert, violation, read, slowRead, cursor],
  ...[deadline, patient, aborted, cancelled, abortedTransaction],
  ...[severalTables, pipelinedTransaction, transfer, sums, savepoint, changeOfMind, stubborn, late],
  ...[statements, transactionByHand, leftOpen, transactionOnLease],
] as [Work, ...Work[]];
