import { expect, test } from "@jest/globals";
import { handlerOf } from "../../../provider/resources/registry";
import { checkInputs } from "../../../provider/engine/inputs";
import { hostnameFrom } from "../../../provider/resources/vm";
import { userIds } from "../../../provider/resources/vm-access";
import { vmSchema } from "../../../provider/schema/vm";

const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

test("everything that is wrong is said at once, by field", async () => {
  const { failures } = await checkInputs(await handlerOf("VM"), {
    ...{ image: "localhost/x", memory: "1 pound", cpus: 0, ports: [{ guest: 70_000 }], disks: [] },
    mounts: [{ source: "/no/such/folder", target: "srv" }],
  });
  expect(failures.map(({ property }) => property).sort()).toEqual([
    "cpus",
    "disks",
    "memory",
    "mounts[0].target",
    "ports[0].guest",
  ]);
});

test("a mount whose source is missing fails by field", async () => {
  const mounts = [{ source: "/no/such/folder", target: "/srv" }];
  const { failures } = await checkInputs(await handlerOf("VM"), { image: "localhost/x", mounts });
  expect(failures).toEqual([
    { property: "mounts[0].source", reason: expect.stringContaining("/no/such/folder does not exist") },
  ]);
});

test("what is not known yet is not complained about", async () => {
  const { inputs, failures } = await checkInputs(await handlerOf("VM"), { image: UNKNOWN, memory: "2GiB" });
  expect(failures).toEqual([]);
  expect(inputs).toMatchObject({ image: UNKNOWN, memory: 2_048, cpus: 2 });
});

test("users get the ids they ask for, the others the next free ones from 1000", () => {
  const { users } = vmSchema.parse({ image: "x", users: [{ name: "a" }, { name: "b", uid: 1_000 }, { name: "c" }] });
  expect([...userIds(users)]).toEqual([
    ["root", 0],
    ["b", 1_000],
    ["a", 1_001],
    ["c", 1_002],
  ]);
});

test.each([
  ["web", "web"],
  ["my_web.server", "my-web-server"],
  ["--", "vm"],
])("the host name of %s", (name, hostname) => {
  expect(hostnameFrom(name)).toBe(hostname);
});
