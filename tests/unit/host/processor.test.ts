import { expect, test } from "@jest/globals";
import { hostProcessor, processorDigest } from "../../../provider/host/processor";

const CPU = `processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz
microcode\t: 0xd0003d1
cpu MHz\t\t: 2793.437
flags\t\t: fpu vme de avx512f

`;
const other = CPU.replace("avx512f", "");
const digest = processorDigest(CPU + other, "6.1.0");

test.each([
  ["another clock and other processors beside it", CPU.replace("2793", "3100"), "6.1.0", true],
  ["other flags", other, "6.1.0", false],
  ["other microcode", CPU.replace("0xd0003d1", "0xd0003e7"), "6.1.0", false],
  ["another model", CPU.replace("8370C", "8272CL"), "6.1.0", false],
  ["another kernel", CPU, "6.1.1", false],
])("a host with %s", (_what, cpuinfo, release, isSame) => {
  expect(processorDigest(cpuinfo, release) === digest).toBe(isSame);
});

test("ARM's processors are told apart too; this host's own has a digest", () => {
  const arm = (part: string) =>
    `processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: ${part}\n\n`;
  expect(processorDigest(arm("0xd0c"), "6.1.0")).not.toBe(processorDigest(arm("0xd40"), "6.1.0"));
  expect(hostProcessor()).toMatch(/^[0-9a-f]{16}$/);
});
