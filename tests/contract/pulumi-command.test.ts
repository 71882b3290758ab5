import { dirname, join } from "node:path";
import { expect, test } from "@jest/globals";
import type { remote, types } from "@pulumi/command";
import ts from "typescript";
import type { z } from "zod";
import { connection } from "../../provider/schema/fields";
import type { Connection, VM } from "../../sdk";

// `@pulumi/command` is generated from its provider's schema, fields, types and all. `npm run typecheck` compares the
// types, the tests the names; the provider itself is no npm package.

type ConnectionArgs = types.input.remote.ConnectionArgs;

/** A VM's connection is one of theirs, as it is and as an output. */
export const asTheirs = (ours: Connection): ConnectionArgs => ours;
/** It fits their resources. */
export const command = (vm: VM): remote.CommandArgs => ({ connection: vm.connection, create: "uptime" });
/** Likewise. */
export const copy = (vm: VM, source: remote.CopyToRemoteArgs["source"]): remote.CopyToRemoteArgs => {
  return { connection: vm.connection, source, remotePath: "/root/file" };
};

/** Names of the fields of an interface in a file of declarations: those that may be left out with a question mark. */
function fieldsOf(path: string, name: string): string[] {
  const source = ts.createSourceFile(path, ts.sys.readFile(path) ?? "", ts.ScriptTarget.Latest, true);
  const fields: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isInterfaceDeclaration(node) && node.name.text === name)
      for (const member of node.members)
        if (ts.isPropertySignature(member)) fields.push(`${member.name.getText()}${member.questionToken ? "?" : ""}`);
    node.forEachChild(visit);
  };
  visit(source);
  return fields.sort();
}

const theirs = join(dirname(require.resolve("@pulumi/command")), "types", "input.d.ts");
const ours = join(__dirname, "..", "..", "sdk", "vm.ts");
const bare = (fields: readonly string[]) => fields.map((field) => field.replace("?", ""));

test("vm.connection has only fields that remote.Command knows, and all that it requires", () => {
  const known = fieldsOf(theirs, "ConnectionArgs");
  const given = fieldsOf(ours, "Connection");
  expect(known).toEqual(expect.arrayContaining(["host", "hostKey?", "port?", "privateKey?", "user?"]));
  expect(bare(known)).toEqual(expect.arrayContaining(bare(given)));
  expect(given).toEqual(expect.arrayContaining(known.filter((field) => !field.endsWith("?"))));
});

test.each([
  ["ConnectionArgs", connection.shape],
  ["ProxyConnectionArgs", connection.shape.proxy.unwrap().shape],
])("a connection that was written for remote.Command has the same fields here: %s", (name, shape: z.ZodRawShape) => {
  const ofPrograms = Object.keys(shape).filter((field) => field !== "keyOf"); // set by the SDK, for a `vm`
  expect(ofPrograms.sort()).toEqual(bare(fieldsOf(theirs, name)).sort());
});
