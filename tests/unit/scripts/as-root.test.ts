import { expect, test } from "@jest/globals";

const asRoot = import("../../../scripts/setup/as-root.mjs");

test.each([
  [{}, {}],
  [{ http_proxy: "http://a" }, { http_proxy: "http://a" }],
  [{ HTTPS_PROXY: "http://b" }, { HTTPS_PROXY: "http://b", https_proxy: "http://b" }],
  [
    { no_proxy: "", NO_PROXY: "localhost" },
    { no_proxy: "localhost", NO_PROXY: "localhost" },
  ],
  [
    { http_proxy: "http://a", HTTP_PROXY: "http://b" },
    { http_proxy: "http://a", HTTP_PROXY: "http://b" },
  ],
])("of %j apt sees %j", async (env, seen) => {
  expect((await asRoot).withProxies(env)).toEqual(seen);
});
