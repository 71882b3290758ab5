import { randomBytes } from "node:crypto";
import { mkdir, open, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Ssh, type SyncRequest } from "../../provider/ssh/ssh";
import { atLeast, atMost, median, series, timed, type Figure } from "../figures";
import { HOSTNAME, type Site } from "./site";

const ROUNDS = 3;
const MIB = 1_048_576;
const FILE_MIB = 256;
const FILES = 10_000;
const CHANGED = 10;

/** A large file up and down, as `CopyFile` does it and by OpenSSH's sftp; each with a connection of its own. */
export async function measureCopies(site: Site): Promise<Figure[]> {
  const folder = join(site.program.home, "copies");
  await mkdir(folder);
  const [file, back] = [join(folder, "file"), join(folder, "back")];
  await fill(file, FILE_MIB);
  const rounds = await series(ROUNDS, async () => {
    const theirUp = await bySftp(site, `put "${file}" file`);
    const theirDown = await bySftp(site, `get file "${back}"`);
    await site.guest("rm file");
    const [signal, remotePath] = [AbortSignal.timeout(600_000), "/root/file"];
    const ourUp = await bySsh((ssh) => ssh.upload(site.endpoint, { source: file, remotePath }, signal));
    const ourDown = await bySsh((ssh) => ssh.download(site.endpoint, { remotePath, localPath: back }, signal));
    await site.guest("rm file");
    return { theirUp, theirDown, ourUp, ourDown };
  });
  const middle = (of: (round: (typeof rounds)[number]) => number) => median(rounds.map(of));
  const rate = (taken: number) => `${(FILE_MIB / taken).toFixed(1)} MiB/s`;
  return [
    { what: `OpenSSH's sftp, ${String(FILE_MIB)} MiB up`, value: rate(middle(({ theirUp }) => theirUp)) },
    atLeast(
      "`CopyFile` up, of that",
      middle((one) => one.theirUp / one.ourUp),
      0.9,
      "×",
    ),
    { what: `OpenSSH's sftp, ${String(FILE_MIB)} MiB down`, value: rate(middle(({ theirDown }) => theirDown)) },
    atLeast(
      "`CopyFile` down, of that",
      middle((one) => one.theirDown / one.ourDown),
      0.9,
      "×",
    ),
  ];
}

async function fill(file: string, mib: number): Promise<void> {
  await using handle = await open(file, "w");
  for (let index = 0; index < mib; index += 1) await handle.write(randomBytes(MIB));
}

async function bySftp(site: Site, line: string): Promise<number> {
  const batch = join(site.program.home, "batch");
  await writeFile(batch, `${line}\n`);
  return (await timed(() => site.host("sftp", "-F", site.config, "-q", "-b", batch, HOSTNAME))).seconds;
}

async function bySsh(work: (ssh: Ssh) => Promise<unknown>): Promise<number> {
  const ssh = new Ssh(join(__dirname, "..", "..", "sdk", "dist", "provider", "rsync-shell.js"));
  const { seconds } = await timed(() => work(ssh));
  await ssh.close();
  return seconds;
}

/** A folder of many files of which few have changed, as `DirectorySync` does it and by rsync; with a connection each. */
export async function measureSync(site: Site): Promise<Figure[]> {
  const localPath = join(site.program.home, "many");
  await makeMany(localPath);
  const rsync = ["-a", "-e", `ssh -F '${site.config}'`, `${localPath}/`];
  await site.host("rsync", ...rsync, `${HOSTNAME}:theirs`);
  await site.guest("cp -a theirs ours");
  const request = { direction: "up", localPath, remotePath: "/root/ours", exclude: [], removes: false } as const;
  let lastBegun = Date.now() / 1_000;
  let settled: SyncRequest["settled"]; // as the resource remembers it
  const rounds = await series(ROUNDS, async () => {
    for (let index = 0; index < CHANGED; index += 1) {
      const file = join(localPath, String((index * 977) % 100), String(index));
      await writeFile(file, randomBytes(1_000));
    }
    const theirs = (await timed(() => site.host("rsync", ...rsync, `${HOSTNAME}:theirs`))).seconds;
    const begun = Date.now() / 1_000;
    const signal = AbortSignal.timeout(600_000);
    const ours = await bySsh(async (ssh) => {
      ({ settled } = await ssh.sync(site.endpoint, { ...request, lastBegun, settled }, signal));
    });
    lastBegun = begun;
    return { ours, theirs };
  });
  await site.guest("rm -r ours theirs");
  await rm(localPath, { recursive: true });
  const theirs = median(rounds.map((one) => one.theirs));
  const what = `${String(FILES)} files, ${String(CHANGED)} changed`;
  return [
    { what: `${what}: rsync`, value: `${theirs.toFixed(2)} s` },
    atMost(
      `${what}: \`DirectorySync\`, in times of rsync`,
      median(rounds.map((one) => one.ours / one.theirs)),
      1.2,
      "×",
    ),
  ];
}

async function makeMany(folder: string): Promise<void> {
  const old = Date.now() / 1_000 - 86_400;
  for (let index = 0; index < FILES; index += 1) {
    const above = join(folder, String(index % 100));
    if (index < 100) await mkdir(above, { recursive: true });
    const file = join(above, String(Math.floor(index / 100)));
    await writeFile(file, randomBytes(1_000));
    await utimes(file, old, old);
  }
}
