import { expect, test } from "@jest/globals";
import { MayflyError } from "../../../provider/errors";
import { noSuchSuite } from "../../../provider/images/debian";

const failed = (evidence: string) => new MayflyError("TOOL_FAILED", "mmdebstrap failed", { evidence, remedy: "…" });

test("a suite that the archive does not have is named, by the line that says so", () => {
  const said = `Err:2 http://archive.example/debian lenny Release
  404  Not Found [IP: 192.0.2.1 80]
E: The repository 'http://archive.example/debian lenny Release' does not have a Release file.
E: mmdebstrap failed to run`;
  expect(noSuchSuite(failed(said), "lenny")).toMatchObject({
    code: "IMAGE_NOT_FOUND",
    message: expect.stringMatching(
      /^there is no Debian suite "lenny" in the archive\nThe repository .*lenny/,
    ) as unknown,
  });
});

test("another failure stays what it is", () => {
  expect(noSuchSuite(failed("E: Unable to locate package nosuch"), "bookworm")).toBeUndefined();
  expect(noSuchSuite(new Error("does not have a Release file"), "bookworm")).toBeUndefined();
});
