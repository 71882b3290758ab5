/** @typedef {import("./distribution.mjs").Distribution} Distribution */

/**
 * Something that must be on the host: there when one of its programs or files is.
 *
 * @typedef {object} Need
 * @property {string} name As a person would look for it.
 * @property {readonly string[]} [programs] Any of these in a folder of PATH.
 * @property {readonly string[]} [files] Any of these.
 * @property {boolean} [isStatic] The program must run without the host's libraries.
 * @property {(distribution: Distribution) => readonly string[]} packages What has it, and what that only recommends
 *   but we need: packages are installed without recommendations.
 */

// Where the packages of Debian and Ubuntu differ, by the first release that has the newer form.
/** @param {Distribution} d */
const hasNetavark = ({ family, version }) => family === "debian" || version >= 24.04; // before: CNI plugins
/** @param {Distribution} d */
const usesNftables = ({ family, version }) => version >= (family === "debian" ? 13 : 24.1); // netavark's firewall
/** @param {Distribution} d */
const splitsVirtiofsd = ({ family, version }) => version >= (family === "debian" ? 13 : 24.04); // before: part of qemu

/**
 * QEMU for guests of this host's own processor.
 *
 * @param {string} architecture As Node names it.
 * @returns {Need} What has it.
 */
export function qemuFor(architecture) {
  const [name, packaged] =
    architecture === "arm64" ? ["qemu-system-aarch64", "qemu-system-arm"] : ["qemu-system-x86_64", "qemu-system-x86"];
  return { name, programs: [name], packages: () => [packaged] };
}

/** @type {readonly Need[]} */
export const NEEDS = [
  {
    name: "podman",
    programs: ["podman"],
    packages: (d) => [
      "podman",
      "conmon",
      "catatonit",
      "fuse-overlayfs", // rootless storage on kernels before 5.13
      ...(hasNetavark(d) ? ["netavark", "aardvark-dns"] : ["containernetworking-plugins"]),
      usesNftables(d) ? "nftables" : "iptables",
    ],
  },
  // Not crun by default: it refuses hosts with hybrid cgroups.
  { name: "runc", programs: ["runc", "crun"], packages: () => ["runc"] },
  { name: "slirp4netns", programs: ["slirp4netns"], packages: () => ["slirp4netns"] },
  { name: "newuidmap", programs: ["newuidmap"], packages: () => ["uidmap"] },
  qemuFor(process.arch),
  { name: "qemu-img", programs: ["qemu-img"], packages: () => ["qemu-utils"] },
  {
    name: "virtiofsd",
    programs: ["virtiofsd"],
    files: ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd"],
    packages: (d) => [splitsVirtiofsd(d) ? "virtiofsd" : "qemu-system-common"],
  },
  { name: "mmdebstrap", programs: ["mmdebstrap"], packages: () => ["mmdebstrap"] },
  { name: "mkfs.erofs", programs: ["mkfs.erofs"], packages: () => ["erofs-utils"] },
  { name: "a static busybox", programs: ["busybox"], isStatic: true, packages: () => ["busybox-static"] },
  { name: "ip", programs: ["ip"], packages: () => ["iproute2"] }, // busybox's rules know no ports
  { name: "xz", programs: ["xz"], packages: () => ["xz-utils"] },
  { name: "rsync", programs: ["rsync"], packages: () => ["rsync"] },
  { name: "ssh", programs: ["ssh"], packages: () => ["openssh-client"] },
  {
    name: "Debian's archive keys",
    files: ["/usr/share/keyrings/debian-archive-keyring.gpg"],
    packages: () => ["debian-archive-keyring"],
  },
];

/** What Pulumi's installer needs. @type {readonly Need[]} */
export const DOWNLOAD_NEEDS = [{ name: "curl", programs: ["curl"], packages: () => ["curl", "ca-certificates"] }];

/** What only the tests need. @type {readonly Need[]} */
export const TEST_NEEDS = [
  { name: "sshd", programs: ["sshd"], packages: () => ["openssh-server"] },
  {
    name: "UEFI firmware",
    files: ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd"],
    packages: () => ["ovmf"],
  },
  { name: "musl", files: ["/lib/ld-musl-x86_64.so.1"], packages: () => ["musl"] },
  { name: "iptables", programs: ["iptables"], packages: () => ["iptables"] }, // lent to a guest; podman may have nftables
  // Clients that work by the files of SshConfig, or through a forward.
  { name: "git", programs: ["git"], packages: () => ["git"] },
  { name: "sshfs", programs: ["sshfs"], packages: () => ["sshfs", "fuse3"] },
  // Shells whose completion is tried in them.
  { name: "zsh", programs: ["zsh"], packages: () => ["zsh"] },
  { name: "fish", programs: ["fish"], packages: () => ["fish"] },
  ...DOWNLOAD_NEEDS, // curl
];

/** What guests for another processor need beside, to be made and to run. @type {readonly Need[]} */
export const FOREIGN_NEEDS = [
  { name: "qemu-system-aarch64", programs: ["qemu-system-aarch64"], packages: () => ["qemu-system-arm"] },
  {
    name: "an emulator for programs of arm64",
    programs: ["qemu-aarch64-static", "qemu-aarch64"], // the second is static from Debian 13 on
    isStatic: true,
    packages: () => ["qemu-user-static"],
  },
  { name: "arch-test", programs: ["arch-test"], packages: () => ["arch-test"] },
];

/**
 * The needs that a host does not meet.
 *
 * @param {readonly Need[]} needs What is needed.
 * @param {{ program: (name: string) => string | undefined, exists: (file: string) => boolean,
 *   isStatic: (file: string) => boolean }} host How to look at it.
 */
export function unmetNeeds(needs, host) {
  return needs.filter((need) => {
    if (need.files?.some(host.exists)) return false;
    const found = (need.programs ?? []).map(host.program).filter((file) => file !== undefined);
    return !found.some((file) => need.isStatic !== true || host.isStatic(file));
  });
}

/**
 * The packages to install for some needs, each once.
 *
 * @param {Distribution} distribution What the host runs.
 * @param {readonly Need[]} needs What is missing.
 */
export function packagesFor(distribution, needs) {
  return [...new Set(needs.flatMap((need) => need.packages(distribution)))];
}
