import { dirname, join } from "node:path";
import { atLeast, atMost, median, seconds, series, timed, type Figure } from "../figures";
import { HOSTNAME, type Site } from "./site";

const COMMANDS = 100;
const ROUNDS = 3;
/** Both sides of a ratio start as many at a time. */
const UP = ["up", "--yes", "--skip-preview", "--parallel", "64"];

/**
 * A hundred commands on one VM, in one `pulumi up` each way, beyond an `up` with nothing to do; and by OpenSSH's client
 * over one shared connection, one after the other.
 */
export async function measureCommands(site: Site): Promise<Figure[]> {
  const rounds = await series(ROUNDS, async () => {
    const empty = await up(site, "");
    const ours = await up(site, repeat(`new mayfly.SshCommand("c" + i, { vm, create: "echo " + i })`));
    await up(site, "");
    const theirs = await upOrWithout(site, repeat(THEIRS));
    await up(site, "");
    return { empty, ours: ours - empty, theirs: theirs - empty, shared: await multiplexed(site) };
  });
  const middle = (of: (round: (typeof rounds)[number]) => number) => median(rounds.map(of));
  const [ours, theirs, shared] = [middle((one) => one.ours), middle((one) => one.theirs), middle((one) => one.shared)];
  const number = String(COMMANDS);
  return [
    { what: "`pulumi up` with nothing to do", value: seconds(middle(({ empty }) => empty)) },
    { what: `${number} \`SshCommand\`s, beyond that`, value: seconds(ours) },
    ...(Number.isNaN(theirs)
      ? [{ what: `${number} \`remote.Command\`s of \`@pulumi/command\``, value: "its plugin could not be downloaded" }]
      : [
          { what: `${number} \`remote.Command\`s of \`@pulumi/command\`, beyond that`, value: seconds(theirs) },
          atLeast(
            "`SshCommand`, times as fast as `remote.Command`",
            middle((one) => one.theirs / one.ours),
            6,
            "×",
          ),
        ]),
    { what: `${number} by OpenSSH, multiplexed, one after the other`, value: seconds(shared) },
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
const THEIRS = `new (require(${PACKAGE}).remote.Command)("c" + i, { connection: vm.connection, create: "echo " + i })`;

function repeat(statement: string): string {
  return `for (let i = 0; i < ${String(COMMANDS)}; i += 1) ${statement};`;
}

async function up(site: Site, more: string): Promise<number> {
  await site.declare(more);
  return (await timed(() => site.program.pulumi(...UP))).seconds;
}

/** Not a number where the plugin of `@pulumi/command` can't be had. */
async function upOrWithout(site: Site, more: string): Promise<number> {
  await site.declare(more);
  const { seconds: taken, result } = await timed(() => site.program.try(UP));
  if (!result.failed) return taken;
  if (/pulumi-resource-command|resource plugin/.test(result.text)) return NaN;
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
