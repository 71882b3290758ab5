import * as pulumi from "@pulumi/pulumi";
import * as mayfly from "pulumi-mayfly";

const config = new pulumi.Config();

const image = new mayfly.Image("debian", { debian: {} });
const vm = new mayfly.VM("web", { image, network: "isolated" }); // serves, and reaches nothing itself

const service = new mayfly.DirectorySync("service", { vm, source: "service", remotePath: "/srv/service" });
const started = new mayfly.SshCommand("started", {
  vm,
  create: [
    "ln -sf /srv/service/hello.service /etc/systemd/system/",
    "systemctl daemon-reload",
    "systemctl restart hello", // it says itself when it listens: Type=notify
  ].join(" && "),
  triggers: [service.sourceHash],
});

// Only processes of this host reach it, by a port that stays the same.
const http = new mayfly.PortForward(
  "http",
  { vm, hostPort: config.getNumber("port") ?? 0, guestPort: 8080 },
  { dependsOn: [started] },
);

/** Where the service answers on this host. */
export const url = pulumi.interpolate`http://${http.host}:${http.port}/`;
