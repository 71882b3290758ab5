// What each Node process of a test's stack loads first, by NODE_OPTIONS: Pulumi's program, its provider process, ours.

// Pulumi's SDK sets this flag in the midst of being loaded, and V8 takes from a compile cache nothing that was compiled under
// other flags: half of what there is would be compiled anew, and put away anew, each time.
require("node:v8").setFlagsFromString("--allow-natives-syntax");

// The language host that is built from Go modules (pulumi-from-go.mjs) takes no notice of `typescript: false`, and a
// JavaScript program would load the TypeScript compiler and ts-node each time.
if (process.env["MAYFLY_TEST_PLAIN_JAVASCRIPT"]) delete process.env["PULUMI_NODEJS_TYPESCRIPT"];
