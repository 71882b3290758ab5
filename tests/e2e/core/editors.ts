import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createInterface } from "node:readline";
import { expect } from "@jest/globals";
import { until } from "../../../provider/host/until";
import type { Project } from "../../support/project";
import { freePort } from "../../support/sshd";
import { ALIAS, clientConfig } from "./ssh-tools";

const execute = promisify(execFile);

/** Stands in for an editor's server: says who it is to whoever brings the token, on a free port of the guest's loopback. */
const SERVER = `#!/usr/bin/perl
use IO::Socket::INET;
my ($token, $name) = @ARGV;
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 5) or die $!;
$| = 1;
print "Extension host agent listening on ", $server->sockport, "\\n";
while (my $client = $server->accept) {
  my ($line) = scalar(<$client>) =~ /tkn=(\\w+)/;
  my $body = $line eq $token ? "$name, as " . getpwuid($<) : "forbidden";
  print $client "HTTP/1.0 200 OK\\r\\nContent-Length: ", length $body, "\\r\\n\\r\\n$body";
}
`;

/** What an editor's remote mode does first: puts a server there, starts it, and reaches it by a forward. */
export async function editors(project: Project): Promise<void> {
  const config = await clientConfig(project);
  const archive = await serverArchive(project);
  await visualStudioCode(project, config, archive);
  await jetBrains(project, config, archive);
}

/**
 * Remote-SSH of Visual Studio Code: one `ssh -T -D PORT HOST bash` that is fed a script, which looks at the platform and
 * asks for the server; `scp` brings it (`remote.SSH.localServerDownload`); the script starts it, detached, and tells its
 * port and its token; the editor goes through the SOCKS proxy. A second window finds the server as it is.
 */
async function visualStudioCode(project: Project, config: string, archive: string): Promise<void> {
  const ask = async (token: string, window: Window) => window.proxied(window.answer("listeningOn"), token);
  const token = randomBytes(16).toString("hex");
  const upload = () =>
    project.run("scp", "-F", config, "-o", "ConnectTimeout=15", archive, `${archive}.done`, `${ALIAS}:.vscode-server/`);
  const first = await Window.open(config, installScript(token), upload);
  expect(first.answers).toMatchObject({ platform: "linux", arch: "x86_64", osReleaseId: "debian", token });
  expect(await ask(token, first)).toBe("vscode, as dev");
  expect(await ask("another", first)).toBe("forbidden");
  await first.close();

  const second = await Window.open(config, installScript("not used"), () => Promise.reject(new Error("it is there")));
  expect(second.answers).toMatchObject({ listeningOn: first.answer("listeningOn"), token });
  expect(await ask(token, second)).toBe("vscode, as dev");
  await second.close();
}

/** Gateway of JetBrains: the server by SFTP, started by a command, reached by \`ssh -L\`. */
async function jetBrains(project: Project, config: string, archive: string): Promise<void> {
  const batch = join(project.home, "gateway");
  const folder = ".cache/JetBrains/RemoteDev/dist";
  const folders = folder.split("/").map((_, index, all) => `-mkdir ${all.slice(0, index + 1).join("/")}`);
  await writeFile(
    batch,
    [...folders, `put "${archive}" ${folder}/server.tar.gz`, `chmod 600 ${folder}/server.tar.gz`, ""].join("\n"),
  );
  await project.run("sftp", "-F", config, "-q", "-b", batch, ALIAS);
  const start = `cd ${folder} && tar -xzf server.tar.gz --strip-components=1 && : >log &&
    { setsid nohup bin/server token gateway >log 2>&1 </dev/null & } &&
    timeout 60 tail -n +1 -f log | sed '/listening on/!d; s/.* //; q'`;
  const port = await project.run("ssh", "-F", config, "-o", "BatchMode=yes", ALIAS, start);
  const local = String(await freePort());
  const forward = spawn(
    "ssh",
    [
      "-F",
      config,
      "-o",
      "ControlPath=none",
      "-o",
      "ExitOnForwardFailure=yes",
      "-N",
      "-L",
      `127.0.0.1:${local}:127.0.0.1:${port}`,
      ALIAS,
    ],
    { stdio: "ignore" },
  );
  try {
    const url = `http://127.0.0.1:${local}/?tkn=token`;
    const ask = () =>
      fetch(url)
        .then((response) => response.text())
        .catch(() => undefined); // not there yet
    const wait = { signal: AbortSignal.timeout(30_000), diagnose: () => ({ remedy: "" }) };
    expect(await until("the forward answers", ask, wait)).toBe("gateway, as dev");
  } finally {
    await end(forward);
  }
}

/** What the script asks for when there is no server. */
const WANTED = "install";

/** What Remote-SSH feeds to `bash`, in short. A file tells it that the server has arrived: its standard input is itself. */
const installScript = (token: string) => `
id=7b2e
mkdir -p ~/.vscode-server/bin && cd ~/.vscode-server || exit 1
if [ ! -s pid ] || ! kill -0 "$(cat pid)"; then
  echo "$id: ${WANTED}"
  tries=0
  until [ -e server.tar.gz.done ]; do
    tries=$((tries + 1))
    [ $tries -lt 600 ] || exit 1
    sleep 0.1
  done
  tar -xzf server.tar.gz -C bin --strip-components=2 || exit 1
  (umask 077 && echo ${token} >token && : >log)
  setsid nohup bin/server "$(cat token)" vscode >log 2>&1 </dev/null &
  echo $! >pid
fi
port=$(timeout 60 tail -n +1 -f log | sed '/listening on/!d; s/.* //; q')
echo "$id: start"
echo "platform==$(uname -s | tr A-Z a-z)=="
echo "arch==$(uname -m)=="
echo "osReleaseId==$(. /etc/os-release && echo "$ID")=="
echo "token==$(cat token)=="
echo "listeningOn==127.0.0.1:$port=="
echo "$id: end"
cat >/dev/null
`;

/** One window of the editor: its connection, its SOCKS proxy, and what the script has told. */
class Window {
  private constructor(
    private readonly ssh: ChildProcess,
    private readonly proxyPort: string,
    readonly answers: Readonly<Record<string, string>>,
  ) {}

  /** Runs the script; `upload` brings the server, if that is asked for. */
  static async open(config: string, script: string, upload: () => Promise<unknown>): Promise<Window> {
    const proxyPort = String(await freePort());
    const args = ["-F", config, "-T", "-D", proxyPort, "-o", "ConnectTimeout=15", ALIAS, "bash"];
    const ssh = spawn("ssh", args, { stdio: ["pipe", "pipe", "inherit"], timeout: 120_000 });
    const answers: Record<string, string> = {};
    try {
      ssh.stdin.write(script);
      for await (const line of createInterface(ssh.stdout)) {
        if (line.endsWith(`: ${WANTED}`)) {
          await upload();
        }
        const [, name, value = ""] = /^(\w+)==(.*)==$/.exec(line) ?? [];
        if (name !== undefined) answers[name] = value;
        if (line.endsWith(": end")) return new Window(ssh, proxyPort, answers);
      }
      throw new Error(`the script ended early: ${JSON.stringify(answers)}`);
    } catch (error) {
      await end(ssh);
      throw error;
    }
  }

  /** What the script has told of one thing. */
  answer(name: string): string {
    return this.answers[name] ?? `no ${name}`;
  }

  /** Asks the server, as the guest's loopback has it. */
  async proxied(address: string, token: string): Promise<string> {
    const proxy = ["--proxy", `socks5h://127.0.0.1:${this.proxyPort}`, "--noproxy", ""];
    const args = ["--silent", "--show-error", "--max-time", "30", ...proxy, `http://${address}/?tkn=${token}`];
    return (await execute("curl", args)).stdout;
  }

  async close(): Promise<void> {
    this.ssh.stdin?.end();
    await end(this.ssh);
  }
}

/** The archive that an editor brings: a folder with the server in it. */
async function serverArchive(project: Project): Promise<string> {
  const folder = join(project.home, "vscode-server-linux-x64");
  await mkdir(join(folder, "bin"), { recursive: true });
  await writeFile(join(folder, "bin", "server"), SERVER);
  await chmod(join(folder, "bin", "server"), 0o755);
  const archive = join(project.home, "server.tar.gz");
  await writeFile(`${archive}.done`, "");
  await project.run("tar", "-czf", archive, "-C", project.home, "vscode-server-linux-x64");
  return archive;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, "exit");
}
