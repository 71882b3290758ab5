/**
 * Files of tests that take most of a minute or more: the longest first, those that wait for VMs beside those that wait for
 * Pulumi. Jest goes by what it has measured, which in a new clone is nothing, and then by the files' size: the last one
 * would run for minutes beside idle workers.
 */
export const LONG = [
  "disk-images",
  "failures",
  "examples",
  "network",
  "update",
  "images",
  "rootless",
  "cli",
  "core",
  "cli-stop",
  "tools",
  "clones",
  "diagnose",
  "image-habits",
  "package",
  "chaos",
];
