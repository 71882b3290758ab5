import { expect, jest, test } from "@jest/globals";
import { tellTrouble } from "../../../cli/trouble";
import { MayflyError } from "../../../provider/errors";

test.each([
  ["raise bootTimeout if it was still booting", "raise --boot-timeout if it was still booting"],
  ["take another hostPort; 0 finds a free one", "take another port of this host; 0 finds a free one"],
  ["see its log, and try again: pulumi up", "see its log, and try again"],
  ["run `pulumi up` again", "run the same again"],
])("a remedy is told in the command's words: %s", (remedy, told) => {
  const written = jest.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    expect(tellTrouble(new MayflyError("BOOT_TIMEOUT", "it did not come up", { remedy }), false)).toBe(1);
    expect(written.mock.calls.map(([text]) => String(text)).join("")).toMatch(
      `it did not come up\n  to fix: ${told}\n`,
    );
  } finally {
    written.mockRestore();
  }
});
