import { expect, test } from "@jest/globals";
import { scrub, scrubber } from "../../../provider/engine/scrub";

const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4F
AAAAB3NzaC1yc2EAAAADAQABAAABgQC7
-----END PRIVATE KEY-----
`;

test.each<[string, string, unknown, string]>([
  ["by the field's name, at any depth", "no hunter2!", { connection: { password: "hunter2" } }, "no [secret]!"],
  ["in arrays", "no hunter2!", [{ passphrase: "hunter2" }], "no [secret]!"],
  ["every time", "hunter2 hunter2", { password: "hunter2" }, "[secret] [secret]"],
  ["a key as a whole", `it is ${KEY}.`, { privateKey: KEY }, "it is [secret]."],
  ["a key as JSON", JSON.stringify({ KEY }), { privateKey: KEY }, '{"KEY":"[secret]"}'],
  [
    "one line of a key",
    "near MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4F",
    { privateKey: KEY },
    "near [secret]",
  ],
  ["not what every key has", "-----BEGIN PRIVATE KEY-----", { privateKey: KEY }, "-----BEGIN PRIVATE KEY-----"],
  [
    "long values of the environment",
    "T=0123456789 M=ci",
    { environment: { T: "0123456789", M: "ci" } },
    "T=[secret] M=ci",
  ],
  ["standard input", "got top secret", { stdin: "top secret" }, "got [secret]"],
  ["not a password that is a letter", "a banana", { password: "a" }, "a banana"],
  ["a command with secret output", "$ login 0123", { create: "login 0123", secretOutput: true }, "$ [secret]"],
  ["not any other command", "$ login 0123", { create: "login 0123", secretOutput: false }, "$ login 0123"],
  ["not other fields", "the hostname", { host: "hostname" }, "the hostname"],
  ["the longest of two", "no hunter22", [{ password: "hunter2" }, { password: "hunter22" }], "no [secret]"],
])("%s", (_what, text, holder, scrubbed) => {
  expect(scrub(text, holder)).toBe(scrubbed);
});

test("what is secret is looked up once for all lines of a call", () => {
  let looks = 0;
  const holder = {
    get stdin() {
      looks += 1;
      return Array.from({ length: 1_000 }, (_, index) => `the secret of line ${String(index)}`).join("\n");
    },
  };
  const clean = scrubber(holder);
  for (const index of [1, 2, 998]) expect(clean(`told the secret of line ${String(index)}!`)).toBe("told [secret]!");
  expect(looks).toBe(1);
});
