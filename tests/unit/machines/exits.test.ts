import { expect, test } from "@jest/globals";
import { exitLines, findExits } from "../../../provider/machines/exits";

const { signal } = new AbortController();
const find = async (...addresses: string[]) =>
  findExits([{ host: "db.example", port: 5_432 }], signal, async () => Promise.resolve(addresses));

test("an address is taken as it stands, a name for all that it stands for; only names go to /etc/hosts", async () => {
  expect(await findExits([{ host: "192.0.2.7", port: 443 }], signal)).toEqual([{ address: "192.0.2.7", port: 443 }]);
  const exits = await find("192.0.2.8", "192.0.2.9");
  expect(exits.map(({ address, port }) => [address, port])).toEqual([
    ["192.0.2.8", 5_432],
    ["192.0.2.9", 5_432],
  ]);
  const twice = [...exits, { address: "192.0.2.8", port: 80, name: "db.example" }, { address: "192.0.2.7", port: 1 }];
  expect(exitLines(twice)).toBe("192.0.2.8 db.example\n192.0.2.9 db.example\n");
});

test.each(["127.0.1.1", "0.0.0.0", "10.53.0.2", "169.254.169.254", "168.63.129.16", "224.0.0.1"])(
  "a name must not stand for %s",
  async (address) => {
    await expect(find("192.0.2.8", address)).rejects.toThrow(`"db.example" in \`allow\` stands for ${address}`);
  },
);

test("a name that nobody knows is named", async () => {
  const unknown = async () => Promise.reject(new Error("getaddrinfo ENOTFOUND"));
  await expect(findExits([{ host: "no.example", port: 1 }], signal, unknown)).rejects.toThrow(
    /^"no\.example" in `allow` has no IPv4 address[^]*ENOTFOUND[^]*getent ahostsv4 no\.example/,
  );
});
