import { expect, test } from "@jest/globals";
import { checkArchitecture } from "../../../provider/images/architecture";

test("an image for another processor is refused, with the remedy", () => {
  expect(() => checkArchitecture("arm64")).toThrow(
    [
      "the image is for arm64; machines are amd64",
      'podman image inspect says: "Architecture": "arm64"',
      "To fix: take the image's amd64 form: podman pull --arch amd64 NAME. Machines run in qemu-system-x86 (arm64 would " +
        "need qemu-system-arm, which Mayfly does not start)",
    ].join("\n"),
  );
});

test.each(["amd64", ""])("an image for %p is not", (architecture) => {
  expect(() => checkArchitecture(architecture)).not.toThrow();
});
