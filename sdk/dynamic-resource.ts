import * as pulumi from "@pulumi/pulumi";

/**
 * A resource of Pulumi's dynamic provider whose code is this package.
 *
 * `pulumi.dynamic.Resource` would write the provider's functions into the stack's state by serialising them: the text
 * depends on the compiler, it stands twice beside each resource (2.2 kB each time), and the serialiser costs each run
 * of a program 0.7 s. So no resource of ours is an instance of that class. All that Pulumi's provider process asks for is
 * a module with a `handler` (`getProvider` in `@pulumi/pulumi/cmd/dynamic-provider`), so the text here is written by hand,
 * once, and says where the code is.
 */
export abstract class DynamicResource extends pulumi.CustomResource {
  /**
   * @param kind The kind, as the provider has it: `VM`.
   * @param name Name in the program.
   * @param props Inputs, and each output's key.
   * @param options Pulumi's options.
   */
  protected constructor(
    kind: string,
    name: string,
    props: Record<string, unknown>,
    options?: pulumi.CustomResourceOptions,
  ) {
    super(typeOf(kind), name, { ...props, __provider: providerText(kind) }, options);
  }
}

/** The type under which Pulumi's state has a kind of ours. */
export function typeOf(kind: string): string {
  return `pulumi-nodejs:dynamic/mayfly:${kind}`;
}

/**
 * What users' state files keep of the provider, and Pulumi runs for as long as the stack lives: it does nothing but call
 * the installed package by name. The text never changes (a test holds it), while the code behind it does.
 */
export function providerText(kind: string): string {
  return `exports.handler = () => require("pulumi-mayfly/runtime").provider(${JSON.stringify(kind)});`;
}
