import { expect, test } from "@jest/globals";
import { self } from "../support/callers";
import { Program } from "../support/program";
import { cluster } from "./core/cluster";

test("three nodes find and reach each other by name and nothing else, with a new switch too; destroy leaves nothing", () =>
  cluster(self));

interface Outputs {
  readonly said: string;
  readonly addresses: readonly string[];
}

const SAID = "db: SSH ping\nprimary: SSH ping\n10.80.0.30: SSH ping\n10.80.0.40: nothing";

/** `hello NAME SECONDS`: how a machine answers there, if it does in that time. */
const HELLO = String.raw`hello() {
  ssh=$(timeout "$2" bash -c 'read -r line <"/dev/tcp/$0/22" && echo "$line"' "$1" 2>/dev/null | sed -n 's/^SSH-.*/ SSH/p')
  ping=$(ping -q -c 1 -w "$2" "$1" >/dev/null 2>&1 && echo " ping")
  [ -n "$ssh$ping" ] || ping=" nothing"
  echo "$1:$ssh$ping"
}
`;

// Long for who should answer, as the guests may have to wait for a busy host; for others long enough on any.
const [PATIENCE, LONG_ENOUGH] = [60, 10];

/** Two VMs in a network, and one in another with the very same addresses. */
const program = (version: string) => `
  const image = new mayfly.Image("debian", { debian: {} });
  const [net, other] = ["net", "other"].map((name) => new mayfly.Network(name));
  const vm = (name, network, more) =>
    new mayfly.VM(name, { image, cpus: 1, network: "isolated", networks: [{ network, ...more }] });
  const web = vm("web", net, { address: "10.80.0.20" });
  const db = new mayfly.VM("db", {
    ...{ image, cpus: 1 },
    networks: [{ network: net, address: "10.80.0.30", aliases: ["primary"] }],
    environment: { VERSION: "${version}" },
  });
  const stranger = vm("stranger", other, { address: "10.80.0.40" });
  const ask = (name, vm, answering, silent) => {
    const names = [...answering, ...silent];
    const patience = (name) => answering.includes(name) ? ${String(PATIENCE)} : ${String(LONG_ENOUGH)};
    const asked = names.map((name) => "hello " + name + " " + patience(name) + " >/run/" + name + " &").join(" ");
    const create = ${JSON.stringify(HELLO)} + asked + " wait; cd /run; cat " + names.join(" ");
    return new mayfly.SshCommand(name, { vm, create, triggers: ["${version}"] }, { dependsOn: [web, db, stranger] });
  };
  exports.said = ask("from-web", web, ["db", "primary", "10.80.0.30"], ["10.80.0.40"]).stdout;
  exports.foreign = ask("from-stranger", stranger, [], ["web", "10.80.0.20", "10.80.0.30"]).stdout;
  exports.addresses = [web, db, stranger].map((one) => one.addresses[0]);
`;

test("who is not in it neither hears nor reaches it; a VM that is replaced has its address and names again", async () => {
  let leftovers: string[];
  {
    await using project = await Program.open("network");
    await project.write(program("1"));
    await project.upAtOnce();
    expect(await project.outputs<Outputs>()).toMatchObject({
      said: SAID,
      foreign: "web: nothing\n10.80.0.20: nothing\n10.80.0.30: nothing",
      addresses: ["10.80.0.20", "10.80.0.30", "10.80.0.40"],
    });

    await project.write(program("2"));
    await project.upAtOnce();
    expect((await project.outputs<Outputs>()).said).toBe(SAID);
    await project.pulumi("destroy", "--yes", "--skip-preview");
    leftovers = await project.leftovers();
  }
  expect(leftovers).toEqual([]);
});
