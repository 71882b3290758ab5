import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { ContainerImages } from "../support/container-images";
import { Program } from "../support/program";

// An image whose own rules are at odds with what Mayfly does in it: its network asks by DHCP, its SSH server names its
// address, its systemd mounts a /tmp and takes each boot for the first.

const HABITS = [
  "printf '[Match]\\nName=e*\\n[Network]\\nDHCP=yes\\n' >/etc/systemd/network/20-dhcp.network",
  "systemctl enable systemd-networkd.service systemd-networkd-wait-online.service",
  "printf 'ListenAddress 0.0.0.0\\n' >/etc/ssh/sshd_config.d/50-address.conf",
  "cp /usr/share/systemd/tmp.mount /etc/systemd/system/",
  "systemctl enable tmp.mount",
  "echo uninitialized >/etc/machine-id",
  "printf IMAGE=its >/etc/environment",
];

let program: Program;
let images: ContainerImages;

beforeAll(async () => {
  program = await Program.open("habits");
  images = new ContainerImages(program);
});
afterAll(async () => {
  await using _ = program;
  await images[Symbol.asyncDispose]();
});

interface Outputs {
  readonly said: string;
  readonly made: string;
  readonly config: string;
}

// Once networkd has done with the clone's card what it does after a change of its hardware address.
const LOOK = `/usr/lib/systemd/systemd-networkd-wait-online --interface=eth0 --timeout=60
ip -4 -o addr show | awk '{ print $2, $4 }'
systemctl is-system-running
systemctl is-active ssh.service ssh.socket | grep -v inactive
ls /run/site /tmp/site
echo $IMAGE $OURS`;

test("a clone of its template keeps its address, its SSH server, its mounts and its variables", async () => {
  const site = join(program.folder, "site");
  mkdirSync(join(site, "content"), { recursive: true });
  const fields = {
    ...{ cpus: 1, memory: "512MiB", warmBoot: "required", network: "isolated", environment: { OURS: "ours" } },
    mounts: ["/run/site", "/tmp/site"].map((target) => ({ source: site, target })),
  };
  await program.write(`
const debian = new mayfly.Image("debian", { debian: {} }).imageName;
const text = debian.apply((name) => "FROM " + name + "\\nRUN " + ${JSON.stringify(HABITS.join(" && "))} + "\\n");
const image = new mayfly.Image("habits", { containerfile: { text } });
exports.made = image.imageName;
const network = new mayfly.Network("net");
const networks = [{ network, address: "10.80.0.30" }];
const vm = new mayfly.VM("habits", { image, networks, ...${JSON.stringify(fields)} });
exports.said = new mayfly.SshCommand("look", { vm, create: ${JSON.stringify(LOOK)} }).stdout;
exports.config = vm.sshConfig;
`);
  await program.upAtOnce();
  const { said, made, config } = await program.outputs<Outputs>();
  images.adopt(made);
  const addresses = "lo 127.0.0.1/8\neth0 10.53.0.15/24\neth1 10.80.0.30/24";
  expect(said).toBe(`${addresses}\nrunning\nactive\n/run/site:\ncontent\n\n/tmp/site:\ncontent\nits ours`);
  expect(await program.run("ssh", "-F", config, "habits", "uname")).toBe("Linux"); // a new connection, too

  await program.pulumi("destroy", "--yes", "--skip-preview");
  expect(await program.leftovers()).toEqual([]);
});
