import { createHash, randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ARCHITECTURES, hostArchitecture } from "../architectures";
import { MayflyError } from "../errors";
import { withLock } from "../host/locks";
import type { Paths } from "../host/paths";
import { findProgram, type Podman } from "../host/podman";
import type { Say } from "../host/progress";
import { toolMissing } from "../host/tool-error";
import type { ArchitectureName } from "../schema/architecture";
import type { ImageSpec } from "../schema/image";
import { inBuildFolder } from "./build-folder";
import { debianMirror } from "./debian-mirror";
import { runEmulated } from "./emulator";
import { findImage } from "./store";
import { runTogether } from "./together";

/** A Debian root filesystem, as asked for. */
export type DebianSpec = NonNullable<ImageSpec["debian"]> & { readonly architecture: ArchitectureName };

/** The same, with what was left out. */
export type AskedDebian = Partial<NonNullable<ImageSpec["debian"]>> & Pick<ImageSpec, "architecture">;

/** Fills in what `debian: {}` means. That one lends its kernel and its SSH server to images that have none. */
export function debianSpec({ architecture = hostArchitecture(), ...asked }: AskedDebian): DebianSpec {
  return { suite: "bookworm", packages: [], ...asked, architecture };
}

/** What a machine needs of Debian, beside what the user wants. */
const BASE_PACKAGES: readonly string[] = [
  "systemd",
  "systemd-sysv",
  "udev",
  "dbus",
  "openssh-server",
  "sudo",
  "rsync",
  "iproute2",
  "iputils-ping",
  "ca-certificates",
];

/** All that goes in. A guest for another processor needs a busybox for it, which is this host's own elsewhere. */
function packagesOf({ packages, architecture }: DebianSpec): string[] {
  const busybox = architecture === hostArchitecture() ? [] : ["busybox-static"];
  return [...new Set([...BASE_PACKAGES, ARCHITECTURES[architecture].kernelPackage, ...busybox, ...packages])];
}

/** Part of the image's name: raise it when the recipe below changes, so that old images are not taken for new ones. */
const RECIPE = 3;

/** Of no use in a machine, and a third of its files. Each is the whole of what is in there. */
const LEFT_OUT: readonly string[] = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*"];

/**
 * Tells dpkg, in this image and whatever is installed in it later, what to leave out. As mmdebstrap's own `--dpkgopt` the
 * same takes a minute for half of one: it then starts a filter in Python for each of the first packages. The image is
 * worth nothing before it is whole, so nothing waits for the disk meanwhile. mmdebstrap's hooks get the root as `$1`.
 */
const SET_UP = `
mkdir -p "$1"/etc/dpkg/dpkg.cfg.d
printf '%s\\n' ${LEFT_OUT.map((pattern) => `'path-exclude=${pattern}'`).join(" ")} >"$1"/etc/dpkg/dpkg.cfg.d/mayfly
echo force-unsafe-io >"$1"/etc/dpkg/dpkg.cfg.d/mayfly-making
`;

/**
 * Files that only cost space, or that would be the same in every machine, and care for machines that live for months: a clone
 * of a template sets its clock, and systemd then works through all timers, which takes a tenth of its start.
 */
const TIDY = `
rm -rf ${LEFT_OUT.map((pattern) => `"$1"${pattern}`).join(" ")} "$1"/etc/dpkg/dpkg.cfg.d/mayfly-making
rm -f "$1"/etc/ssh/ssh_host_*_key "$1"/etc/ssh/ssh_host_*_key.pub "$1"/boot/initrd.img-* "$1"/etc/resolv.conf
rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*.bin
: >"$1"/etc/machine-id
echo localhost >"$1"/etc/hostname
ln -sf /dev/null "$1"/etc/systemd/system/e2scrub_reap.service
for timer in apt-daily apt-daily-upgrade dpkg-db-backup fstrim systemd-tmpfiles-clean; do
  ln -sf /dev/null "$1"/etc/systemd/system/$timer.timer
done
`;

/** The image's name, from all that goes into it: the same inputs give the same name on every host. */
function debianImageName(spec: DebianSpec): string {
  const { suite, architecture } = spec;
  const inputs = JSON.stringify([RECIPE, suite, packagesOf(spec).sort()]);
  const other = architecture === "amd64" ? "" : `-${architecture}`;
  return `localhost/mayfly/debian-${suite}${other}:${createHash("sha256").update(inputs).digest("hex").slice(0, 16)}`;
}

/**
 * Makes the image in podman's store unless it is there. Takes half a minute or more, and some three where its programs are
 * emulated; needs Debian's archive, no registry.
 *
 * @throws {MayflyError} `TOOL_MISSING`, `DISK_FULL`, `IMAGE_NOT_FOUND` where the archive has no such suite, or
 * `TOOL_FAILED` with what apt said.
 */
export async function makeDebianImage(
  paths: Paths,
  podman: Podman,
  spec: DebianSpec,
  signal: AbortSignal,
  say: Say,
): Promise<string> {
  const name = debianImageName(spec);
  await withLock(paths.locks, name, signal, async () => {
    if ((await findImage(podman, name, signal)) !== undefined) return;
    // By a name of its own: the maker of one that was killed may write on.
    const tarball = join(paths.scratch, `${randomBytes(8).toString("hex")}.tar`);
    try {
      await bootstrap(paths, podman, { ...spec, name }, tarball, signal, say).catch((error: unknown) => {
        throw noSuchSuite(error, spec.suite) ?? error;
      });
      const labels = ["mayfly.image=debian", `mayfly.suite=${spec.suite}`].flatMap((label) => [
        "--change",
        `LABEL ${label}`,
      ]);
      const form = ["--arch", spec.architecture, ...labels];
      await podman.run(["import", "--quiet", ...form, tarball, name], { signal });
    } finally {
      await rm(tarball, { force: true });
    }
  });
  return name;
}

/** The error for a suite that the archive does not have, by what apt says of it; `undefined` for any other failure. Pure. */
export function noSuchSuite(error: unknown, suite: string): MayflyError | undefined {
  if (!(error instanceof MayflyError)) return undefined;
  const [missing] = /^.*does not have a Release file.*$/m.exec(error.evidence ?? "") ?? [];
  if (missing === undefined) return undefined;
  return new MayflyError("IMAGE_NOT_FOUND", `there is no Debian suite "${suite}" in the archive`, {
    evidence: missing.replace(/^E: /, ""),
    remedy: "name one that is there: bookworm, trixie, sid; MAYFLY_DEBIAN_MIRROR names another archive, for older ones",
    cause: error,
  });
}

/** mmdebstrap's own messages that tell how far it is. */
const STAGE = /^I: (.*(?:download|extract|install|configur|creat|clean).*?)\.*$/i;

async function bootstrap(
  paths: Paths,
  podman: Podman,
  spec: DebianSpec & { readonly name: string },
  tarball: string,
  signal: AbortSignal,
  say: Say,
): Promise<void> {
  const { architecture } = spec;
  const args = [
    "--variant=apt",
    `--architectures=${architecture}`,
    `--include=${packagesOf(spec).join(",")}`,
    `--setup-hook=${SET_UP}`,
    `--customize-hook=${TIDY}`,
    "--aptopt=APT::Install-Recommends false",
    "--aptopt=Acquire::Check-Valid-Until false",
    "--aptopt=Acquire::Retries 3",
    "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
    spec.suite,
    tarball,
    debianMirror(),
  ];
  const onLine = (line: string) => {
    const stage = STAGE.exec(line)?.[1];
    if (stage !== undefined) say(`Debian ${spec.suite}: ${stage}`);
  };
  if (findProgram("mmdebstrap") === undefined) throw toolMissing("mmdebstrap");
  // In a folder on record, and all at once: mmdebstrap that is killed leaves its root, of some 400 MB, and dpkg at work in it.
  await inBuildFolder(paths, podman, spec.name.replaceAll(/\W/g, "_"), async (TMPDIR) => {
    // INITRD=No (/etc/kernel/postinst.d/initramfs-tools): ours boots the machine, and making another takes ten seconds.
    const environment = { INITRD: "No", TMPDIR };
    const options = { signal, onLine, environment };
    const command = ["mmdebstrap", ...args];
    if (architecture === hostArchitecture()) await runTogether(podman, command, options);
    else await runEmulated(podman, ARCHITECTURES[architecture], command, options);
  });
}
