import type { VMSpec } from "../schema/vm";

/** Who `connection` logs in as: as in the other tools of this kind. */
export const loginUser = "root";

const FIRST_USER_ID = 1_000; // as adduser(8) counts

/** User ids by name: those declared, the others in order from 1000 up; root is 0. */
export function userIds(users: VMSpec["users"]): ReadonlyMap<string, number> {
  const ids = new Map<string, number>([[loginUser, 0]]);
  for (const { name, uid } of users) if (uid !== undefined) ids.set(name, uid);
  const taken = new Set(ids.values());
  let next = FIRST_USER_ID;
  for (const { name, uid } of users) {
    if (uid !== undefined) continue;
    while (taken.has(next)) next += 1;
    taken.add(next);
    ids.set(name, next);
  }
  return ids;
}
