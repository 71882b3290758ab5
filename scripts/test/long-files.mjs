/**
 * Files of tests that take a minute or more, the longest first. Jest goes by what it has measured, which in a new clone
 * is nothing, and then by the files' size: the last one would run for minutes beside an idle worker.
 */
export const LONG = [
  "disk-images",
  "network",
  "update",
  "images",
  "examples",
  "failures",
  "rootless",
  "core",
  "clones",
];
