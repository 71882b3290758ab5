import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Puts a podman, and the program that it has its networks from, into a folder for PATH. It says of itself what one with
 * root's rights does.
 *
 * @param rest Shell commands for whatever it is asked but that.
 * @param cgroupControllers What its containers can be limited by.
 */
export function fakePodman(folder: string, rest: string, cgroupControllers: readonly string[] = []): void {
  const info = {
    host: { security: { rootless: false }, cgroupControllers, idMappings: {}, ociRuntime: { name: "runc" } },
    store: { graphRoot: "/none", graphDriverName: "overlay" },
    version: { Version: "4.3.1" },
  };
  const text = `#!/bin/sh\ncase "$1" in\ninfo) echo '${JSON.stringify(info)}' ;;\n*) ${rest} ;;\nesac\n`;
  for (const name of ["podman", "slirp4netns"]) {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), 0o755);
  }
}
