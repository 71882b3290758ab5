import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { GuestScratch } from "../../support/guest-scratch";

// The guest's own script, in a scratch root: what a test with a VM shows of it too, and what only a fault can show.

const SCRIPT = "/usr/lib/mayfly/apply-access.sh";
const APPLY = `sh ${SCRIPT}`;

/** The same with functions in the place of some programs: busybox's shell would not look for others by PATH. */
const applyWith = (functions: string) => `sh -c '${functions}; . ${SCRIPT}'`;
let guest: GuestScratch;

beforeEach(() => {
  guest = new GuestScratch();
});
afterEach(() => {
  guest[Symbol.dispose]();
});

/** A user's line: name, id, groups, sudo, home. */
const user = (name: string, id = "1001?", groups = "-", sudo = "no", home = "-") =>
  [name, id, groups, sudo, "-", home].join("\t");

/** Sends who may log in, as the host does; `users` is name to line. */
function declare(users: Record<string, string>, keys: Record<string, string>, place = "etc/mayfly/access.next"): void {
  guest.write(
    `${place}/users`,
    Object.values(users)
      .map((line) => `${line}\n`)
      .join(""),
  );
  for (const name of ["root", ...Object.keys(users)]) guest.write(`${place}/keys/${name}`, keys[name] ?? "");
}

const names = (file: string) => [...guest.read(file).matchAll(/^[^:]*/gm)].map(([name]) => name).filter(Boolean);
const inForce = () => {
  const keys = join(guest.folder, "etc/mayfly/access/keys");
  return Object.fromEntries(readdirSync(keys).map((name) => [name, guest.read(`etc/mayfly/access/keys/${name}`)]));
};
const versions = () => readdirSync(join(guest.folder, "etc/mayfly")).filter((name) => name.startsWith("access."));

test("accounts, groups, sudo rules and keys become what is declared, and what was before goes", () => {
  declare({ bob: user("bob", "1001?", "video,games", "yes"), ann: user("ann", "1002") }, { root: "r1", bob: "b1" });
  expect(guest.run(APPLY)).toBe("");
  expect(inForce()).toEqual({ root: "r1", bob: "b1", ann: "" });
  expect(names("etc/passwd")).toEqual(["root", "image", "bob", "ann"]);
  expect(guest.read("etc/group")).toContain("video:x:44:image,bob\n");
  expect(guest.read("etc/sudoers.d/mayfly-bob")).toBe("bob ALL=(ALL) NOPASSWD: ALL\n");
  expect(guest.read("etc/shadow")).toContain("bob:*:");

  declare({ ann: user("ann", "1002", "video", "yes"), cat: user("cat", "1000?") }, { root: "r2", cat: "c2" });
  expect(guest.run(APPLY)).toBe("");
  expect(inForce()).toEqual({ root: "r2", ann: "", cat: "c2" });
  expect(names("etc/passwd")).toEqual(["root", "image", "ann", "cat"]);
  expect(names("etc/shadow")).toEqual(["root", "image", "ann", "cat"]);
  expect(guest.read("etc/passwd")).toContain("cat:x:1004:1004:"); // 1000 is an image's user, 1003 the group games
  expect(guest.read("etc/group")).toContain("video:x:44:image,ann\n");
  expect(readdirSync(join(guest.folder, "etc/sudoers.d"))).toEqual(["mayfly-ann"]);
  expect(versions()).toEqual([readlinkSync(join(guest.folder, "etc/mayfly/access"))]);
});

test("a home is made whole; one that is there is left alone, but for the user's own that a mount below it has made", () => {
  guest.write("etc/skel/.profile", "");
  guest.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nimage:x:1000:50::/home/image:/bin/sh\n");
  guest.run(
    "mkdir -p /var/www/site /home/cat/src /home/dan; chmod 755 /var/www /home/cat /home/dan; chown 33:33 /var/www",
  );
  const users = {
    ...{ bob: user("bob", "1001", "-", "no", "/srv/homes/bob"), ann: user("ann", "1002", "-", "no", "/var/www") },
    ...{ cat: user("cat", "1003"), dan: user("dan", "1004") },
    image: user("image", "1000", "-", "no", "/srv/image"),
  };
  declare(users, {});
  const seen = guest.run(
    `mount -t tmpfs -o mode=755 host /home/dan
     ${APPLY}
     for folder in /srv/homes/bob /srv/homes/bob/.profile /var/www /var/www/site /home/cat /home/cat/src /home/dan /srv/image; do
       stat -c '%n %a %u:%g' $folder
     done`,
  );
  expect(seen.trim().split("\n")).toEqual([
    ...["/srv/homes/bob 700 1001:1001", "/srv/homes/bob/.profile 644 1001:1001"],
    ...["/var/www 755 33:33", "/var/www/site 755 0:0", "/home/cat 755 1003:1003", "/home/cat/src 755 0:0"],
    ...["/home/dan 755 0:0", "/srv/image 700 1000:50"],
  ]);
});

test.each(["", "by a former version"])(
  "an account of the image's own stays when it is taken out, with all that it runs %s",
  (former) => {
    const users = { bob: user("bob", "1001"), image: user("image", "1000", "games", "yes") };
    declare(users, { bob: "b1", image: "i1" });
    guest.write("etc/group", `${guest.read("etc/group")}bob:x:7:\n`);
    guest.run(former === "" ? APPLY : `${APPLY}; rm /etc/mayfly/made`);
    guest.run(`rm -rf /etc/mayfly/access.next; cp -r /etc/mayfly/access/. /etc/mayfly/access.next; ${APPLY}`); // a reboot
    declare({}, { root: "r2" });
    const seen = guest.run(
      `for name in daemon session; do until [ -s /tmp/$name ]; do sleep 0.01; done; done
     ${APPLY}
     lives() { grep -q 'State:.[^Z]' /proc/$(cat /tmp/$1)/status 2>/dev/null; }
     tries=0
     while lives session && [ $tries -lt 500 ]; do tries=$((tries + 1)); sleep 0.01; done
     for name in daemon session; do lives $name && echo "$name lives" || echo "$name ended"; done`,
      `setpriv --reuid 1000 --clear-groups sleep 100 & echo $! >tmp/daemon
     (exec -a "sshd: image@notty" bash -c "sleep 100; :") & echo $! >tmp/session`,
    );
    expect(seen).toBe("daemon lives\nsession ended\n");
    expect(inForce()).toEqual({ root: "r2" });
    for (const file of ["etc/passwd", "etc/shadow"]) expect(names(file)).toEqual(["root", "image"]);
    const games = "games:x:1002:\n"; // a group that was missing
    expect(guest.read("etc/group")).toBe(
      `root:x:0:\nshadow:x:42:\nvideo:x:44:image\nimage:x:1000:\nbob:x:7:\n${games}`,
    );
    expect(readdirSync(join(guest.folder, "etc/sudoers.d"))).toEqual([]);
  },
);

test("groups are the image's where it has them, also beside its programs; a user's own has an id that no other has", () => {
  guest.write("usr/lib/group", "wheel:x:10:\ncat:x:12:\nmany:x:1007:\n");
  guest.write("usr/lib/passwd", "system:x:1000:1000::/:/bin/false\n");
  const users = {
    ...{ video: user("video", "1005"), shy: user("shy", "44"), cat: user("cat", "1006"), dog: user("dog", "1007") },
    bob: user("bob", "1008", "wheel"),
  };
  declare(users, {});
  expect(guest.run(APPLY)).toBe("");
  expect(guest.read("etc/passwd")).toMatch(
    /^video:x:1005:44:.*\nshy:x:44:(\d+):.*\ncat:x:1006:12:.*\ndog:x:1007:(?!1007)\d+:.*\nbob:x:1008:1008:.*\n$/m,
  );
  const groups = guest
    .read("etc/group")
    .trim()
    .split("\n")
    .map((line) => line.split(":"));
  expect(groups.filter(([name]) => name === "wheel")).toEqual([["wheel", "x", "10", "bob"]]);
  expect(new Set(groups.map(([, , id]) => id)).size).toBe(groups.length);
  declare({}, {});
  expect(guest.run(APPLY)).toBe("");
  expect(names("etc/group")).toContain("video"); // the image's
  expect(names("etc/group")).not.toContain("bob");
});

describe("a declaration that cannot be met", () => {
  test.each([
    ["an id that another has", user("cat", "1000"), "user cat: the id 1000 belongs to another user of the guest"],
    ["another id than it has", user("image", "1500"), "user image: has the id 1000 already, not 1500"],
  ])("%s: all stays as it was", (_what, line, problem) => {
    declare({ bob: user("bob") }, { root: "r1", bob: "b1" });
    guest.run(APPLY);
    const before = ["passwd", "shadow", "group"].map((name) => guest.read(`etc/${name}`));
    declare({ dan: user("dan", "1003", "-", "yes"), [line.split("\t")[0] ?? ""]: line }, { root: "r2" });
    expect(guest.run(`${APPLY} || echo failed`)).toBe(`problem: ${problem}\nfailed\n`);
    expect(inForce()).toEqual({ root: "r1", bob: "b1" });
    expect(["passwd", "shadow", "group"].map((name) => guest.read(`etc/${name}`))).toEqual(before);
    expect(readdirSync(join(guest.folder, "etc/sudoers.d"))).toEqual([]);
  });
});

test("a full disk costs no account and no key", () => {
  declare({ bob: user("bob") }, { root: "r1", bob: "b1" });
  guest.run(APPLY);
  declare({ cat: user("cat", "1002?", "video") }, { root: "r2", cat: "c2" });
  const seen = guest.run(
    `cp -a /etc /etc2; mount -t tmpfs -o size=200k tmpfs /etc; cp -a /etc2/. /etc
     cat /dev/zero >/etc/full 2>/dev/null
     ${APPLY} 2>/dev/null || echo failed
     cmp /etc/passwd /etc2/passwd; cmp /etc/shadow /etc2/shadow; cat /etc/mayfly/access/keys/*
     rm /etc/full; rm -rf /etc/mayfly/access.next; cp -a /etc2/mayfly/access.next /etc/mayfly
     ${APPLY}; echo; cat /etc/mayfly/access/keys/*; echo; cut -d: -f1 /etc/passwd | tr '\\n' ' '`,
  );
  expect(seen).toBe("problem: user cat cannot be made\nfailed\nb1r1\nc2r2\nroot image cat ");
});

test("whatever step it is killed before, one of the two sets is in force as a whole, and the next run makes it good", () => {
  declare({ bob: user("bob", "1001?", "video", "yes") }, { root: "r1", bob: "b1" });
  guest.run(`${APPLY}; cp -a /etc /before`);
  declare({ cat: user("cat", "1002?", "video") }, { root: "r2", cat: "c2" }, "next");
  const changes = ["mv", "ln", "rm"].map(
    (name) => `${name}() { left=$((left - 1)); [ $left != 0 ] || kill -KILL $$; busybox ${name} "$@"; }`,
  );
  const seen = guest
    .run(
      `state() {
         echo "$(cd /etc/mayfly/access/keys && grep '' /dev/null * | tr '\\n' ' ')|$(cut -d: -f1 /etc/passwd | tr '\\n' ' ')"
       }
       declare() { rm -rf /etc/mayfly/access.next; cp -a /next /etc/mayfly/access.next; }
       step=0
       while [ $step -lt 100 ]; do
         step=$((step + 1))
         rm -rf /etc; cp -a /before /etc; declare
         ${applyWith(`left=$0; ${changes.join("; ")}`)} $step 2>/dev/null && break
         killed=$(state)
         declare; ${APPLY}
         echo "$killed|$(state)|$(cd /etc && echo mayfly/access.* sudoers.d/*)"
       done
       echo "steps $step"`,
    )
    .trim()
    .split("\n");
  const rounds = seen.slice(0, -1).map((line) => line.split("|"));
  expect(seen.at(-1)).toBe(`steps ${String(rounds.length + 1)}`);
  expect(rounds.length).toBeGreaterThan(12);
  const [before, after] = ["bob:b1 root:r1 ", "cat:c2 root:r2 "];
  const sets = rounds.map(([keys]) => keys);
  const flip = sets.indexOf(after);
  expect(sets).toEqual([...Array<string>(flip).fill(before), ...Array<string>(rounds.length - flip).fill(after)]);
  for (const [keys = "", accounts = "", keysAtLast, accountsAtLast, leftovers] of rounds) {
    expect(accounts).toMatch(/^root image /);
    expect(accounts).toContain(keys === before ? " bob " : " cat "); // whose key is in force can log in
    expect([keysAtLast, accountsAtLast]).toEqual([after, "root image cat "]);
    expect(leftovers).toMatch(/^mayfly\/access\.[0-9a-f-]+ sudoers\.d\/\*$/); // one set, and nobody's rule
  }
});

test.each(["access.0123456789abcdef0123456789abcdef", "access.first-boot"])(
  "the first set, %s, goes as any other: so do root's sessions with its key",
  (first) => {
    declare({}, { root: "r1" }, `etc/mayfly/${first}`);
    declare({ ann: user("ann") }, { ann: "a1" });
    const seen = guest.run(
      `ln -s ${first} /etc/mayfly/access
       until [ -s /tmp/root ]; do sleep 0.01; done
       ${APPLY}
       tries=0
       while grep -q 'State:.[^Z]' /proc/$(cat /tmp/root)/status 2>/dev/null && [ $tries -lt 500 ]; do tries=$((tries + 1)); sleep 0.01; done
       [ $tries = 500 ] && echo lives || echo ended`,
      `(exec -a "sshd: root@notty" bash -c "sleep 100; :") & echo $! >tmp/root`,
    );
    expect(seen).toBe("ended\n");
    expect(inForce()).toEqual({ root: "", ann: "a1" });
    expect(versions()).toEqual([readlinkSync(join(guest.folder, "etc/mayfly/access"))]);
  },
);

test("what a removed user runs ends, and so do the sessions of an account that has no key left; others stay", () => {
  declare({ bob: user("bob", "1001"), ann: user("ann", "1002") }, { root: "r1", bob: "b1", ann: "a1" });
  guest.run(APPLY);
  declare({ ann: user("ann", "1002") }, { ann: "a2" }); // without root's key: rootLogin is false
  const seen = guest.run(
    `for name in root root.sshd ann ann.sshd daemon bob; do until [ -s /tmp/$name ]; do sleep 0.01; done; done
     ${APPLY}
     lives() { case $(grep State /proc/$(cat /tmp/$1)/status 2>/dev/null) in "" | *Z*) return 1 ;; esac; }
     for name in root root.sshd bob; do # a signal is sent at once, and heard when the process has its turn
       tries=0
       while lives $name && [ $tries -lt 500 ]; do tries=$((tries + 1)); sleep 0.01; done
     done
     for name in root root.sshd ann ann.sshd daemon bob; do
       lives $name && echo "$name lives" || echo "$name ended"
     done`,
    `session() { # session NAME TITLE: a process that is called so, and a command in it
       (exec -a "$2" bash -c "sleep 100 & echo \\$! >tmp/$1; echo \\$\\$ >tmp/$1.sshd; wait") &
     }
     session root "sshd: root@pts/0"
     session ann "sshd: ann@notty"
     sleep 100 & echo $! >tmp/daemon
     setpriv --reuid 1001 --clear-groups sleep 100 & bob=$!
     until grep -q '^Uid:.1001' proc/$bob/status; do sleep 0.01; done; echo $bob >tmp/bob`,
  );
  const expected = { root: "ended", "root.sshd": "ended", ann: "lives", "ann.sshd": "lives", daemon: "lives" };
  expect(
    Object.fromEntries(
      seen
        .trim()
        .split("\n")
        .map((line) => line.split(" ") as [string, string]),
    ),
  ).toEqual({
    ...expected,
    bob: "ended",
  });
  expect(existsSync(join(guest.folder, "etc/mayfly/access/keys/bob"))).toBe(false);
});
