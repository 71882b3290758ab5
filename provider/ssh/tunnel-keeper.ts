import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import type { Server } from "node:net";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { MayflyError } from "../errors";
import { writeFileAtomic } from "../host/files";
import { tellOwnLog } from "../host/own-log";
import { identifySelf, isAlive } from "../host/process-identity";
import { watchFolder } from "../host/watch-folder";
import { nameOf } from "./endpoint";
import type { SshConnection } from "./connection";
import { serve, type Answer, type Request } from "./tunnel-control";
import { openLocal, RemoteForward, type ActiveForward } from "./tunnel-forwards";
import { Link } from "./tunnel-link";
import { listening, listeningAt, spell, type Forward, type Place, type TunnelRecord } from "./tunnel-spec";

/** Name of a tunnel's record within its folder. */
export const RECORD = "tunnel.json";

const LOOK_MS = 2_000; // whether the record is still there, and whom its forwards are for
const RETRY_MS = 2_000; // a port of this host that somebody else has taken meanwhile
const ENDING_MS = 3_000;
const EMPTY_MS = 60_000;

interface Kept {
  readonly forward: Forward;
  /** Absent while its place is taken. */
  readonly active: ActiveForward | undefined;
}

/**
 * The process behind one tunnel: one connection with any number of forwards. It outlives `pulumi up`. Its record is its
 * life: when that is gone, with the machine or with the last forward, so is the process.
 */
export class Keeper {
  readonly #kept = new Map<string, Kept>();
  readonly #link: Link;
  #unwatch: (() => void) | undefined;
  readonly #timers: NodeJS.Timeout[] = [];
  #control: Server | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** Forwards that wait for the link; one that is taken away meanwhile is not to come. */
  readonly #arriving = new Set<{ readonly id: string; isRemoved: boolean }>();
  #lastWord = "";
  #isEnding = false;

  private constructor(
    private readonly folder: string,
    private record: TunnelRecord,
  ) {
    const name = nameOf(record.endpoint);
    this.#link = new Link(record.endpoint, record.privateKeyFile, {
      onUp: (connection) => {
        this.#say(`connected to ${name}`);
        for (const { active } of this.#kept.values()) active?.onUp(connection);
      },
      onDown: (reason) => {
        this.#say(`no connection to ${name}: ${reason}`);
        this.#endIfOver();
      },
    });
  }

  /** Keeps the tunnel of a folder, until it is over. */
  static async run(folder: string): Promise<void> {
    const record = JSON.parse(await readFile(join(folder, RECORD), "utf8")) as TunnelRecord;
    if (record.keeper !== undefined && isAlive(record.keeper)) return; // another one was quicker
    const keeper = new Keeper(folder, { ...record, keeper: identifySelf() });
    for (const forward of record.forwards) keeper.#kept.set(forward.id, { forward, active: undefined });
    keeper.record = { ...keeper.record, waiting: keeper.#waiting };
    await writeFileAtomic(join(folder, RECORD), spellRecord(keeper.record));
    await keeper.#reopen();
    keeper.#watch();
    keeper.#control = await serve(folder, (request) => keeper.#answer(request));
  }

  /** Those that wait for the guest do so before it is their turn. */
  async #answer(request: Request): Promise<Answer> {
    if (request.verb === "add") return this.#arrive(request);
    if (request.verb === "change") await this.#link.tryWay(request.endpoint, request.privateKeyFile); // others' forwards go by it
    return this.#inTurn(() => this.#handle(request));
  }

  /** Waits for the link before it is a forward's turn: a guest that is down holds up nobody who wants to take one away. */
  async #arrive({ forward, preferredPort }: Extract<Request, { verb: "add" }>): Promise<Answer> {
    const arriving = { id: forward.id, isRemoved: false };
    this.#arriving.add(arriving);
    try {
      const connection = await this.#link.firstUp();
      return await this.#inTurn(async () => {
        if (arriving.isRemoved) throw removed(forward);
        return this.#add(forward, preferredPort, connection);
      });
    } finally {
      this.#arriving.delete(arriving);
      if (this.#kept.size === 0) await this.#inTurn(() => this.#save());
      this.#endIfOver();
    }
  }

  async #handle(request: Exclude<Request, { verb: "add" }>): Promise<Answer> {
    switch (request.verb) {
      case "hello":
        return {};
      case "remove":
        return this.#remove(request.id);
      case "change": {
        const { endpoint, privateKeyFile } = request;
        this.record = { ...this.record, endpoint, privateKeyFile };
        this.#link.change(endpoint, privateKeyFile);
        await this.#save();
        return {};
      }
    }
  }

  async #add(forward: Forward, preferredPort: number, connection: SshConnection): Promise<Answer> {
    const former = [...this.#kept.values()].find(
      ({ forward: { id, owner } }) => id === forward.id || owner === forward.owner,
    );
    const before = former === undefined ? undefined : listening(former.forward);
    const preferred = preferredPort === 0 ? portOf(before) : preferredPort;
    const open = () =>
      forward.type === "remote"
        ? RemoteForward.open(forward, preferred, this.#link, this.#link.current ?? connection) // it may be a newer one
        : openLocal(forward, preferred, this.#link);
    try {
      const isApart = before === undefined || areApart(before, listening(forward), preferred);
      const active = await (former === undefined || isApart ? open() : this.#replace(former, open));
      if (former !== undefined) {
        this.#kept.delete(former.forward.id);
        if (isApart) await former.active?.close();
      }
      this.#kept.set(forward.id, { forward: listeningAt(forward, active.place), active });
      this.#say(`${forward.type} forward at ${spell(active.place)}`);
      return { place: active.place };
    } finally {
      await this.#save();
    }
  }

  /** Opens a forward where a former one is in the way; when that fails the former one is opened again. */
  async #replace(former: Kept, open: () => Promise<ActiveForward>): Promise<ActiveForward> {
    const { forward, active } = former;
    await active?.close();
    this.#kept.set(forward.id, { forward, active: undefined });
    try {
      return await open();
    } catch (error) {
      await this.#reopen();
      throw error;
    }
  }

  async #remove(id: string): Promise<Answer> {
    for (const arriving of this.#arriving) if (arriving.id === id) arriving.isRemoved = true;
    const kept = this.#kept.get(id);
    this.#kept.delete(id);
    await kept?.active?.close();
    await this.#save();
    this.#endIfOver();
    return { ends: this.#isEnding };
  }

  /** Takes away the forwards of processes that were killed before they could. */
  async #removeOrphans(): Promise<void> {
    for (const { forward } of [...this.#kept.values()])
      if (forward.endsWith !== undefined && !isAlive(forward.endsWith)) await this.#remove(forward.id);
  }

  async #openAgain(forward: Forward): Promise<ActiveForward> {
    return forward.type === "remote" ? RemoteForward.reopen(forward, this.#link) : openLocal(forward, 0, this.#link);
  }

  /** Opens what is recorded but not open: after a start, or when its port was taken at that time. */
  async #reopen(): Promise<void> {
    for (const [id, { forward, active }] of this.#kept) {
      if (active !== undefined) continue;
      try {
        this.#kept.set(id, { forward, active: await this.#openAgain(forward) });
      } catch (error) {
        this.#say((error as Error).message);
      }
    }
    const { forwards, waiting } = this.record;
    if (!isDeepStrictEqual({ forwards, waiting }, this.#what)) await this.#save(); // also where the last time failed
  }

  /** What is on record of the forwards. */
  get #what(): Required<Pick<TunnelRecord, "forwards" | "waiting">> {
    return { forwards: [...this.#kept.values()].map(({ forward }) => forward), waiting: this.#waiting };
  }

  /** Forwards that do not listen, though they are to. */
  get #waiting(): readonly string[] {
    return [...this.#kept].filter(([, { active }]) => active?.isListening !== true).map(([id]) => id);
  }

  #watch(): void {
    const look = () => {
      this.#endIfOver();
    };
    this.#unwatch = watchFolder(this.folder, look); // else every LOOK_MS
    this.#timers.push(setInterval(look, LOOK_MS));
    this.#timers.push(setInterval(() => this.#byItself(() => this.#reopen()), RETRY_MS));
    this.#timers.push(setInterval(() => this.#byItself(() => this.#removeOrphans()), LOOK_MS));
    // Whoever started us may have been killed before it asked for anything.
    setTimeout(
      () => this.#byItself(() => (this.#kept.size === 0 ? this.#save() : Promise.resolve())),
      EMPTY_MS,
    ).unref();
    process.once("SIGTERM", () => {
      this.#end();
    });
  }

  /** One thing at a time: requests come from several resources at once. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Work that nobody has asked for, in its turn. On a full disk what is kept cannot be written down, but goes on. */
  #byItself(work: () => Promise<void>): void {
    this.#inTurn(work).catch((error: unknown) => this.#say((error as Error).message));
  }

  /** Writes what is kept; nothing where nothing may be written any more. */
  async #save(): Promise<void> {
    const file = join(this.folder, RECORD);
    const record = { ...this.record, ...this.#what };
    if (existsSync(file)) await writeFileAtomic(file, spellRecord(record));
    this.record = record;
    if (this.#kept.size === 0 && this.#arriving.size === 0) await rm(file, { force: true });
  }

  #endIfOver(): void {
    if (!existsSync(join(this.folder, RECORD))) this.#end();
  }

  #end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#say("ended");
    for (const timer of this.#timers) clearInterval(timer);
    this.#unwatch?.();
    for (const { active } of this.#kept.values()) void active?.close();
    this.#control?.close();
    this.#link.close();
    // Whatever still holds this process up, it is not wanted any more.
    setTimeout(() => process.kill(process.pid, "SIGKILL"), ENDING_MS).unref();
  }

  #say(text: string): void {
    if (text === this.#lastWord) return; // a machine that is down for a week is one line
    this.#lastWord = text;
    tellOwnLog(text);
  }
}

function portOf(place: Place | undefined): number {
  return place !== undefined && "port" in place ? place.port : 0;
}

/** Whether two can listen at the same time. @param preferred What port 0 stands for; 0: any that is free. */
function areApart(one: Place, other: Place, preferred: number): boolean {
  if ("socket" in one || "socket" in other)
    return !("socket" in one && "socket" in other && one.socket === other.socket);
  return one.port !== (other.port === 0 ? preferred : other.port);
}

function removed(forward: Forward): MayflyError {
  return new MayflyError("CONNECT_FAILED", `the forward at ${spell(listening(forward))} was removed before it stood`, {
    remedy: "another run took it away meanwhile; run again if that was not meant: pulumi up",
  });
}

function spellRecord(record: TunnelRecord): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}
