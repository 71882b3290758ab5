import { expect, jest, test } from "@jest/globals";
import { renewal } from "../../../provider/machines/agent";

test("a clone gets the host's time as it is now, also after a step of its clock, and a seed of its own", () => {
  const stepped = Date.now() + 3_600_250; // an hour and a quarter of a second
  const clock = jest.spyOn(Date, "now").mockReturnValue(stepped);
  try {
    const [one, other] = [renewal(), renewal()];
    expect(one.readBigInt64LE(0)).toBe(BigInt(Math.floor(stepped / 1_000)));
    expect(one.readBigInt64LE(8)).toBe(BigInt(stepped % 1_000) * 1_000_000n);
    expect(one.subarray(16)).not.toEqual(other.subarray(16));
    expect(one).toHaveLength(56);
  } finally {
    clock.mockRestore();
  }
});
