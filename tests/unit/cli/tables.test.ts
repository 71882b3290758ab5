import { expect, test } from "@jest/globals";
import { readFormat, tableOf } from "../../../cli/vms/columns";
import type { DescribedVM } from "../../../cli/vms/describe";
import { loadBetween, type Sample } from "../../../cli/vms/load";
import { processUsage } from "../../../provider/host/process-usage";

const vm: DescribedVM = {
  ...{ name: "dev", id: "dev-1", state: "running", stack: "", isOfSession: false, labels: { a: "1", b: "2" } },
  ...{ image: "localhost/mayfly/debian-bookworm:ad0020861f2d9327", cpus: 2, memoryMiB: 1_024, diskMiB: undefined },
  ...{ accelerator: "tcg", createdAt: Date.now() / 1_000 - 61, expiresAt: undefined, networks: [] },
  used: { cpuPercent: 12, memoryMiB: 345 },
  ports: [{ guest: 80, host: 8_080, hostAddress: "127.0.0.1", protocol: "tcp" }],
};

test("ls tells what a VM has and what it uses of that", () => {
  const { header, rows } = tableOf([vm]);
  const row = Object.fromEntries(header.map((title, column) => [title, rows[0]?.[column]]));
  expect(row).toEqual({
    ...{ NAME: "dev", STATE: "running", IMAGE: "debian-bookworm", CPU: "12% of 2", MEMORY: "345MiB of 1GiB" },
    ...{ CREATED: "1 minute ago", ENDS: "-", PORTS: "8080:80", STACK: "-" },
  });
});

test("a format takes podman's form, and refuses what is no column", () => {
  expect(readFormat("{{.Name}}\\t{{ .Labels }}")(vm)).toBe("dev\ta=1,b=2");
  expect(() => readFormat("{{.Nam}}")).toThrow("there is no .Nam, but .Name, .ID");
  expect(() => readFormat("name")).toThrow("name what is to be shown");
});

test("a load is what came between two samples; of a VM that has just begun, what it has used so far", () => {
  const found = (id: string, pid: number) =>
    ({ id, record: { owner: { project: "", stack: "", resource: id }, qemu: { pid } } }) as Sample[number]["vm"];
  const usage = (ageSeconds: number, cpuSeconds: number, readBytes?: number) => ({
    ...{ state: "S", ageSeconds, cpuSeconds, readBytes, writtenBytes: 0, memoryBytes: 5 * 1_048_576 },
  });
  const before = [
    { vm: found("old", 1), usage: usage(100, 10, 1_000) },
    { vm: found("again", 2), usage: usage(100, 90) },
  ];
  const now = [
    { vm: found("old", 1), usage: usage(102, 11, 3_000) },
    { vm: found("again", 3), usage: usage(2, 4) },
  ];
  expect(loadBetween(before, now)).toMatchObject([
    { name: "again", cpuPercent: 200, readPerSecond: null },
    { name: "old", cpuPercent: 50, readPerSecond: 1_000, usedMiB: 5 },
  ]);
});

test("the kernel says what a process uses", () => {
  const own = processUsage(process.pid);
  expect(own?.memoryBytes).toBeGreaterThan(10 * 1_048_576);
  expect(own?.cpuSeconds).toBeGreaterThan(0);
  expect(own?.ageSeconds).toBeGreaterThanOrEqual(process.uptime() - 2);
  expect(processUsage(2 ** 22 + 1)).toBeUndefined(); // above the largest that Linux gives
});
