import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { tellOwnLog as say } from "../host/own-log";
import { sharedFolder, type Paths } from "../host/paths";
import { identifySelf, isAlive } from "../host/process-identity";
import { Records } from "../host/records";
import { watchFolder } from "../host/watch-folder";
import type { MachineRecord } from "../machines/record";
import { Cable, type CableEvents } from "./cable";
import { nameLines, type NamedMember } from "./names";
import type { NetworkRecord } from "./record";
import { Switch } from "./switch";

const LOOK_MS = 2_000; // should a change have gone unnoticed, or no watch be had
const SETTLE_MS = 20; // several records change at once
const HURRY_MS = 50; // between tries to reach a machine that is just being made
const PATIENCE_MS = 1_000; // or any other

/** A machine of the network. */
interface Member extends NamedMember {
  readonly cable: Cable;
}

/**
 * The process behind one private network: its switch, with a cable to each machine that has a place in it. It outlives
 * `pulumi up`. Which machines these are is on their own records, so it has nothing to remember: one that takes the place
 * of another which was killed knows all at once. Its own record is its life.
 */
export class Keeper {
  readonly #networks: Records<NetworkRecord>;
  readonly #machines: Records<MachineRecord>;
  readonly #switch = new Switch<Cable>();
  readonly #members = new Map<string, Member>();
  readonly #watches: (() => void)[] = [];
  readonly #self = identifySelf();
  /** Absent until it is on record: before that no look finds it there. */
  #interval: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isOver = false;
  #lastTrouble = "";

  private constructor(
    private readonly paths: Paths,
    private readonly id: string,
  ) {
    this.#networks = new Records(join(paths.records, "networks"));
    this.#machines = new Records(join(paths.records, "machines"));
    process.once("SIGTERM", () => this.#end("was told to"));
  }

  /** Keeps a network's switch running, until the network is gone. It is on record once nothing can keep it from its work. */
  static async run(paths: Paths, id: string): Promise<void> {
    const keeper = new Keeper(paths, id);
    const record = await keeper.#networks.read(id);
    if (record === undefined || (record.switch !== undefined && isAlive(record.switch))) {
      keeper.#end("is not needed");
      return;
    }
    for (const kind of ["networks", "machines"]) await keeper.#follow(join(paths.records, kind));
    await keeper.#networks.write(id, { ...record, switch: keeper.#self });
    keeper.#interval = setInterval(() => keeper.#lookSoon(), LOOK_MS);
    say("runs");
    await keeper.#look();
  }

  async #follow(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const stop = watchFolder(folder, () => this.#lookSoon());
    if (stop !== undefined) this.#watches.push(stop);
    else this.#complain(`this user's inotify watches are used up: looks every ${String(LOOK_MS / 1_000)} s`);
  }

  #lookSoon(): void {
    if (this.#interval === undefined) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.#look();
    }, SETTLE_MS);
  }

  async #look(): Promise<void> {
    if (this.#isOver) return;
    if (this.#isLooking) {
      this.#lookSoon(); // what has changed may have been read already
      return;
    }
    this.#isLooking = true;
    try {
      const own = await this.#networks.read(this.id);
      if (own === undefined || !isDeepStrictEqual(own.switch, this.#self)) this.#end("is not the network's any more");
      else this.#rewire(await this.#machines.list());
      this.#lastTrouble = "";
    } catch (error) {
      this.#complain(`cannot read the records: ${String(error)}`); // there is another look
    } finally {
      this.#isLooking = false;
    }
  }

  /** Once, not at every look. */
  #complain(text: string): void {
    if (text !== this.#lastTrouble) say(text);
    this.#lastTrouble = text;
  }

  /** Has a cable to each machine that has a place in the network and is not dead, and tells them the names. */
  #rewire(records: ReadonlyMap<string, MachineRecord>): void {
    for (const [id, { cable }] of this.#members) {
      const record = records.get(id);
      if (record !== undefined && lives(record)) continue;
      this.#members.delete(id);
      cable.close();
    }
    for (const [id, record] of records) if (lives(record)) this.#wire(id, record);
    const lines = nameLines([...this.#members.values()]);
    for (const { cable } of this.#members.values()) cable.tell(lines);
  }

  #wire(id: string, { seats = [], phase, createdAt }: MachineRecord): void {
    for (const [index, { network, address, names, mac }] of seats.entries()) {
      if (network !== this.id) continue;
      const end = { folder: sharedFolder(this.paths, id), index, mac, address };
      const cable = this.#members.get(id)?.cable ?? new Cable(end, this.#eventsOf(id, names.join(" ")));
      this.#members.set(id, { address, names, createdAt, isUp: phase !== "starting", cable });
    }
  }

  #eventsOf(id: string, name: string): CableEvents {
    return {
      onUp: (cable) => {
        this.#switch.add(cable);
        say(`connected to ${name} (${id})`);
      },
      onDown: (cable) => {
        this.#switch.remove(cable);
        say(`disconnected from ${name} (${id})`);
        this.#lookSoon(); // it may have died
      },
      onFrame: (cable, packet) => {
        for (const target of this.#switch.route(cable, packet)) target.send(packet);
      },
      onTrouble: (reason) => say(`trouble with ${name} (${id}): ${reason}`),
      retryMs: () => (this.#members.get(id)?.isUp === false ? HURRY_MS : PATIENCE_MS),
    };
  }

  #end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#interval);
    clearTimeout(this.#soon);
    for (const stop of this.#watches) stop();
    for (const { cable } of this.#members.values()) cable.close();
    say(`ends, as it ${why}`);
  }
}

/** Whether its qemu runs, or it is just being made. */
function lives({ qemu, madeBy }: MachineRecord): boolean {
  return isAlive(qemu ?? madeBy);
}
