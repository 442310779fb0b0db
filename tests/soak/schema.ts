/**
 * The tables of the soak.
 *
 * No table but the one of upserts has a constraint on its id: what is written twice has to be seen, not prevented.
 *
 * @module
 */

/** Tables with one row for each write, or several. */
export type TableName = "written" | "lines" | "transfers" | "upserted";

/** All of them. */
export const TABLE_NAMES: readonly TableName[] = ["written", "lines", "transfers", "upserted"];

/** How many accounts there are; their numbers begin at 1. */
export const ACCOUNTS = 24;

/** What is in each account at the beginning. */
export const OPENING_BALANCE = 1_000;

/** Statements that make them. */
export const SCHEMA = `
  create table written (id bigint not null, part int not null check (part >= 0));
  create table lines (id bigint not null, part int not null);
  create table upserted (id bigint primary key, times int not null);
  create table accounts (id int primary key, balance bigint not null) with (fillfactor = 50);
  create table transfers (
    id bigint not null,
    source int not null references accounts,
    target int not null references accounts,
    amount bigint not null check (amount > 0)
  );
  insert into accounts select id, ${OPENING_BALANCE} from generate_series(1, ${ACCOUNTS}) as id;
`;
