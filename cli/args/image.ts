import { imageSchema, type ImageInputs, type ImageSpec } from "../../provider/schema/image";
import { imageName } from "../../provider/schema/fields";
import { UsageError } from "../trouble";
import { readPair } from "./pairs";

/** Options that say what an image is made of, as they were written. */
export interface BuildOptions {
  readonly file?: string;
  readonly buildArg?: readonly string[];
  readonly target?: string;
  /** `true` without a suite. */
  readonly debian?: string | true;
  readonly package?: readonly string[];
  readonly rootfs?: string;
  readonly arch?: string;
  readonly tag?: string;
}

const BY_FIELD: readonly (readonly [start: string, option: string])[] = [
  ["debian.suite", "--debian"],
  ["debian.packages", "--package"],
  ["containerfile.buildArgs", "--build-arg"],
  ["containerfile", "--file"],
  ["rootfs", "--rootfs"],
  ["architecture", "--arch"],
];

/** What an image is made of, checked. */
export type ImageSource = Pick<ImageSpec, "debian" | "containerfile" | "rootfs" | "architecture">;

/** Reads what an image is made of, as the fields of a program's `Image`. Throws a `UsageError` with all that is wrong. Pure. */
export function readImageSource(context: string | undefined, options: BuildOptions): ImageSource {
  const asked = [debianOf(options), rootfsOf(options), containerfileOf(context, options)].filter(
    (source) => source !== undefined,
  );
  const [source, ...others] = asked;
  if (options.package !== undefined && options.debian === undefined) throw new UsageError("--package is for --debian");
  if (source === undefined || others.length > 0)
    throw new UsageError("an image is made of one thing: a CONTEXT with a Containerfile, --debian, or --rootfs");
  const { tag } = options;
  if (tag !== undefined && (tag.includes("@") || !imageName.safeParse(tag).success))
    throw new UsageError(
      `--tag ${tag}: must be a name such as localhost/web or quay.io/x/web:2, in lower-case letters`,
    );
  const parsed = imageSchema.safeParse({ ...source, architecture: options.arch });
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map(({ path, message }) => {
    const field = path.join(".");
    return `${BY_FIELD.find(([start]) => field.startsWith(start))?.[1] ?? field}: ${message}`;
  });
  throw new UsageError(lines.join("\n       "));
}

function debianOf({ debian, package: packages }: BuildOptions): ImageInputs | undefined {
  if (debian === undefined) return undefined;
  return { debian: { packages: [...(packages ?? [])], ...(debian !== true && { suite: debian }) } };
}

function rootfsOf({ rootfs }: BuildOptions): ImageInputs | undefined {
  return rootfs === undefined ? undefined : { rootfs };
}

function containerfileOf(
  context: string | undefined,
  { file, target, buildArg = [] }: BuildOptions,
): ImageInputs | undefined {
  if ([context, file, target].every((one) => one === undefined) && buildArg.length === 0) return undefined;
  const buildArgs = Object.fromEntries(buildArg.map((text) => readPair("--build-arg", text)));
  return { containerfile: { ...placesOf(context, file), buildArgs, target } };
}

/** As podman-build(1): the file is looked for in the context. */
function placesOf(context: string | undefined, file: string | undefined): { path: string; context?: string } {
  const path = file ?? `${context ?? "."}/Containerfile`;
  return context === undefined ? { path } : { path, context };
}
