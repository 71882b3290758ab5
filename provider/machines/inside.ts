/** Where things are inside a machine's container. */
export const INSIDE = {
  /** The machine's own folder: sockets, pipes, disks. Writable. */
  machine: "/machine",
  /** Boot artefacts of its image. Read-only. */
  artefacts: "/artefacts",
  /** The template that a machine starts from, or that it becomes. */
  template: "/template",
  /** The machine's own copy of a template's memory, where other processes must share it. */
  memory: "/memory",
} as const;
