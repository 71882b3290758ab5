/** How a container has a file or folder of the host. */
export interface BindOptions {
  /** The container can't write to it. @default false */
  readonly readOnly?: boolean;
}

/**
 * Podman's arguments for a file or folder of the host at a place in a container. Not `--volume`, which takes a path to end
 * at a colon: the fields of `--mount` are those of a line of CSV, where a quoted one may hold anything (podman-run(1)).
 */
export function bindMount(source: string, target: string, { readOnly = false }: BindOptions = {}): string[] {
  const fields = ["type=bind", `source=${source}`, `target=${target}`, ...(readOnly ? ["readonly=true"] : [])];
  return ["--mount", fields.map(quoted).join(",")];
}

/** RFC 4180: quoted where it has to be, and then with its quotes twice. */
function quoted(field: string): string {
  return /[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
