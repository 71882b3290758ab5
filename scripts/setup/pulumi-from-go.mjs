import { chmodSync, copyFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "../terminal/failure.mjs";
import { findProgram, run } from "../terminal/programs.mjs";
import { isAtLeast } from "./versions.mjs";

const OLDEST_GO = "1.25.11"; // the `go` line of Pulumi's module
const OLDEST_GO_THAT_FETCHES = "1.21"; // from here on Go gets itself the newer one that a module asks for
const SDK = "github.com/pulumi/pulumi/sdk/v3";

/**
 * Builds Pulumi's programs from its published Go modules, for hosts that reach a module proxy but no download site.
 * What goes in is fixed by the go.sum files of `setup/pulumi`, and all but `pulumi api` works: see its
 * `no-openapi`. Takes three minutes on 2 cores the first time.
 *
 * @param {import("./host.mjs").Host} host Where it runs.
 * @param {string} folder Where the programs go.
 * @param {string} version Pulumi's version, for it to name itself.
 * @param {(line: string) => void} note Gets what Go says.
 */
export async function buildPulumi(host, folder, version, note) {
  const go = await findGo(host);
  // A workspace file or flags of the user's own would change what is built; without C, as Pulumi's own builds are.
  const env = { ...host.env, GOWORK: "off", GOFLAGS: "", CGO_ENABLED: "0" };
  /**
   * @param {string} name A folder of `setup/pulumi`.
   * @param {readonly string[]} args Go's arguments.
   */
  const runGo = (name, args) => run(go, args, { env, cwd: join(host.root, "setup", "pulumi", name), note });
  /**
   * @param {string} program A name.
   * @param {string} flags For the linker; `-s -w` halves the size, and what a debugger wants need not be made then.
   */
  const build = (program, flags = "-s -w") => [
    ...["build", "-mod=readonly", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags", flags],
    ...["-o", join(folder, program)],
  ];
  const named = `-s -w -X ${SDK}/go/common/version.Version=v${version}`;
  await runGo("engine", [...build("pulumi", named), "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"]);
  const language = "pulumi-language-nodejs";
  await runGo(language.slice("pulumi-".length), [...build(language), `${SDK}/nodejs/cmd/${language}`]);
  const source = await runGo("engine", ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", SDK]);
  const plugin = join(folder, "pulumi-resource-pulumi-nodejs"); // a shell script: there is nothing to build
  copyFileSync(join(source, "nodejs", "dist", "pulumi-resource-pulumi-nodejs"), plugin);
  chmodSync(plugin, 0o755); // Go keeps its copy read-only
}

/** @param {import("./host.mjs").Host} host Where to look. @returns {Promise<string>} A Go that will do. */
async function findGo(host) {
  const go = findProgram("go", `${host.env["PATH"] ?? ""}:/usr/local/go/bin`);
  const remedy = `install Go ${OLDEST_GO} or newer.`;
  if (go === undefined) throw new Failure("there is no Go.", { remedy });
  const seen = await run(go, ["env", "GOVERSION", "GOTOOLCHAIN"], { env: host.env });
  const [version = "", toolchain] = seen.split("\n");
  if (isAtLeast(version, OLDEST_GO)) return go;
  if (toolchain !== "local" && isAtLeast(version, OLDEST_GO_THAT_FETCHES)) return go;
  throw new Failure(`${go} is ${version}, too old.`, { remedy });
}
