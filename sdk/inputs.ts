import * as pulumi from "@pulumi/pulumi";

/** The same fields, each of which may be an output of another resource, at any depth. */
export type Inputs<T> = { [Key in keyof T]: pulumi.Input<Deep<T[Key]>> };

type Deep<T> = T extends readonly (infer Item)[]
  ? pulumi.Input<Deep<Item>>[]
  : T extends object
    ? { [Key in keyof T]: pulumi.Input<Deep<T[Key]>> }
    : T;

/** What every resource of ours sends along: who asks for it, and the deadlines that the user set. */
export function common(name: string, options: pulumi.CustomResourceOptions | undefined): Record<string, unknown> {
  return {
    owner: { project: pulumi.getProject(), stack: pulumi.getStack(), resource: name },
    customTimeouts: options?.customTimeouts,
  };
}

/** Output keys with no value yet: Pulumi makes an output of each. */
export function pending(...names: string[]): Record<string, undefined> {
  return Object.fromEntries(names.map((name) => [name, undefined]));
}

/** Adds secret outputs to the options. */
export function withSecrets(
  options: pulumi.CustomResourceOptions | undefined,
  ...names: string[]
): pulumi.CustomResourceOptions {
  return pulumi.mergeOptions(options, { additionalSecretOutputs: names });
}
