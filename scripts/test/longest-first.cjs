/**
 * Files of tests that take a minute or more, the longest first. Jest goes by what it has measured, which in a new clone is
 * nothing, and then by the files' size; the last one would run for minutes beside idle workers.
 */
const LONG = ["disk-images", "network", "update", "images", "examples", "failures", "rootless", "core", "clones"];

/** @typedef {{ readonly path: string }} Test As jest has it, as far as this looks at it. */

/** See jest's option `testSequencer`. */
module.exports = class LongestFirst {
  /**
   * @param {readonly Test[]} tests In any order.
   * @returns {Test[]} In the order in which they begin.
   */
  sort(tests) {
    const place = (/** @type {Test} */ { path }) => {
      const index = LONG.findIndex((name) => path.endsWith(`/${name}.test.ts`));
      return index < 0 ? LONG.length : index;
    };
    return [...tests].sort((a, b) => place(a) - place(b));
  }

  /** Nothing is measured. */
  cacheResults() {
    // what is long is known
  }
};
