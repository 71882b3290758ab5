import * as pulumi from "@pulumi/pulumi";
import { typeOf } from "./dynamic-resource";

/** The same fields, each of which may be an output of another resource, at any depth. */
export type Inputs<T> = { [Key in keyof T]: pulumi.Input<Deep<T[Key]>> };

type Deep<T> = T extends readonly (infer Item)[]
  ? pulumi.Input<Deep<Item>>[]
  : T extends object
    ? { [Key in keyof T]: pulumi.Input<Deep<T[Key]>> }
    : T;

/** The arguments. JavaScript lets a program forget them: what they lack is then told field by field, at preview. */
export function given<Args extends object>(args: Args | null | undefined): Args {
  return args ?? ({} as Args);
}

/**
 * What every resource of ours sends along: who asks for it, which labels its container, and the deadlines that the user
 * set, since Pulumi does not hand these to a dynamic resource.
 */
export function common(name: string, options: pulumi.CustomResourceOptions | undefined): Record<string, unknown> {
  return {
    owner: { project: pulumi.getProject(), stack: pulumi.getStack(), resource: name },
    customTimeouts: options?.customTimeouts,
  };
}

/** Output keys with no value yet: Pulumi makes an output of each, which is unknown until `up`. */
export function pending(...names: string[]): Record<string, undefined> {
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

/**
 * Marks an input as secret, as it is whatever the program says: Pulumi encrypts it in the stack's state and shows
 * `[secret]`. Nothing stays nothing.
 */
export function secret(value: unknown): unknown {
  return value === undefined ? undefined : pulumi.secret(value);
}

/** Adds outputs that are secret to the options. */
export function withSecrets(
  options: pulumi.CustomResourceOptions | undefined,
  ...names: string[]
): pulumi.CustomResourceOptions {
  return pulumi.mergeOptions(options, { additionalSecretOutputs: names });
}

/** Whether an object is a resource of a kind of ours, also one that another copy of this package made. */
export function isOfKind(object: unknown, kind: string): boolean {
  return pulumi.CustomResource.isInstance(object) && hasType(object, typeOf(kind));
}

function hasType(resource: pulumi.CustomResource, type: string): boolean {
  return "__pulumiType" in resource && resource.__pulumiType === type;
}
