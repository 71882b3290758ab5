import { expect, test } from "@jest/globals";

const distribution = import("../../../scripts/setup/distribution.mjs");

const lines = (...fields: string[]) => `${fields.join("\n")}\n`;
const BOOKWORM = lines(
  'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"',
  'NAME="Debian GNU/Linux"',
  'VERSION_ID="12"',
  "VERSION_CODENAME=bookworm",
  "ID=debian",
);
const SID = lines('PRETTY_NAME="Debian GNU/Linux forky/sid"', "VERSION_CODENAME=forky", "ID=debian");
const JAMMY = lines(
  'PRETTY_NAME="Ubuntu 22.04.5 LTS"',
  'VERSION_ID="22.04"',
  "ID=ubuntu",
  "ID_LIKE=debian",
  "UBUNTU_CODENAME=jammy",
);
const MINT = lines(
  'PRETTY_NAME="Linux Mint 22"',
  'VERSION_ID="22"',
  "ID=linuxmint",
  'ID_LIKE="ubuntu debian"',
  "UBUNTU_CODENAME=noble",
);
const LMDE = lines(
  'PRETTY_NAME="LMDE 6"',
  'VERSION_ID="6"',
  "ID=linuxmint",
  "ID_LIKE=debian",
  "DEBIAN_CODENAME=bookworm",
);
const FOCAL = lines('PRETTY_NAME="Ubuntu 20.04.6 LTS"', 'VERSION_ID="20.04"', "ID=ubuntu", "ID_LIKE=debian");
const FEDORA = lines('PRETTY_NAME="Fedora Linux 43"', "VERSION_ID=43", "ID=fedora");

test.each([
  [BOOKWORM, { family: "debian", version: 12, name: "Debian GNU/Linux 12 (bookworm)" }, true],
  [SID, { family: "debian", version: Number.POSITIVE_INFINITY, name: "Debian GNU/Linux forky/sid" }, true],
  [JAMMY, { family: "ubuntu", version: 22.04, name: "Ubuntu 22.04.5 LTS" }, false],
  [MINT, { family: "ubuntu", version: 24.04, name: "Linux Mint 22" }, true],
  [LMDE, { family: "debian", version: 12, name: "LMDE 6" }, true],
  [FOCAL, { family: "ubuntu", version: 20.04, name: "Ubuntu 20.04.6 LTS" }, false],
  [FEDORA, { family: "other", version: 43, name: "Fedora Linux 43" }, false],
  ["", { family: "other", version: Number.POSITIVE_INFINITY, name: "an unknown system" }, false],
])("os-release %#", async (text, found, supported) => {
  const { isSupported, readDistribution } = await distribution;
  expect(readDistribution(text)).toEqual(found);
  expect(isSupported(readDistribution(text))).toBe(supported);
});
