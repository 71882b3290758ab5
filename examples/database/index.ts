import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const folder = resolve(new pulumi.Config().get("folder") ?? "run");
mkdirSync(folder, { recursive: true, mode: 0o700 }); // whoever can open the socket is let in, as `app`

const image = new mayfly.Image("debian", { debian: { packages: ["postgresql"] } });
const vm = new mayfly.VM("db", { image, network: "isolated" }); // with PostgreSQL running from its first moment

const database = new mayfly.SshCommand("database", {
  vm,
  create: `
    cd /etc/postgresql/*/main
    sed -i "1i local app app trust" pg_hba.conf
    systemctl start postgresql && systemctl reload postgresql
    runuser -u postgres -- psql --quiet -c "create role app login" -c "create database app owner app"
    runuser -u postgres -- psql --tuples-only --no-align -c "select version()"`,
});

// A client of PostgreSQL looks for this name in the folder that it is given as host.
const socket = new mayfly.PortForward(
  "socket",
  { vm, hostSocket: `${folder}/.s.PGSQL.5432`, guestSocket: "/run/postgresql/.s.PGSQL.5432" },
  { dependsOn: [database] },
);

/** What is in there. */
export const version = database.stdout;
/** For clients: psql URL, or their setting DATABASE_URL. */
export const url = socket.socket.apply(() => `postgresql://app@/app?host=${encodeURIComponent(folder)}`);
