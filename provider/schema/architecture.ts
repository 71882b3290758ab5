import { z } from "zod";

/** Processors that a VM can have; as Go, OCI images and Debian name them. */
const ARCHITECTURES = ["amd64", "arm64"] as const;

/** One of them. */
export type ArchitectureName = (typeof ARCHITECTURES)[number];

/** A processor, as a program names it. */
export const architecture = z.enum(ARCHITECTURES, 'must be "amd64" or "arm64"');
