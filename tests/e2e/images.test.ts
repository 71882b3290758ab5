import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { readFileSync } from "node:fs";
import { consoleText } from "../../provider/machines/console";
import { GUEST_HELPER } from "../../provider/ssh/remote-hash";
import { loginIn, renderServerLog, ServerLogReader } from "../../provider/ssh/server-log";
import { eventually } from "../support/eventually";
import { BUSYBOX, ContainerImages } from "../support/container-images";
import { Program } from "../support/program";

// Container images, none with a kernel or an SSH server: one of busybox and musl, whose program ends; one that is a single
// file, without shell and accounts; one with Debian's C library, whose containers run nothing; one with systemd. But for
// the last, none has an init. And one with an init of another kind and an SSH server that makes trouble.

const MUSL = "/lib/ld-musl-x86_64.so.1";

// What a Debian that is a whole machine has beside its programs.
const SSH_PARTS = ["usr/sbin/sshd", "etc/ssh", "usr/lib/systemd/system/ssh*", "lib/systemd/system/ssh*"];
const KERNEL_PARTS = ["boot", "usr/lib/modules", ...SSH_PARTS];
const MACHINE_PARTS = [...KERNEL_PARTS, "usr/lib/systemd", "usr/sbin/init"];

/** Prints all that a container gives its program, one a line. */
const ENTRYPOINT = `#!/bin/sh
printf 'given %s|' "$@"; echo
echo "as $(id -u):$(id -g) $(id -G) in $(pwd) of $HOME"
echo "with $GREETING, $TWO and $PATH"
grep -q '# mayfly network$' /etc/hosts && echo "knows its network"
${MUSL} --version 2>&1 | head -n 1 >/dev/stderr
exit 3
`;

/**
 * An init that restarts the machine in its first minute; then starts the SSH server late, and ends all there are, for a
 * while, when somebody has just begun to log in by the one that users reach, at 64022 (hexadecimal FA16).
 */
const RESTLESS = `#!/usr/lib/mayfly/busybox sh
PATH=/usr/lib/mayfly/bin
mount -t tmpfs run /run
echo boot >>/var/boots
if [ "$(wc -l </var/boots)" = 1 ]; then sync; reboot -f; fi
(
  sleep 3 # it is a slow init, that is all
  mkdir /run/sshd
  /usr/sbin/sshd
  until grep -q ':FA16 [0-9A-F]*:[0-9A-F]* 0A' /proc/net/tcp; do :; done # state 0A: listens, proc_net_tcp
  kill -STOP "$(cat /etc/mayfly/sshd.pid)" # nobody gets in meanwhile, however busy the host is
  until grep -q ':FA16 [0-9A-F]*:[0-9A-F]* 01' /proc/net/tcp; do :; done # 01: established
  chmod -x /usr/sbin/sshd
  killall -KILL sshd
  sleep 10
  chmod +x /usr/sbin/sshd
  /usr/sbin/sshd
  echo "guest: sshd was restarted" >/dev/console
) &
while :; do sleep 1000; done
`;

let program: Program;
let images: ContainerImages;

beforeAll(async () => {
  program = await Program.open("images");
  images = new ContainerImages(program);
});
afterAll(async () => {
  await using _ = program;
  await images[Symbol.asyncDispose]();
});

interface Outputs {
  readonly vms: Readonly<Record<string, { readonly log: string; readonly config: string; readonly port: number }>>;
  readonly said: Readonly<Record<string, string>>;
  readonly made: readonly string[];
}

const consoleOf = ({ vms }: Outputs, name: string) => consoleText(readFileSync(vms[name]?.log ?? "", "utf8"));

test("images of a few files become machines: commands, copies, the entrypoint's output, an orderly end", async () => {
  await program.write('exports.image = new mayfly.Image("debian", { debian: {} }).imageName;');
  await program.upAtOnce();
  const { image } = await program.outputs<{ image: string }>();
  const applets = ["sh", "cat", "id", "head", "grep"].map((name): [string, string] => [`bin/${name}`, "busybox"]);
  const [plain, single, glibc, systemd] = await Promise.all([
    images.make("busybox", {
      links: Object.fromEntries(applets),
      files: {
        "bin/busybox": { from: BUSYBOX },
        [MUSL.slice(1)]: { from: MUSL },
        "entry.sh": ENTRYPOINT,
        "etc/passwd": "app:x:1234:1235::/home/app:/bin/sh",
        "etc/group": "app:x:1235:\nvideo:x:44:app\n",
      },
      config: [
        `ENTRYPOINT ["/entry.sh", "a b"]`,
        `CMD ["it's", "$HOME"]`,
        ...["ENV GREETING=good day", "ENV TWO=2", "USER app", "WORKDIR /work/here"],
      ],
    }),
    images.make("static", {
      files: { "busybox-server": { from: BUSYBOX }, "www/index.html": "from a single file\n" },
      config: [`CMD ["/busybox-server", "httpd", "-f", "-p", "8080", "-h", "/www"]`],
    }),
    images.without("glibc", image, MACHINE_PARTS, []),
    images.without("systemd", image, KERNEL_PARTS, []),
  ]);
  const tar = await images.tar("tar", {
    files: { "bin/busybox": { from: BUSYBOX } },
    links: Object.fromEntries(applets),
  });
  const sources = {
    built: { containerfile: { text: `FROM ${plain}\nUSER 0\nRUN echo built >/built\nENV TWO=built\n` } },
    packed: { rootfs: tar },
    restless: {
      containerfile: {
        text: `FROM ${image}\nRUN ${JSON.stringify(["sh", "-euc", `rm /sbin/init; printf %s "$0" >/sbin/init; chmod +x /sbin/init`, RESTLESS])}\n`,
      },
    },
  };
  const vms = {
    plain: { image: plain, warmBoot: "required", users: [{ name: "ann" }], environment: { TWO: "two" }, isIn: true },
    single: { image: single, warmBoot: "never", ports: [{ guest: 8_080 }], isIn: true },
    glibc: { image: glibc, warmBoot: "never" },
    systemd: {
      ...{ image: systemd, memory: "512MiB", warmBoot: "never", waitFor: "systemd" },
      mounts: [{ source: ".", target: "/run/program", readOnly: true }], // over which its init mounts a /run
    },
    built: { warmBoot: "never" },
    packed: { warmBoot: "never" },
    restless: { cpus: 2, warmBoot: "never", disk: "64MiB" }, // one to make its trouble before anybody is in
  };
  const XXH64_OF_COPIED = "f537965aae2374b6";
  const LOOK = [
    ...["whoami", "pwd", 'echo "$GREETING/$TWO"', `cat /copied; ${GUEST_HELPER} hash /copied`],
    ...["modprobe loop && grep -c ^loop /proc/modules", "uname -s"],
    `cd /etc/mayfly && ${GUEST_HELPER} list | grep -c machine-id`, // in one line, of which each name ends with a NUL
  ].join("; ");
  await program.write(`
exports.vms = {};
exports.said = {};
exports.made = [];
const images = {};
for (const [name, source] of Object.entries(${JSON.stringify(sources)})) {
  images[name] = new mayfly.Image(name + "-image", source);
  exports.made.push(images[name].imageName);
}
const network = new mayfly.Network("net");
for (const [name, { isIn, ...fields }] of Object.entries(${JSON.stringify(vms)})) {
  const networks = isIn ? [{ network }] : [];
  const vm = new mayfly.VM(name, { cpus: 1, memory: "256MiB", image: images[name], networks, ...fields });
  if (name === "restless") { // what it is said to be is true at once
    const connection = pulumi.secret(vm.connection.apply((to) => ({ ...to, dialErrorLimit: 1 })));
    const command = { connection, create: "wc -l </var/boots; uname -s", logging: "none" };
    exports.said[name] = new mayfly.SshCommand(name + "-look", command, { dependsOn: vm }).stdout;
    exports.vms[name] = { log: vm.consoleLog };
    continue;
  }
  const copy = new mayfly.CopyFile(name + "-copy", { vm, content: "by SFTP", remotePath: "/copied" });
  const command = { vm, create: ${JSON.stringify(LOOK)}, logging: "none" };
  const look = new mayfly.SshCommand(name + "-look", command, { dependsOn: copy });
  exports.vms[name] = { log: vm.consoleLog, config: vm.sshConfig, port: vm.publishedPorts.apply(([port]) => port?.host) };
  exports.said[name] = look.stdout;
}
`);
  await program.pulumi("up", "--yes", "--skip-preview");
  const outputs = await program.outputs<Outputs>();
  images.adopt(...outputs.made);
  const seen = (greeting: string) => `root\n/root\n${greeting}\nby SFTP${XXH64_OF_COPIED}\n1\nLinux\n1`;
  expect(outputs.said).toEqual({
    plain: seen("good day/two"),
    single: seen("/"),
    glibc: seen("/"),
    systemd: seen("/"),
    built: seen("good day/built"),
    packed: seen("/"),
    restless: "2\nLinux",
  });
  expect(consoleOf(outputs, "restless")).toContain("guest: sshd was restarted");

  await eventually("the entrypoint ends", 60, () => consoleOf(outputs, "plain").includes("exited with status"));
  expect(consoleOf(outputs, "plain")).toContain(
    [
      "given a b|given it's|given $HOME|",
      "as 1234:1235 1235 44 in /work/here of /home/app",
      "with good day, two and /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "knows its network",
      "musl libc (x86_64)",
      "mayfly: entrypoint exited with status 3",
    ].join("\n"),
  );
  expect(consoleOf(outputs, "glibc")).toContain("mayfly: the image has no entrypoint");
  const ssh = (name: string, command: string) =>
    program.run("ssh", "-F", outputs.vms[name]?.config ?? "", name, command).catch(String);
  expect(await ssh("systemd", "ls /run/program/Pulumi.yaml")).toBe("/run/program/Pulumi.yaml");
  const url = `http://127.0.0.1:${String(outputs.vms["single"]?.port)}/`;
  await eventually("the web server answers", 60, async () => (await fetch(url).catch(() => undefined))?.ok === true);
  expect(await (await fetch(url)).text()).toBe("from a single file\n");

  // Who logs in is seen there too: by the syslogd of our own init.
  const reader = new ServerLogReader();
  const lines = (await ssh("single", renderServerLog(false))).split("\n").flatMap((line) => reader.read(line) ?? []);
  expect(lines.map(({ message }) => loginIn(message)?.kind)).toContain("accepted");
  expect(await ssh("plain", "wget -q -O - http://single:8080/")).toBe("from a single file");
  await ssh("plain", "reboot");
  await eventually(
    "it has restarted",
    60,
    () => consoleOf(outputs, "plain").split("exited with status 3").length === 3,
  );
  await eventually("SSH answers again", 60, async () => (await ssh("plain", "echo $GREETING")) === "good day");
  await ssh("plain", "poweroff");
  const [id] = (outputs.vms["plain"]?.log ?? "").split("/").slice(-2);
  await eventually("it is off", 60, async () =>
    (
      await program.run("podman", "ps", "--all", "--filter", `name=mayfly-${id ?? ""}`, "--format", "{{.Status}}")
    ).startsWith("Exited (0)"),
  );

  await program.pulumi("destroy", "--yes", "--skip-preview");
  expect(await program.leftovers()).toEqual([]);
});
