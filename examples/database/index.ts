import { chmodSync, mkdirSync } from "node:fs";
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

// Whoever can open the socket is let in, as `app`: so the folder is yours alone. Its path may have 90 bytes or so.
const folder = resolve(new pulumi.Config().get("folder") ?? "run");
mkdirSync(folder, { recursive: true });
chmodSync(folder, 0o700);

const image = new mayfly.Image("debian", { debian: { packages: ["postgresql"] } });
const vm = new mayfly.VM("db", { image, network: "isolated" }); // with PostgreSQL running from its first moment

// Runs again when it is edited, so it only makes what is not there yet.
const database = new mayfly.SshCommand("database", {
  vm,
  create: `
    set -eu
    cd /etc/postgresql/*/main
    grep -qx "local app app trust" pg_hba.conf || sed -i "1i local app app trust" pg_hba.conf
    systemctl reload-or-restart postgresql
    query() { runuser -u postgres -- psql --no-psqlrc --quiet --tuples-only --no-align --command "$1"; }
    [ -n "$(query "select 1 from pg_roles where rolname = 'app'")" ] || query "create role app login"
    [ -n "$(query "select 1 from pg_database where datname = 'app'")" ] || query "create database app owner app"
    query "select version()"`,
});

// A client of PostgreSQL looks for this name in the folder that it is given as host.
const socket = new mayfly.PortForward(
  "socket",
  { vm, hostSocket: `${folder}/.s.PGSQL.5432`, guestSocket: "/run/postgresql/.s.PGSQL.5432" },
  { dependsOn: [database] },
);

/** What is in there. */
export const version = database.stdout;
/** For clients: psql's argument, or their setting DATABASE_URL. */
export const url = socket.socket.apply(() => `postgresql://app@/app?host=${encodeURIComponent(folder)}`);
