import { readFileSync } from "node:fs";

/** Distributions by how they install packages. */
export type Family = "debian" | "fedora" | "arch" | "suse" | "other";

/** What this host runs. */
export interface Distribution {
  readonly family: Family;
  /** As it calls itself. */
  readonly name: string;
}

const FAMILIES: Readonly<Record<string, Family>> = {
  ...{ debian: "debian", ubuntu: "debian", fedora: "fedora", rhel: "fedora", centos: "fedora" },
  ...{ arch: "arch", suse: "suse", opensuse: "suse" },
};

const INSTALL: Readonly<Record<Family, string>> = {
  debian: "apt-get install",
  fedora: "dnf install",
  arch: "pacman -S",
  suse: "zypper install",
  other: "",
};

/** Reads os-release(5); a distribution that is made from another has its packages. Pure. */
export function readDistribution(text: string): Distribution {
  const field = (name: string) => new RegExp(`^${name}=["']?([^"'\n]*)`, "m").exec(text)?.[1] ?? "";
  const ids = [field("ID"), ...field("ID_LIKE").split(" ")].map((id) => FAMILIES[id.replace(/-.*$/, "")]);
  return {
    family: ids.find((family) => family !== undefined) ?? "other",
    name: field("PRETTY_NAME") || "an unknown system",
  };
}

/** This host's. */
export function thisDistribution(): Distribution {
  try {
    return readDistribution(readFileSync("/etc/os-release", "utf8"));
  } catch {
    return readDistribution("");
  }
}

/** The command that installs packages here; the words that a person needs where we do not know it. */
export function installCommand({ family }: Distribution, packages: readonly string[]): string {
  if (family === "other") return `install, by this system's package manager: ${packages.join(" ")}`;
  return `${asRoot()}${INSTALL[family]} ${packages.join(" ")}`;
}

/** `sudo `, for those who need it. */
export function asRoot(): string {
  return process.getuid?.() === 0 ? "" : "sudo ";
}
