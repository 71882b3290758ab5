import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { debianMirror } from "../../../provider/images/debian-mirror";

const DEBIAN = "ID=debian\nVERSION_CODENAME=bookworm\n";
const KEY = "/usr/share/keyrings/debian-archive-keyring.gpg";
const OWN = "http://deb.debian.org/debian";

let etc = "";
beforeEach(() => {
  etc = mkdtempSync(join(tmpdir(), "mayfly etc "));
});
afterEach(() => {
  rmSync(etc, { recursive: true });
});

/** The mirror of a host with these files below `/etc`. */
function mirror(files: Readonly<Record<string, string>>, environment = {}): string {
  for (const [name, text] of Object.entries({ "os-release": DEBIAN, ...files })) {
    mkdirSync(dirname(join(etc, name)), { recursive: true });
    writeFileSync(join(etc, name), text);
  }
  return debianMirror(environment, etc);
}

const stanza = (fields: Readonly<Record<string, string>>) =>
  Object.entries({ Types: "deb", Suites: "bookworm", Components: "main", ...fields })
    .map(([name, value]) => `${name}: ${value}\n`)
    .join("");

const CHROME = "deb [arch=amd64] https://chrome.example/linux/chrome/deb/ stable main\n";
const DOCKER =
  "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://docker.example/linux/debian bookworm stable\n";
const TAILSCALE =
  "deb [signed-by=/usr/share/keyrings/tailscale.gpg] https://tailscale.example/stable/debian bookworm main\n";

test.each<[string, Readonly<Record<string, string>>, string]>([
  [
    "one line",
    {
      "apt/sources.list": "# deb http://no.example/debian bookworm main\ndeb http://a.example/debian/ bookworm main\n",
    },
    "http://a.example/debian",
  ],
  [
    "a stanza, with its key",
    { "apt/sources.list.d/debian.sources": stanza({ URIs: "https://b.example/mirrors/debian", "Signed-By": KEY }) },
    "https://b.example/mirrors/debian",
  ],
  [
    "values in lines of their own",
    {
      "apt/sources.list.d/debian.sources": stanza({
        URIs: "\n http://c.example/debian",
        Suites: "bookworm\n bookworm-updates",
      }),
    },
    "http://c.example/debian",
  ],
  [
    "a company's archive of another name",
    { "apt/sources.list": "deb http://d.example/artifactory/deb-remote bookworm main\n" },
    "http://d.example/artifactory/deb-remote",
  ],
  [
    "a rolling suite",
    {
      "os-release": "ID=debian\nVERSION_CODENAME=trixie\n",
      "apt/sources.list": `deb [signed-by=${KEY}] http://e.example/debian sid main\n`,
    },
    "http://e.example/debian",
  ],
  ["another's archive of the old kind", { "apt/sources.list.d/chrome.list": CHROME }, OWN],
  [
    "another's archive of the old kind before Debian's",
    {
      "apt/sources.list.d/chrome.list": CHROME,
      "apt/sources.list.d/debian.sources": stanza({ URIs: "http://l.example/debian", "Signed-By": KEY }),
    },
    "http://l.example/debian",
  ],
  ["others' archives", { "apt/sources.list.d/a.list": DOCKER, "apt/sources.list.d/b.list": TAILSCALE }, OWN],
  [
    "others' archives before Debian's",
    {
      "apt/sources.list.d/a.list": DOCKER + TAILSCALE,
      "apt/sources.list.d/debian.sources": stanza({ URIs: "http://f.example/debian" }),
    },
    "http://f.example/debian",
  ],
  [
    "a list of mirrors, as images for clouds have it",
    {
      "apt/sources.list.d/debian.sources": stanza({ URIs: "mirror+file:///etc/apt/mirrors/debian.list" }),
      "apt/mirrors/debian.list": "https://g.example/debian\tpriority:1\n",
      "apt/sources.list.d/docker.list": DOCKER,
    },
    "https://g.example/debian",
  ],
  [
    "one that is switched off",
    { "apt/sources.list.d/debian.sources": stanza({ URIs: "http://h.example/debian", Enabled: "no" }) },
    OWN,
  ],
  [
    "sources alone",
    { "apt/sources.list.d/debian.sources": stanza({ URIs: "http://i.example/debian", Types: "deb-src" }) },
    OWN,
  ],
  [
    "security updates alone",
    { "apt/sources.list": "deb http://j.example/debian-security bookworm-security main\n" },
    OWN,
  ],
  ["a medium", { "apt/sources.list": "deb cdrom:[Debian]/ bookworm main\n" }, OWN],
  ["nothing", {}, OWN],
  [
    "another distribution",
    {
      "os-release": "ID=ubuntu\nVERSION_CODENAME=noble\n",
      "apt/sources.list": "deb http://k.example/debian stable main\n",
    },
    OWN,
  ],
])("the archive on a host with %s", (_, files, expected) => {
  expect(mirror(files)).toBe(expected);
});

test("what the user says goes before", () => {
  const files = { "apt/sources.list": "deb http://a.example/debian bookworm main\n" };
  expect(mirror(files, { MAYFLY_DEBIAN_MIRROR: "http://archive.example/debian" })).toBe(
    "http://archive.example/debian",
  );
});
