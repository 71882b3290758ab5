import { test } from "@jest/globals";
import { editors } from "./core/editors";
import { sshTools } from "./core/ssh-tools";
import { openCopy } from "../support/project";

test("dev-environment: every program that speaks SSH works on it by its name", async () => {
  await using project = await openCopy("dev-environment");
  await project.pulumi("config", "set", "include", "false"); // whoever runs the tests has a ~/.ssh/config of their own
  await project.pulumi("up", "--yes", "--skip-preview");
  await sshTools(project);
  await editors(project);
});
