import { dirname, join } from "node:path";
import { atLeast, atMost, median, seconds, series, timed, type Figure } from "../figures";
import { HOSTNAME, type Site } from "./site";

const COMMANDS = 100;
const ROUNDS = 3;
/** Both sides of a ratio start as many at a time. */
const UP = ["up", "--yes", "--skip-preview", "--parallel", "64"];
/** As many as Pulumi has by itself: the guest's own sshd refuses some of 64 that come at once (MaxStartups). */
const UP_BY_DEFAULT = UP.slice(0, -2);

/**
 * What one round has measured, in seconds; all but `empty` and `shared` beyond what an `up` with nothing to do takes: for
 * `remote.Command` one that has one of these already, so that the start of its plugin does not count, as that of ours does not.
 */
interface Round {
  /** An `up` with nothing to do. */
  readonly empty: number;
  readonly ours: number;
  /** `remote.Command`, through the door that each VM of ours has, which is quick for it too. */
  readonly theirs: number;
  /** Both with what Pulumi does at a time by itself, and `remote.Command` through the guest's own SSH server. */
  readonly oursByDefault: number;
  readonly theirsToGuest: number;
  /** OpenSSH's client over one shared connection, one after the other. */
  readonly shared: number;
}

/**
 * Debian's own sshd, as it is configured there, at a port that is published, and with the key that the VM's door takes. In a
 * clone of a template it is started by a socket, which knows only port 22.
 */
const OPEN_GUESTS_SERVER = `mkdir -p -m 700 ~/.ssh && cp /etc/mayfly/access/keys/root ~/.ssh/authorized_keys &&
echo "Port 2022" >/etc/ssh/sshd_config.d/bench.conf &&
systemctl disable --now ssh.socket && systemctl restart ssh`;

/** A hundred commands on one VM, in one `pulumi up` each way. */
export async function measureCommands(site: Site): Promise<Figure[]> {
  await site.guest(OPEN_GUESTS_SERVER);
  return figuresOf(await series(ROUNDS, async () => measureOnce(site)));
}

async function measureOnce(site: Site): Promise<Round> {
  const empty = await upOrWithout(site, "");
  const beyond = async (base: string, more: string, command?: readonly string[]) => {
    if (base !== "") await upOrWithout(site, base); // makes it
    const first = base === "" ? empty : await upOrWithout(site, base);
    const taken = await upOrWithout(site, base + more, command);
    await up(site, "");
    return taken - first;
  };
  return {
    empty,
    ours: await beyond("", OURS),
    theirs: await beyond(ONE_OF_THEIRS, THEIRS),
    oursByDefault: await beyond("", OURS, UP_BY_DEFAULT),
    theirsToGuest: await beyond(ONE_OF_THEIRS, THEIRS_TO_GUEST, UP_BY_DEFAULT),
    shared: await multiplexed(site),
  };
}

function figuresOf(rounds: readonly Round[]): Figure[] {
  const middle = (of: (round: Round) => number) => median(rounds.map(of));
  const number = String(COMMANDS);
  const theirs = `${number} \`remote.Command\`s of \`@pulumi/command\``;
  const ratio = middle((one) => one.theirs / one.ours);
  return [
    { what: "`pulumi up` with nothing to do", value: seconds(middle(({ empty }) => empty)) },
    { what: `${number} \`SshCommand\`s, beyond that`, value: seconds(middle(({ ours }) => ours)) },
    ...(Number.isNaN(ratio)
      ? [{ what: theirs, value: "its plugin could not be downloaded" }]
      : [
          { what: `${theirs}, beyond that`, value: seconds(middle((one) => one.theirs)) },
          atLeast("`SshCommand`, times as fast as that", ratio, 6, "×"),
          {
            what: "the same through the guest's own SSH server, as on a VM that is not ours",
            value: seconds(middle((one) => one.theirsToGuest)),
          },
          atLeast(
            "`SshCommand`, as many at a time, times as fast as that",
            middle((one) => one.theirsToGuest / one.oursByDefault),
            6,
            "×",
          ),
        ]),
    { what: `${number} by OpenSSH, multiplexed, one after the other`, value: seconds(middle(({ shared }) => shared)) },
    atMost(
      "`SshCommand`s, in times of OpenSSH multiplexed",
      middle((one) => one.ours / one.shared),
      1,
      "×",
    ),
  ];
}

/** By its path: among the program's own packages it would make every `up` look for its plugin. */
const PACKAGE = JSON.stringify(dirname(require.resolve("@pulumi/command/package.json")));
const OURS = repeat(`new mayfly.SshCommand("c" + i, { vm, create: "echo " + i })`);
const THEIRS = repeat(theirs("vm.connection"));
const ONE_OF_THEIRS = `{ const i = "first"; ${theirs("vm.connection")}; }\n`;
/**
 * The way in that any Debian has; its host key is another one, which `remote.Command` does not look at. Some logins at once
 * may take an emulated guest longer than the 15 s that it would wait.
 */
const THEIRS_TO_GUEST = `
const own = pulumi.all([vm.connection, vm.publishedPorts]).apply(([{ host, user, privateKey }, [port]]) => {
  return { host, user, privateKey, port: port.host, perDialTimeout: 60 };
});
${repeat(theirs("own"))}
`;

function theirs(connection: string): string {
  return `new (require(${PACKAGE}).remote.Command)("c" + i, { connection: ${connection}, create: "echo " + i })`;
}

function repeat(statement: string): string {
  return `for (let i = 0; i < ${String(COMMANDS)}; i += 1) ${statement};`;
}

async function up(site: Site, more: string): Promise<void> {
  await site.declare(more);
  await site.program.pulumi(...UP);
}

/** How long it takes; not a number where the plugin of `@pulumi/command` can't be had. */
async function upOrWithout(site: Site, more: string, command: readonly string[] = UP): Promise<number> {
  await site.declare(more);
  const { seconds: taken, result } = await timed(() => site.program.try(command));
  if (!result.failed) return taken;
  if (/(?:no|install) resource plugin 'pulumi-resource-command'/.test(result.text)) return NaN;
  throw new Error(result.text);
}

/** With the login that the shared connection begins with, as an `up` logs in too. */
async function multiplexed(site: Site): Promise<number> {
  const socket = join(site.program.home, "mux");
  const shared = ["-o", "ControlMaster=auto", "-o", `ControlPath="${socket}"`, "-o", "ControlPersist=30"];
  const { seconds: taken } = await timed(async () => {
    for (let index = 0; index < COMMANDS; index += 1) await site.guest(`echo ${String(index)}`, ...shared);
  });
  await site.host("ssh", "-F", site.config, ...shared, "-O", "exit", HOSTNAME);
  return taken;
}
