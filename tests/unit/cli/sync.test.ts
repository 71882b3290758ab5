import { homedir } from "node:os";
import { expect, test } from "@jest/globals";
import { readSync } from "../../../cli/args/sync";

test("folders are made like each other, by the resource's own request", async () => {
  expect(await readSync("docs", "dev:/srv//docs/", { owner: "ada:www", exclude: ["*.log"], delete: true })).toEqual({
    name: "dev",
    request: {
      ...{ direction: "up", localPath: `${process.cwd()}/docs`, remotePath: "/srv/docs", exclude: ["*.log"] },
      ...{ removes: true, owner: "ada:www", lastBegun: undefined, by: undefined },
    },
  });
  expect((await readSync("s/dev:~/logs", "./none", { delete: true })).request).toMatchObject({
    ...{ direction: "down", localPath: `${process.cwd()}/none`, remotePath: "~/logs", removes: true },
  });
});

test.each<[string, string, object, RegExp]>([
  ["dev:/srv/site", homedir(), { delete: true }, /^--delete: would remove what else is in .* among it$/],
  ["dev:/srv/site", "/", { delete: true }, /^--delete: would remove what else is in \/, .* among it$/],
  ["dev:/srv/site", ".", { delete: true }, /^--delete: would remove what else is in .* among it$/],
  ["docs", "dev:/", { delete: true }, /^--delete: would empty \/, keys and all/],
  ["docs", "dev:~/", { delete: true }, /^--delete: would empty ~, keys and all/],
  ["docs", "dev:/srv/../", { delete: true }, /^dev:\/srv\/\.\.\/: must be a path without \.\.$/],
  ["docs", "dev:srv", {}, /^dev:srv: must be a path on the VM: absolute/],
  ["docs", "dev:/srv", { owner: "a b" }, /^--owner: must be an owner as chown\(1\)/],
  ["dev:/srv", "./none", { owner: "ada" }, /^--owner: is for folders on a VM/],
  ["none", "dev:/srv", {}, /^none: must be a folder on this host; .* does not exist$/],
  ["package.json", "dev:/srv", {}, /^package.json: must be a folder .* for those there is mayfly cp$/],
  ["dev:/srv", "package.json", {}, /^package.json: must be a folder on this host; .* is a file$/],
])("sync %s %s %j is refused", async (source, target, options, reason) => {
  await expect(readSync(source, target, options)).rejects.toMatchObject({
    ...{ name: "UsageError", message: expect.stringMatching(reason) },
  });
});
