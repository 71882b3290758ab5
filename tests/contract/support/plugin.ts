import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { eventually } from "../../support/eventually";

/** The clone. */
const ROOT = join(__dirname, "..", "..", "..");
const PULUMI = join(ROOT, "node_modules", "@pulumi", "pulumi");
const SERVER = join(PULUMI, "cmd", "dynamic-provider");

/** Properties as they go over the wire. */
export type Wire = Record<string, unknown>;

/** What is saved of a thing that was begun and is not finished. */
export interface LeftOver {
  readonly id: string;
  readonly properties: Wire;
  readonly reasons: readonly string[];
}

/** A call that failed: what the user reads, and what is saved. */
export class CallError extends Error {
  constructor(
    message: string,
    readonly left: LeftOver | undefined,
  ) {
    super(message);
  }
}

// The parts of Pulumi's generated code that are used here; it has no better types.
type Message = Readonly<Record<string, (value?: unknown) => unknown>>;
interface MessageClass {
  new (): Message;
  deserializeBinary(bytes: unknown): Message;
}
interface Metadata {
  get(key: string): readonly unknown[];
}
type RequestType = `${"Check" | "Diff" | "Configure" | "Create" | "Read" | "Update" | "Delete"}Request`;
type Answer = (error: { details: string; metadata: Metadata } | null, response: Message) => void;
type Client = Readonly<Record<string, (request: Message, answer: Answer) => void>> & { close(): void };

// Through Pulumi: the very copies that its generated code was made with.
const ofPulumi = createRequire(join(PULUMI, "package.json"));
const messages = ofPulumi("./proto/provider_pb.js") as Record<RequestType | "ErrorResourceInitFailed", MessageClass>;
const { Status } = ofPulumi("./proto/status_pb.js") as { Status: MessageClass };
const { Struct } = ofPulumi("google-protobuf/google/protobuf/struct_pb") as {
  Struct: { fromJavaScript(value: Wire): Message };
};

/** Pulumi's own dynamic-provider process, spoken to by gRPC as the engine does. */
export class Plugin implements AsyncDisposable {
  /** All that it printed after its port. */
  output = "";

  private constructor(
    /** The process that was started: the plugin, or the one between. */
    readonly process: ChildProcessByStdio<null, Readable, Readable>,
    private readonly client: Client,
    private readonly home: string,
  ) {}

  /**
   * Starts it in the folder of an example, as `pulumi up` there would, with a data folder of its own.
   *
   * @param between Put a process in the engine's place, between this one and the plugin, so that it can be killed.
   */
  static async start({ environment = {}, between = false } = {}): Promise<Plugin> {
    const home = mkdtempSync(join(tmpdir(), "mayfly contract "));
    const server = [SERVER, "127.0.0.1:1"];
    const engine = `require("child_process").spawn(process.execPath, process.argv.slice(1), { detached: true, stdio: "inherit" })`;
    // Nobody is left to end it when whoever asks it is killed; but for its engine, after whose end it has something to do.
    const [program, ...args] = between
      ? [process.execPath, "-e", engine, "--", ...server]
      : ["setpriv", "--pdeathsig", "KILL", "--", process.execPath, ...server];
    const child = spawn(program, args, {
      cwd: join(ROOT, "examples", "quickstart"),
      env: { ...process.env, MAYFLY_HOME: home, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true, // a process group of its own, as the engine gives to a plugin
    });
    const lines = createInterface({ input: child.stdout });
    const [port] = (await once(lines, "line")) as [string];
    const plugin = new Plugin(child, connect(Number(port)), home);
    lines.on("line", (line) => {
      plugin.output += `${line}\n`;
    });
    child.stderr.on("data", (data: Buffer) => {
      plugin.output += data.toString();
    });
    await plugin.call("configure", "ConfigureRequest", { Args: {} });
    return plugin;
  }

  /** @param olds The inputs of a thing that is there; the engine sends none for a new one, or one to be replaced. */
  async check(news: Wire, olds: Wire = {}): Promise<{ inputs: Wire; failures: string[] }> {
    const response = await this.call("check", "CheckRequest", { Olds: olds, News: news });
    const failures = (get(response, "FailuresList") as Message[]).map((failure) => {
      // Pulumi prints the value of a property that is named, secret or not.
      if (get(failure, "Property") !== "") throw new Error(`names a property: ${get(failure, "Property") as string}`);
      return get(failure, "Reason") as string;
    });
    return { inputs: properties(response, "Inputs"), failures };
  }

  async diff(
    id: string,
    olds: Wire,
    news: Wire,
  ): Promise<{ changes: boolean | undefined; replaces: string[]; deleteFirst?: true }> {
    const response = await this.call("diff", "DiffRequest", { Id: id, Olds: olds, News: news });
    const changes = [undefined, false, true][get(response, "Changes") as number]; // DIFF_UNKNOWN, _NONE, _SOME
    const deleteFirst = get(response, "Deletebeforereplace") === true ? ({ deleteFirst: true } as const) : {};
    return { changes, replaces: get(response, "ReplacesList") as string[], ...deleteFirst };
  }

  async create(news: Wire): Promise<{ id: string; outs: Wire }> {
    const response = await this.call("create", "CreateRequest", { Properties: news });
    return { id: get(response, "Id") as string, outs: properties(response, "Properties") };
  }

  async read(id: string, olds: Wire): Promise<{ id: string; outs: Wire }> {
    const response = await this.call("read", "ReadRequest", { Id: id, Properties: olds });
    return { id: get(response, "Id") as string, outs: properties(response, "Properties") };
  }

  async update(id: string, olds: Wire, news: Wire): Promise<Wire> {
    return properties(await this.call("update", "UpdateRequest", { Id: id, Olds: olds, News: news }), "Properties");
  }

  async delete(id: string, olds: Wire): Promise<void> {
    await this.call("delete", "DeleteRequest", { Id: id, Properties: olds });
  }

  /** Waits until what it has printed ends so: its output comes by another way than its answers, sometimes after them. */
  async hasSaid(end: string): Promise<void> {
    const seen = () => this.output;
    await eventually(`the plugin says ${JSON.stringify(end)}`, 10, () => seen().endsWith(end), seen);
  }

  /** Waits until the plugin has ended and closed its output; says by which signal the started process ended. */
  async ended(): Promise<NodeJS.Signals | null> {
    if (!this.process.stdout.closed) await once(this.process, "close");
    return this.process.signalCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    this.process.kill("SIGKILL"); // the plugin behind a process between ends by itself; a test of its own
    await this.ended();
    rmSync(this.home, { recursive: true, force: true });
  }

  private async call(verb: string, type: RequestType, fields: Wire): Promise<Message> {
    const request = new messages[type]();
    for (const [name, value] of Object.entries(fields))
      request[`set${name}`]?.(typeof value === "object" ? Struct.fromJavaScript(value as Wire) : value);
    return new Promise((resolve, reject) => {
      this.client[verb]?.(request, (error, response) => {
        if (error === null) resolve(response);
        else reject(new CallError(error.details, leftOver(error.metadata)));
      });
    });
  }
}

function connect(port: number): Client {
  const { credentials } = ofPulumi("@grpc/grpc-js") as { credentials: { createInsecure(): unknown } };
  const { ResourceProviderClient } = ofPulumi("./proto/provider_grpc_pb.js") as {
    ResourceProviderClient: new (address: string, credentials: unknown) => Client;
  };
  return new ResourceProviderClient(`127.0.0.1:${String(port)}`, credentials.createInsecure());
}

/** `ErrorResourceInitFailed`, in the details of a failed call's status. */
function leftOver(metadata: Metadata): LeftOver | undefined {
  const [bytes] = metadata.get("grpc-status-details-bin");
  if (bytes === undefined) return undefined;
  const [detail] = get(Status.deserializeBinary(bytes), "DetailsList") as [Message];
  const failed = messages.ErrorResourceInitFailed.deserializeBinary(get(detail, "Value_asU8"));
  return {
    id: get(failed, "Id") as string,
    properties: properties(failed, "Properties"),
    reasons: get(failed, "ReasonsList") as string[],
  };
}

function get(message: Message, field: string): unknown {
  return message[`get${field}`]?.();
}

function properties(message: Message, field: string): Wire {
  const struct = get(message, field) as { toJavaScript(): Wire } | undefined;
  return struct?.toJavaScript() ?? {};
}
