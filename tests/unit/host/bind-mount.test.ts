import { expect, test } from "@jest/globals";
import { bindMount } from "../../../provider/host/bind-mount";

test.each([
  ["/srv/site", "type=bind,source=/srv/site,target=/source"],
  ["/srv/a:b c", "type=bind,source=/srv/a:b c,target=/source"],
  ['/srv/a,"b"', 'type=bind,"source=/srv/a,""b""",target=/source'],
])("%s is one field, whatever is in it", (source, fields) => {
  expect(bindMount(source, "/source")).toEqual(["--mount", fields]);
});

test("is read-only where it is said", () => {
  expect(bindMount("/a", "/b", { readOnly: true })).toEqual(["--mount", "type=bind,source=/a,target=/b,readonly=true"]);
});
