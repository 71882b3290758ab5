import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

const PLACE = "/opt/iptables"; // in the guest

/**
 * A tar of the host's iptables, which is among the packages for the tests, for a guest whose image has no firewall: with its own
 * loader and libraries, so that it runs in any image.
 */
export function iptablesTar(): Buffer {
  const root = mkdtempSync(join(tmpdir(), "mayfly iptables "));
  try {
    const folder = join(root, PLACE);
    mkdirSync(join(folder, "xtables"), { recursive: true });
    mkdirSync(join(root, "usr/sbin"), { recursive: true });
    const program = realpathSync("/usr/sbin/iptables");
    const paths = execFileSync("ldd", [program], { encoding: "utf8" }).match(/\/\S+/g) ?? [];
    const libraries = paths.map((path) => realpathSync(path));
    for (const [index, library] of libraries.entries())
      copyFileSync(library, join(folder, basename(paths[index] ?? "")));
    copyFileSync(program, join(folder, basename(program)));
    const plugins = join(dirname(libraries.find((path) => basename(path).startsWith("libxtables")) ?? ""), "xtables");
    for (const name of readdirSync(plugins).filter((plugin) =>
      /^lib(?:xt_(?:standard|tcp)|ipt_REJECT)\.so$/.test(plugin),
    ))
      copyFileSync(join(plugins, name), join(folder, "xtables", name));
    const loader = paths.find((path) => basename(path).startsWith("ld-")) ?? "";
    const script = `#!/bin/sh
export XTABLES_LIBDIR=${PLACE}/xtables
exec ${PLACE}/${basename(loader)} --library-path ${PLACE} ${PLACE}/${basename(program)} iptables "$@"
`;
    writeFileSync(join(root, "usr/sbin/iptables"), script);
    chmodSync(join(root, "usr/sbin/iptables"), 0o755);
    return execFileSync(
      "tar",
      ["--create", "--owner=0", "--group=0", "--directory", root, "opt", "usr/sbin/iptables"],
      {
        maxBuffer: 64 * 1_048_576,
      },
    );
  } finally {
    rmSync(root, { recursive: true });
  }
}
