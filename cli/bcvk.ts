import { Option, type Command } from "commander";
import { UsageError } from "./trouble";

/** A word of bcvk, and what stands for it here. */
interface Translation {
  readonly theirs: string;
  /** Empty where there is nothing that stands for it. */
  readonly ours: string;
  /** What is different, or why it is not there. Empty where it is the same. */
  readonly note: string;
}

/** Options of `bcvk ephemeral run` that are refused, and why. */
const REFUSED: readonly (readonly [flags: string, reason: string])[] = [
  [
    "--debug",
    "there is no shell to drop to in a VM's container; -v shows how it is started, `mayfly console` what it says",
  ],
  [
    "--debug-entrypoint <command>",
    "a VM's container runs nothing but qemu; --karg changes what the guest's kernel is told",
  ],
  [
    "--virtio-serial-out <name:file>",
    "no such port; --log-dir writes console and journal, --bind gives the guest a folder",
  ],
  ["--virtiofsd <path>", "the first virtiofsd of this host's /usr, such as /usr/local/bin, is used"],
];

/** The same, of those that mean something else to `mayfly ssh`. */
const REFUSED_BY_RUN: readonly (readonly [flags: string, reason: string])[] = [
  ["-t, --tty", "a VM has no terminal of a container; `mayfly ssh NAME` has one, and --console is the serial line"],
  ["-i, --interactive", "a VM has no standard input; `mayfly ssh NAME` has one, and --console is the serial line"],
];

/** Has a verb say why it does not take these options, instead of calling them unknown. */
export function refuseForeign(command: Command, verb: "run" | "ssh"): Command {
  for (const [flags, reason] of verb === "run" ? [...REFUSED, ...REFUSED_BY_RUN] : REFUSED) {
    const option = new Option(flags).hideHelp();
    command.addOption(option).on(`option:${option.name()}`, () => {
      throw new UsageError(`${flags.replace(/ <.*$/, "")} of bcvk is not here: ${reason}`);
    });
  }
  return command;
}

/** Has a verb take options whose meaning it has anyway, or by another name. */
export function acceptForeign(command: Command, verb: "run" | "ssh"): Command {
  const isolate = new Option("--network-isolation").hideHelp();
  command.addOption(isolate).on(`option:${isolate.name()}`, () => {
    const network = (command.getOptionValue("network") ?? []) as readonly string[];
    command.setOptionValueWithSource("network", [...network, "isolated"], "cli");
  });
  // Of a session's VM both are always so; `run` has them for itself.
  if (verb === "ssh") for (const flag of ["--ssh-keygen", "--rm"]) command.addOption(new Option(flag).hideHelp());
  return command;
}

/** How users of bcvk's ephemeral VMs say the same to `mayfly`; for the manual. @public */
export const FROM_BCVK: readonly Translation[] = [
  { theirs: "bcvk ephemeral run", ours: "mayfly run", note: "" },
  {
    theirs: "bcvk ephemeral run -d --rm",
    ours: "mayfly run -d",
    note: "what has ended by itself `mayfly prune` removes",
  },
  { theirs: "bcvk ephemeral run-ssh", ours: "mayfly ssh", note: "" },
  { theirs: "bcvk ephemeral ssh", ours: "mayfly ssh", note: "" },
  {
    theirs: "bcvk ephemeral ssh NAME -L/-R",
    ours: "mayfly ssh NAME -L/-R",
    note: "or `mayfly forward`, which survives a broken connection",
  },
  { theirs: "bcvk ephemeral scp NAME FILE DOMAIN:/PATH", ours: "mayfly cp FILE NAME:/PATH", note: "also from a VM" },
  { theirs: "bcvk ephemeral ps", ours: "mayfly ls", note: "" },
  { theirs: "bcvk ephemeral rm-all", ours: "mayfly rm --all", note: "" },
  {
    theirs: "podman stop",
    ours: "mayfly stop",
    note: "the VM stays, `mayfly start` boots it again; `mayfly rm` removes it",
  },
  { theirs: "podman rm -f NAME", ours: "mayfly rm NAME", note: "" },
  { theirs: "podman logs -f NAME", ours: "mayfly logs -f NAME", note: "" },
  { theirs: "podman exec ID tail -f /run/journal.log", ours: "mayfly logs -f --journal NAME", note: "" },
  { theirs: "bcvk images list", ours: "mayfly image ls", note: "" },
  {
    theirs: "bcvk to-disk",
    ours: "",
    note: "no installation to disks; `bootc install to-disk` runs in a VM, with --mount-disk-file",
  },
  {
    theirs: "bcvk libvirt …",
    ours: "",
    note: "no libvirt: what `run -d --disk` makes, stop and start keep",
  },
  { theirs: "--itype", ours: "same", note: "" },
  { theirs: "--memory", ours: "same", note: "by default 1GiB, not 4G" },
  { theirs: "--vcpus", ours: "same", note: "by default 2, not all of this host's; also --cpus" },
  { theirs: "--console", ours: "same", note: "keys go to it, too; Ctrl-] ends the VM" },
  { theirs: "--execute", ours: "same", note: "once; over SSH; the VM stays, unless --rm" },
  { theirs: "-K, --ssh-keygen", ours: "same", note: "always so: each VM has keys of its own" },
  { theirs: "--output", ours: "same", note: "" },
  { theirs: "--log-dir", ours: "same", note: "" },
  { theirs: "-d, --detach", ours: "same", note: "" },
  { theirs: "--rm", ours: "same", note: "for --execute; without -d and --execute always so" },
  { theirs: "--name", ours: "same", note: "also the guest's host name" },
  {
    theirs: "--network",
    ours: "same",
    note: "the guest's own way out, user or isolated, or a private network; ports by --port",
  },
  {
    theirs: "--network-isolation",
    ours: "--network isolated",
    note: "also by their name; ports and SSH still reach it, `--allow HOST:PORT` lets it out to more",
  },
  { theirs: "--label", ours: "same", note: "" },
  { theirs: "-e, --env", ours: "same", note: "in the guest's sessions, not in its container" },
  {
    theirs: "--bind, --ro-bind",
    ours: "same",
    note: "`HOST:/PATH` instead of `HOST:NAME`: where it appears is yours to say",
  },
  { theirs: "--systemd-units", ours: "same", note: "units with an [Install] section are started; no *.wants folders" },
  {
    theirs: "--bind-storage-ro",
    ours: "same",
    note: "at /mnt/hoststorage: `podman --storage-opt additionalimagestore=/mnt/hoststorage`",
  },
  { theirs: "--add-swap", ours: "same", note: "" },
  { theirs: "--mount-disk-file", ours: "same", note: "the file must be there: `truncate -s 10G FILE` makes one" },
  { theirs: "--karg", ours: "same", note: "" },
  { theirs: "--karg systemd.volatile=overlay", ours: "", note: "not needed: the root is writable" },
  { theirs: "--ignition", ours: "same", note: "the image has to have Ignition; it runs before the init starts" },
  ...[...REFUSED, ...REFUSED_BY_RUN].map(([flags, note]) => ({ theirs: flags.replace(/ <.*$/, ""), ours: "", note })),
];
