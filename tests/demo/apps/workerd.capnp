# How workerd runs the bundle of workerd.ts. The port is free, and told on the file descriptor of --control-fd.

using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "app", worker = .app),
    # What `connect` may reach: without "local" there is no database on this machine.
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "app")],
);

const app :Workerd.Worker = (
  # In the folder of --import-path.
  modules = [(name = "app.js", esModule = embed "/app.js")],
  compatibilityDate = "2026-01-01",
  compatibilityFlags = ["nodejs_compat"],
  bindings = [(name = "DATABASE_URL", fromEnvironment = "DATABASE_URL")],
);
