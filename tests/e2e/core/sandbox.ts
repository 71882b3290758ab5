import { once } from "node:events";
import { chown, lstat, mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { expect } from "@jest/globals";
import type { Caller } from "../../support/callers";
import { greeting } from "../../support/greeting";
import { openExample } from "../../support/project";

interface Outputs {
  readonly connect: string;
  readonly address: string;
}

/** A server of this host, at one of its outward addresses, that says the same to everybody. */
async function serve(text: string): Promise<AsyncDisposable & { readonly address: string; readonly port: number }> {
  const outward = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  const address = outward.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
  if (address === undefined) throw new Error("this host has no outward IPv4 address");
  const server: Server = createServer((socket) => socket.on("error", () => undefined).end(text)).listen(0, address);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    ...{ address, port },
    [Symbol.asyncDispose]: async () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** An address as a name that needs no name server: resolvers read C's way of writing it. */
function asName(address: string): string {
  return `0x${address
    .split(".")
    .map((part) => Number(part).toString(16).padStart(2, "0"))
    .join("")}`;
}

/** Mounts, users, ports, a disk, and out only what is allowed. */
export async function sandbox(caller: Caller): Promise<void> {
  await using project = await openExample("sandbox", caller);
  const share = join(project.home, "my share: a, b");
  await mkdir(share);
  await chown(share, caller.uid, caller.gid);
  const ours = join(share, "ours");
  await writeFile(ours, "from the host\n", { mode: 0o600 });
  await chown(ours, caller.uid, caller.gid);
  await project.pulumi("config", "set", "share", share);
  await using open = await serve("open\n");
  await using named = await serve("named\n");
  await using closed = await serve("closed\n");
  const { port: silent } = await serve("").then(async (server) => server[Symbol.asyncDispose]().then(() => server));
  const allow = [`${open.address}:${open.port}`, `${asName(named.address)}:${named.port}`, `${open.address}:${silent}`];
  await project.pulumi("config", "set", "allow", JSON.stringify(allow));
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

  // SSH and the port reach in.
  const listening = "until grep -q :1F90 /proc/net/tcp; do sleep 0.1; done"; // 8080, in the kernel's words
  await guest(
    `echo hello | setsid /usr/lib/mayfly/busybox nc -l -p 8080 >/dev/null 2>&1 & timeout 20 sh -c '${listening}'`,
  );
  expect(await greeting(outputs.address)).toBe("hello\n");

  // Out reaches what is allowed and nothing else: neither the host's other ports, nor a cloud's credentials,
  // nor a name server. A port that nobody listens on is refused, and at once, as everything that is closed.
  const talk = (host: string, port: number) =>
    `timeout 10 bash -c 'cat </dev/tcp/${host}/${port}' 2>/dev/null || echo failed $?`;
  const reach = [
    ...[talk(open.address, open.port), talk(asName(named.address), named.port), talk(open.address, silent)],
    ...[talk(closed.address, closed.port), talk("169.254.169.254", 80), talk("10.0.2.2", closed.port)],
    ...[talk("1.1.1.1", 53), talk("10.53.0.3", 53)],
  ].join("; ");
  const reached = ["open", "named", ...Array.from({ length: 6 }, () => "failed 1")].join("\n"); // 124 would be the timeout
  expect(await guest(reach)).toBe(reached);
  expect(await guest(`grep -c ' ${asName(named.address)}$' /etc/hosts; timeout 10 getent ahostsv4 example.com`)).toBe(
    "1",
  );
}
