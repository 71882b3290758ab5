import { ARCHITECTURES, hostArchitecture } from "../../provider/architectures";
import type { Command } from "commander";
import { print, printJson } from "../output";
import { openSession } from "../rooms";
import { verbWithJson } from "../verb";
import { packageVersion } from "../version";

/** `mayfly version`: ours, and those of what we stand on. */
export function version(): Command {
  return verbWithJson("version", "Print versions: of Mayfly, Node, podman, QEMU and OpenSSH.", [
    "mayfly version",
  ]).action(show);
}

const PROGRAMS: Readonly<Record<string, readonly [file: string, flag: string]>> = {
  podman: ["podman", "--version"],
  qemu: [ARCHITECTURES[hostArchitecture()].qemu, "--version"],
  openssh: ["ssh", "-V"],
};

async function show({ json }: { readonly json?: true }): Promise<void> {
  using session = await openSession("version");
  const { run } = await import("../../provider/host/run.js");
  const asked = Object.entries(PROGRAMS).map(async ([name, [file, flag]]): Promise<[string, string]> => {
    let said = "";
    const onLine = (line: string) => (said += `${line}\n`);
    const out = await run(file, [flag], { signal: session.signal, onLine }).catch(() => "missing");
    const [found] = /\d+(?:\.\d+)+\S*/.exec(`${said}${out}`) ?? [];
    return [name, found?.replace(/,$/, "") ?? "missing"];
  });
  const versions = {
    mayfly: packageVersion(),
    node: process.versions.node,
    ...Object.fromEntries(await Promise.all(asked)),
  };
  if (json === true) printJson(versions);
  else for (const [name, value] of Object.entries(versions)) print(`${name} ${value}`);
}
