import { once } from "node:events";
import { chown, lstat, mkdir, readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect } from "@jest/globals";
import type { Caller } from "../../support/callers";
import { openExample } from "../../support/project";

interface Outputs {
  readonly connect: string;
  readonly address: string;
}

/** What a server says first. */
async function greeting(address: string): Promise<string> {
  const [host = "", port] = address.split(":");
  const socket = connect(Number(port), host).setEncoding("utf8");
  const [text] = (await once(socket, "data", { signal: AbortSignal.timeout(10_000) })) as [string];
  socket.destroy();
  return text;
}

/** Mounts, users, ports, a disk and no network. */
export async function sandbox(caller: Caller): Promise<void> {
  await using project = await openExample("sandbox", caller);
  const share = join(project.home, "my share");
  await mkdir(share);
  await chown(share, caller.uid, caller.gid);
  const ours = join(share, "ours");
  await writeFile(ours, "from the host\n", { mode: 0o600 });
  await chown(ours, caller.uid, caller.gid);
  await project.pulumi("config", "set", "share", share);
  await project.pulumi("up", "--yes", "--skip-preview");

  const outputs = await project.outputs<Outputs>();
  // One login for all: each costs a second under emulation.
  const shared = `-o ControlMaster=auto -o 'ControlPath="${join(project.home, "ssh")}"' -o ControlPersist=60`;
  const guest = async (script: string) => {
    const file = join(project.home, "script");
    await writeFile(file, script, { mode: 0o644 });
    return project.run("bash", "-c", `${outputs.connect} ${shared} sh -s <"$0" 2>&1 || :`, file);
  };

  // Both sides write; on the host all of it is the caller's, whoever wrote it in the guest.
  expect(await guest("su dev -c 'cd ~/share; cat ours; echo more >>ours; echo x >devs; stat -c %U ours devs'")).toBe(
    "from the host\ndev\ndev",
  );
  expect(await guest("cd /home/dev/share; mkdir roots; echo y >roots/file; stat -c %U roots/file")).toBe("dev");
  await project.run("rm", "-r", join(share, "roots"));
  for (const name of await readdir(share)) {
    const { uid, gid } = await lstat(join(share, name));
    expect([name, uid, gid]).toEqual([name, caller.uid, caller.gid]);
  }
  expect((await project.run("cat", ours)).split("\n")).toEqual(["from the host", "more"]);
  expect(await guest("cat /mnt/share/ours; echo z >/mnt/share/new")).toMatch(/^from the host\nmore\n.*Read-only file/);

  // Nothing that would be a way to other users' rights on the host.
  expect(await guest("cd /home/dev/share; cp /bin/true set-id; chmod 4755 set-id")).toMatch(/not permitted/);
  expect(await guest("cd /home/dev/share; chmod 2755 set-id; mknod disk b 254 0")).toMatch(
    /not permitted[^]*not permitted/,
  );
  expect((await lstat(join(share, "set-id"))).mode & 0o7777).toBe(0o755);
  expect(await readdir(share)).not.toContain("disk");

  expect(await guest("su dev -c 'sudo -n id -un; id -u'")).toBe("root\n1000");
  const [, size = "0"] = (await guest("df --output=size -BM /")).split("\n");
  expect(Number.parseInt(size)).toBeGreaterThan(900);

  // SSH and the port reach in; out reaches nothing, not even the container that it runs in.
  const listening = "until grep -q :1F90 /proc/net/tcp; do sleep 0.1; done"; // 8080, in the kernel's words
  await guest(
    `echo hello | setsid /usr/lib/mayfly/busybox nc -l -p 8080 >/dev/null 2>&1 & timeout 20 sh -c '${listening}'`,
  );
  expect(await greeting(outputs.address)).toBe("hello\n");
  expect(await guest("timeout 5 bash -c '</dev/tcp/10.53.0.2/2222' || echo closed")).toMatch(/closed$/);
}
