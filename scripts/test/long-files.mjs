/**
 * Files of tests that take most of a minute or more, the longest first. Jest goes by what it has measured, which in a new clone
 * is nothing, and then by the files' size: the last one would run for minutes beside an idle worker.
 */
export const LONG = [
  "disk-images",
  "network",
  "update",
  "images",
  "cli",
  "examples",
  "failures",
  "rootless",
  "cli-stop",
  "core",
  "clones",
  "diagnose",
  "package",
];
