import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const DEFAULT_MIRROR = "http://deb.debian.org/debian";

/**
 * Debian's archive, as this host reaches it: on Debian the mirror that apt uses here, so that a company's proxy or a
 * local mirror serves both; elsewhere, and with `MAYFLY_DEBIAN_MIRROR` unset, Debian's own.
 */
export function debianMirror(environment: NodeJS.ProcessEnv = process.env, etc = "/etc"): string {
  const chosen = environment["MAYFLY_DEBIAN_MIRROR"];
  if (chosen !== undefined) return chosen;
  const release = readIfExists(join(etc, "os-release"));
  if (!/^ID=debian$/m.test(release)) return DEFAULT_MIRROR;
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] ?? "";
  const ofDebian = sources(etc).filter(({ suites, components, signedBy }) => {
    if (!components.includes("main")) return false;
    // Others have archives with a component of that name as well, for a release of Debian, or `stable`.
    if (signedBy === "") return suites.includes(codename);
    return signedBy.includes("debian-archive-") && suites.some((suite) => [codename, ...ROLLING].includes(suite));
  });
  const sure = ofDebian.filter(({ signedBy }) => signedBy !== ""); // what names Debian's key goes before what names none
  const found = [...sure, ...ofDebian].flatMap(({ uris }) => uris).flatMap((uri) => mirrorsOf(uri, etc));
  return found.find((uri) => /^https?:\/\//.test(uri))?.replace(/\/+$/, "") ?? DEFAULT_MIRROR;
}

/** Suites that do not stay with a release. */
const ROLLING = ["stable", "testing", "unstable", "sid"];

/** One archive that apt asks. */
interface Source {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  readonly signedBy: string;
}

/** All of them, in either form: sources.list(5). */
function sources(etc: string): Source[] {
  const parts = join(etc, "apt", "sources.list.d");
  const files = existsSync(parts) ? readdirSync(parts).sort() : [];
  const texts = (ending: string) =>
    files.filter((name) => name.endsWith(ending)).map((name) => readIfExists(join(parts, name)));
  const lines = [readIfExists(join(etc, "apt", "sources.list")), ...texts(".list")].join("\n").split("\n");
  const stanzas = texts(".sources").flatMap((text) => text.split(/\n\s*\n/));
  return [...lines.flatMap(sourceOfLine), ...stanzas.flatMap(sourceOfStanza)];
}

/** `deb [signed-by=/a/key] http://example.org/debian bookworm main contrib`. */
function sourceOfLine(line: string): Source[] {
  const [, options = "", uri = "", suite = "", rest = ""] =
    /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line.trim()) ?? [];
  if (uri === "") return [];
  const signedBy = /\bsigned-by=(\S+)/i.exec(options)?.[1] ?? "";
  return [{ uris: [uri], suites: [suite], components: words(rest), signedBy }];
}

/** Fields, one a line, whose values may go on in lines that begin with a blank: deb822(5). */
function sourceOfStanza(stanza: string): Source[] {
  const text = stanza.replace(/^#.*\n?/gm, "").replace(/\n[ \t]+/g, " ");
  const field = (name: string) => new RegExp(`^${name}:(.*)$`, "im").exec(text)?.[1]?.trim() ?? "";
  if (!words(field("Types")).includes("deb") || /^(?:no|false|off|0)$/i.test(field("Enabled"))) return [];
  const [uris, suites, components] = [words(field("URIs")), words(field("Suites")), words(field("Components"))];
  return [{ uris, suites, components, signedBy: field("Signed-By") }];
}

/** What a source names: itself, or a file with one mirror a line, as Debian's images for clouds have it (apt-transport-mirror(1)). */
function mirrorsOf(uri: string, etc: string): string[] {
  const list = /^mirror\+file:(?:\/\/)?\/etc(\/.*)$/.exec(uri)?.[1];
  return list === undefined
    ? [uri]
    : readIfExists(join(etc, list))
        .split("\n")
        .flatMap((line) => words(line).slice(0, 1));
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function readIfExists(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
