import { expect, test } from "@jest/globals";

const needs = import("../../../scripts/setup/needs.mjs");

type Distribution = Parameters<Awaited<typeof needs>["packagesFor"]>[0];
const debian = (version: number): Distribution => ({ family: "debian", version, name: "" });
const ubuntu = (version: number): Distribution => ({ family: "ubuntu", version, name: "" });

/** A host that has everything but what is named. */
const without = (...lacking: string[]) => ({
  program: (name: string) => (lacking.includes(name) ? undefined : `/usr/bin/${name}`),
  exists: (file: string) => !lacking.includes(file),
  isStatic: (file: string) => !lacking.includes(`static ${file}`),
});
const names = async (...lacking: string[]) =>
  (await needs).unmetNeeds((await needs).NEEDS, without(...lacking)).map(({ name }) => name);

test("a host that has everything needs nothing", async () => {
  expect(await names()).toEqual([]);
});

test("one of several programs is enough", async () => {
  expect(await names("runc")).toEqual([]);
  expect(await names("runc", "crun")).toEqual(["runc"]);
});

test("virtiofsd is found outside of PATH too", async () => {
  const old = "/usr/lib/qemu/virtiofsd";
  expect(await names("virtiofsd", old)).toEqual([]);
  expect(await names("virtiofsd", old, "/usr/libexec/virtiofsd")).toEqual(["virtiofsd"]);
});

test("a busybox that needs the host's libraries does not count", async () => {
  expect(await names("static /usr/bin/busybox")).toEqual(["a static busybox"]);
});

test.each([
  ["x64", "qemu-system-x86_64", "qemu-system-x86"],
  ["arm64", "qemu-system-aarch64", "qemu-system-arm"],
])("a host of %s needs %s", async (architecture, program, packaged) => {
  const { packagesFor, qemuFor, unmetNeeds } = await needs;
  const lacking = unmetNeeds([qemuFor(architecture)], without(program));
  expect(packagesFor(debian(12), lacking)).toEqual([packaged]);
  expect(unmetNeeds([qemuFor(architecture)], without())).toEqual([]);
});

test.each([
  [debian(12), ["netavark", "aardvark-dns", "iptables", "qemu-system-common"], ["nftables", "virtiofsd"]],
  [debian(13), ["netavark", "aardvark-dns", "nftables", "virtiofsd"], ["iptables"]],
  [ubuntu(22.04), ["containernetworking-plugins", "iptables", "qemu-system-common"], ["netavark", "virtiofsd"]],
  [ubuntu(24.04), ["netavark", "aardvark-dns", "iptables", "virtiofsd"], ["nftables", "containernetworking-plugins"]],
])("packages of %j", async (distribution, wanted, unwanted) => {
  const { NEEDS, packagesFor } = await needs;
  const packages = packagesFor(distribution, NEEDS);
  expect(packages).toEqual(expect.arrayContaining(["podman", "runc", "slirp4netns", "uidmap", ...wanted]));
  expect(packages.filter((name) => unwanted.includes(name))).toEqual([]);
  expect(new Set(packages).size).toBe(packages.length);
});

test("the tests have iptables also where podman uses nftables", async () => {
  const { NEEDS, TEST_NEEDS, packagesFor, unmetNeeds } = await needs;
  const lacking = unmetNeeds([...NEEDS, ...TEST_NEEDS], without("iptables"));
  expect(packagesFor(debian(13), lacking)).toEqual(["iptables"]);
});
