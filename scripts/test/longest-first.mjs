import sequencing from "@jest/test-sequencer";
import { LONG } from "./long-files.mjs";

// Its types are those of CommonJS, where the class is one level deeper.
const Sequencer = /** @type {typeof sequencing.default} */ (/** @type {unknown} */ (sequencing));

/** @typedef {Parameters<InstanceType<typeof Sequencer>["sort"]>[0]} Tests */

/** Jest's own order, but for what is known to be long: its option `testSequencer`. */
// eslint-disable-next-line no-restricted-syntax -- what jest takes is a module's default
export default class LongestFirst extends Sequencer {
  /**
   * @override
   * @param {Tests} tests In any order.
   * @returns {Promise<Tests>} In the order in which they begin.
   */
  async sort(tests) {
    return [...(await super.sort(tests))].sort((a, b) => place(a) - place(b));
  }
}

/** @param {{ readonly path: string }} test A file. */
function place({ path }) {
  const index = LONG.findIndex((name) => path.endsWith(`/${name}.test.ts`));
  return index < 0 ? LONG.length : index;
}
