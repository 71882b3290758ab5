import { Podman } from "../../provider/host/podman";
import { MayflyError } from "../../provider/errors";
import { readFileSync } from "node:fs";
import type { Check, Finding } from "./check";
import { asRoot } from "./distribution";

/** Whether podman starts containers for this user, and how it can be used. */
export const containers: Check = async ({ session }) => {
  const name = "podman containers";
  try {
    const { rootless, limits, network, containersConf, reason } = await new Podman(session.paths).proveAnew(
      session.signal,
    );
    const settings =
      containersConf === undefined ? "" : `, with settings of ours (${(reason ?? "").split("\n").at(-1) ?? ""})`;
    const how = `start ${rootless ? "without" : "with"} root's rights, network by ${network.split(":")[0] ?? network}${settings}`;
    return [{ name, state: "ok", found: how }, limitsOf(limits)];
  } catch (error) {
    if (!(error instanceof MayflyError)) throw error;
    const found = error.evidence ?? error.message.split("\n")[0] ?? "";
    return [{ name, state: "fail", found, fix: error.remedy }];
  }
};

function limitsOf(isLimited: boolean): Finding {
  const name = "resource limits";
  if (isLimited)
    return {
      name,
      state: "ok",
      found: "memory and number of processes of each VM's container; of CPU a VM has its own number",
    };
  const text = "[Service]\\nDelegate=cpu cpuset io memory pids\\n";
  return {
    ...{ name, state: "warn", found: "this user's containers have none: a VM is held only by its own size" },
    fix: `${asRoot()}mkdir -p /etc/systemd/system/user@.service.d && printf '${text}' | ${asRoot()}tee /etc/systemd/system/user@.service.d/delegate.conf && ${asRoot()}systemctl daemon-reload   (then log in anew; needs cgroup v2)`,
  };
}

/** User namespaces, without which an ordinary user has no containers. */
export const namespaces: Check = () => {
  const name = "user namespaces";
  if (process.getuid?.() === 0) return Promise.resolve([{ name, state: "ok", found: "not needed by root" }]);
  const blocks = BLOCKS.filter(({ file, isBad }) => isBad(readSetting(file)));
  if (blocks.length === 0) return Promise.resolve([{ name, state: "ok", found: "allowed" }]);
  return Promise.resolve(
    blocks.map(({ file, fix }): Finding => ({
      ...{ name, state: "fail", found: `${file} is ${readSetting(file) ?? ""}` },
      fix: `${asRoot()}sysctl -w ${fix}   (to keep it: in a file of /etc/sysctl.d)`,
    })),
  );
};

const BLOCKS = [
  {
    ...{ file: "/proc/sys/user/max_user_namespaces", fix: "user.max_user_namespaces=15000" },
    isBad: (value: string | undefined) => value === "0",
  },
  {
    ...{ file: "/proc/sys/kernel/unprivileged_userns_clone", fix: "kernel.unprivileged_userns_clone=1" },
    isBad: (value: string | undefined) => value === "0",
  },
] as const;

function readSetting(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined; // a kernel without that setting
  }
}
