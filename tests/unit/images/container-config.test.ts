import { execFileSync } from "node:child_process";
import { expect, test } from "@jest/globals";
import { containerFiles, containerOf } from "../../../provider/images/container-config";

const fileOf = (name: string, config: Parameters<typeof containerOf>[0]) =>
  containerFiles(containerOf(config)).get(name) ?? "";

/** What a shell that has read the file makes of it, one word a line. */
const words = (config: Parameters<typeof containerOf>[0], text: string) =>
  execFileSync("sh", ["-euc", `${fileOf("entrypoint", config)}\n${text}`], { encoding: "utf8" })
    .split("\n")
    .slice(0, -1);

test("the shell gets program, arguments and variables word by word, whatever is in them", () => {
  const config = {
    Entrypoint: ["/bin/a b"],
    Cmd: ["it's", "$HOME", "", '`id` \\ "', "--"],
    Env: ["PATH=/opt/bin:/bin", "QUOTE='", "A.B=c=d"],
    User: "app:video",
    WorkingDir: "/srv/my site",
    StopSignal: "SIGQUIT",
  };
  expect(words(config, String.raw`with_command printf '%s\n'; with_environment printf '%s\n'`)).toEqual([
    ...["/bin/a b", "it's", "$HOME", "", '`id` \\ "', "--"],
    ...["PATH=/opt/bin:/bin", "QUOTE='", "A.B=c=d"],
  ]);
  expect(words(config, String.raw`printf '%s\n' "$program" "$path" "$user" "$directory" "$stop_signal"`)).toEqual([
    ...["/bin/a b", "/opt/bin:/bin", "app:video", "/srv/my site", "QUIT"],
  ]);
});

test("what an image does not say is as containers have it", () => {
  expect(containerOf(null)).toEqual({
    ...{ command: [], environment: [], user: "", directory: "/", stopSignal: "SIGTERM" },
  });
  expect(words(undefined, 'echo "$program|$path|$stop_signal"')).toEqual([
    "|/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin|TERM",
  ]);
});

test("sessions get the image's variables, but for those that /etc/environment cannot hold, and busybox last in PATH", () => {
  const Env = ["LANG=C.UTF-8", "PATH=/opt/bin:/bin", "TWO=a\nb", "HASH=a#b", "A.B=c", "EMPTY="];
  expect(fileOf("environment", { Env })).toBe('LANG="C.UTF-8"\nEMPTY=""\nPATH="/opt/bin:/bin:/usr/lib/mayfly/bin"\n');
});
