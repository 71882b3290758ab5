import { afterEach, expect, jest, test } from "@jest/globals";
import { showProgress } from "../../../cli/output";

afterEach(() => {
  jest.restoreAllMocks();
});

test("without a terminal progress is told once in ten seconds, in lines of its own", () => {
  const said: string[] = [];
  jest.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
  const at = (seconds: number, text: string) => {
    jest.spyOn(performance, "now").mockReturnValue(seconds * 1_000);
    showProgress(text);
  };
  at(3, "Looking the image up…");
  at(11, "Debian bookworm: downloading packages");
  at(15, "Debian bookworm: extracting archives");
  at(21.5, "Booting dev (tcg)… 20.0 s");
  expect(said).toEqual(["Debian bookworm: downloading packages\n", "Booting dev (tcg)… 20.0 s\n"]);
});
