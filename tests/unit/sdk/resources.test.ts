import { beforeAll, expect, test } from "@jest/globals";
import * as pulumi from "@pulumi/pulumi";
import { SshKey } from "../../../sdk";

const seen: pulumi.runtime.MockResourceArgs[] = [];
beforeAll(async () => {
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        seen.push(args);
        return { id: `${args.name}-id`, state: args.inputs };
      },
      call: () => ({}),
    },
    "shop",
    "dev",
  );
});
test("x", async () => {
  const key = new SshKey("key", {});
  await new Promise((r) => key.urn.apply(r));
  expect(seen[0]).toEqual({});
});
