import type * as pulumi from "@pulumi/pulumi";

/* eslint-disable @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-explicit-any -- frozen text: see below */

/**
 * The provider of one kind. Pulumi writes the text of these functions, as compiled, into users' state files, and runs
 * what it finds there for as long as the stack lives. So they do nothing but call the installed package by name: the
 * text never changes (a golden test holds it), while the code behind it does.
 */
export const trampoline = (kind: string): pulumi.dynamic.ResourceProvider => ({
  configure: (request: any) => require("pulumi-mayfly/runtime").configure(kind, request),
  check: (olds: any, news: any) => require("pulumi-mayfly/runtime").check(kind, olds, news),
  diff: (id: any, olds: any, news: any) => require("pulumi-mayfly/runtime").diff(kind, id, olds, news),
  create: (inputs: any) => require("pulumi-mayfly/runtime").create(kind, inputs),
  read: (id: any, props: any) => require("pulumi-mayfly/runtime").read(kind, id, props),
  update: (id: any, olds: any, news: any) => require("pulumi-mayfly/runtime").update(kind, id, olds, news),
  delete: (id: any, props: any) => require("pulumi-mayfly/runtime").delete(kind, id, props),
});
