import { expect, test } from "@jest/globals";
import type { Podman } from "../../../provider/host/podman";
import { askRegistry } from "../../../provider/images/registry";

const DIGEST = `sha256:${"1".repeat(64)}`;

test.each([
  ["r.io:5000/team/app:1.2", "r.io:5000/team/app:1.2"],
  [`r.io:5000/team/app@${DIGEST}`, `r.io:5000/team/app@${DIGEST}`],
  [`r.io:5000/team/app:1.2@${DIGEST}`, `r.io:5000/team/app@${DIGEST}`], // podman refuses to look at a name with both
])("a registry is asked for %s as podman takes it", async (name, expected) => {
  const asked: string[] = [];
  const run = ([, , asks = ""]: readonly string[]) => {
    asked.push(asks);
    return Promise.resolve(JSON.stringify({ config: { digest: "sha256:2" }, layers: [{ size: 3 }] }));
  };
  const podman = { run } as unknown as Podman;
  expect(await askRegistry(podman, name, "amd64", AbortSignal.timeout(60_000))).toEqual({ id: "2", bytes: 3 });
  expect(asked).toEqual([expected]);
});
