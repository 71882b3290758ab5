/** What the packages need that this one stands on; `engines` in package.json, which npm only warns of. */
const OLDEST: readonly [major: number, minor: number] = [22, 12];

/** Why this Node cannot run us: older ones fail half-way, in words that help nobody. `undefined` where it can. */
export function nodeProblem(version = process.versions.node): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isEnough = major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
  return isEnough ? undefined : `this is Node ${version}, and pulumi-mayfly needs ${OLDEST.join(".")} or newer`;
}
