/**
 * What the runner, the tests and their child processes have to agree on.
 *
 * @module
 */

/** Environment variable with the URL of the shared server, its user being a superuser. */
export const DATABASE_URL_VARIABLE = "STEADY_TEST_DATABASE_URL";

/**
 * Environment variable with the temporary directory of one run of the tests; all processes of the run inherit it, and
 * so are known as ours.
 */
export const RUN_DIRECTORY_VARIABLE = "STEADY_TEST_RUN_DIR";

/** How the shared server is started. */
export const SHARED_SERVER_OPTIONS = { config: { max_connections: "200" } } as const;
