import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Struct } from "google-protobuf/google/protobuf/struct_pb";

const ROOT = join(__dirname, "..", "..", "..");
const PULUMI = join(ROOT, "node_modules", "@pulumi", "pulumi");
// The very copies that Pulumi's generated code was made with.
const pulumiRequire = createRequire(join(PULUMI, "package.json"));
const grpc = pulumiRequire("@grpc/grpc-js") as typeof import("@grpc/grpc-js");
const { Struct: StructClass } = pulumiRequire("google-protobuf/google/protobuf/struct_pb") as {
  Struct: typeof Struct;
};
const messages = pulumiRequire("./proto/provider_pb.js") as Messages;
const { ResourceProviderClient } = pulumiRequire("./proto/provider_grpc_pb.js") as {
  ResourceProviderClient: new (address: string, credentials: unknown) => Client;
};

type Message = Record<string, (value?: unknown) => unknown>;
type Messages = Record<string, (new () => Message) & { deserializeBinary?: (bytes: Uint8Array) => Message }>;
type Answer = (error: (Error & { details: string; metadata: Metadata }) | null, response: Message) => void;
type Client = Record<string, (request: Message, answer: Answer) => void> & { close(): void };
interface Metadata {
  get(key: string): (string | Uint8Array)[];
}

/** Properties as they go over the wire. */
export type Wire = Record<string, unknown>;

/** A failed call: what the user reads, and what is saved of a thing that was begun. */
export class CallError extends Error {
  constructor(
    message: string,
    readonly left?: { id: string; properties: Wire; reasons: string[] },
  ) {
    super(message);
  }
}

/** Pulumi's own dynamic-provider process, and its gRPC as the engine speaks it. */
export class Plugin implements AsyncDisposable {
  /** All that it printed after its port. */
  output = "";

  private constructor(
    readonly process: ReturnType<typeof spawn>,
    private readonly client: Client,
    private readonly home: string,
  ) {}

  /** Starts it in the folder of an example, as `pulumi up` there would, with a data folder of its own. */
  static async start(environment: Record<string, string> = {}): Promise<Plugin> {
    const home = await mkdtemp(join(tmpdir(), "mayfly contract "));
    const child = spawn(process.execPath, [join(PULUMI, "cmd", "dynamic-provider"), "127.0.0.1:1"], {
      cwd: join(ROOT, "examples", "quickstart"),
      env: { ...process.env, MAYFLY_HOME: home, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true, // a process group of its own, as the engine gives it
    });
    const lines = createInterface({ input: child.stdout });
    const [port] = (await once(lines, "line")) as [string];
    const plugin = new Plugin(child, new ResourceProviderClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure()), home);
    lines.on("line", (line) => (plugin.output += `${line}\n`));
    child.stderr.on("data", (data: Buffer) => (plugin.output += data.toString()));
    await plugin.call("configure", "ConfigureRequest", { Args: {} });
    return plugin;
  }

  async check(news: Wire, olds: Wire = {}): Promise<{ inputs: Wire; failures: { property: string; reason: string }[] }> {
    const response = await this.call("check", "CheckRequest", { Olds: olds, News: news });
    const failures = (response["getFailuresList"]?.() as Message[]).map((failure) => ({
      property: String(failure["getProperty"]?.()),
      reason: String(failure["getReason"]?.()),
    }));
    return { inputs: plain(response["getInputs"]?.()), failures };
  }

  async diff(id: string, olds: Wire, news: Wire): Promise<{ changes: boolean | undefined; replaces: string[] }> {
    const response = await this.call("diff", "DiffRequest", { Id: id, Olds: olds, News: news });
    const changes = [undefined, false, true][Number(response["getChanges"]?.())]; // DIFF_UNKNOWN, _NONE, _SOME
    return { changes, replaces: response["getReplacesList"]?.() as string[] };
  }

  async create(properties: Wire): Promise<{ id: string; properties: Wire }> {
    const response = await this.call("create", "CreateRequest", { Properties: properties });
    return { id: String(response["getId"]?.()), properties: plain(response["getProperties"]?.()) };
  }

  async read(id: string, properties: Wire): Promise<{ id: string; properties: Wire }> {
    const response = await this.call("read", "ReadRequest", { Id: id, Properties: properties });
    return { id: String(response["getId"]?.()), properties: plain(response["getProperties"]?.()) };
  }

  async update(id: string, olds: Wire, news: Wire): Promise<Wire> {
    const response = await this.call("update", "UpdateRequest", { Id: id, Olds: olds, News: news });
    return plain(response["getProperties"]?.());
  }

  async delete(id: string, properties: Wire): Promise<void> {
    await this.call("delete", "DeleteRequest", { Id: id, Properties: properties });
  }

  /** Waits for its end; says which signal it was. */
  async ended(): Promise<NodeJS.Signals | number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, "exit");
    return this.process.signalCode ?? this.process.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    this.process.kill("SIGKILL");
    await this.ended();
    await rm(this.home, { recursive: true, force: true });
  }

  private async call(verb: string, type: string, fields: Record<string, unknown>): Promise<Message> {
    const request = new (messages[type] as NonNullable<Messages[string]>)();
    for (const [name, value] of Object.entries(fields))
      request[`set${name}`]?.(typeof value === "object" ? StructClass.fromJavaScript(value as never) : value);
    return new Promise((resolve, reject) => {
      this.client[verb]?.(request, (error, response) => {
        if (error === null) resolve(response);
        else reject(new CallError(error.details, leftOver(error.metadata)));
      });
    });
  }
}

/** What the engine saves of a thing that was begun: `ErrorResourceInitFailed` in the details of the status. */
function leftOver(metadata: Metadata): CallError["left"] {
  const [bytes] = metadata.get("grpc-status-details-bin");
  if (bytes === undefined) return undefined;
  const { Status } = pulumiRequire("./proto/status_pb.js") as { Status: { deserializeBinary(b: unknown): Message } };
  const [detail] = Status.deserializeBinary(bytes)["getDetailsList"]?.() as Message[];
  const failed = messages["ErrorResourceInitFailed"]?.deserializeBinary?.(detail?.["getValue_asU8"]?.() as Uint8Array);
  return {
    id: String(failed?.["getId"]?.()),
    properties: plain(failed?.["getProperties"]?.()),
    reasons: failed?.["getReasonsList"]?.() as string[],
  };
}

function plain(struct: unknown): Wire {
  return (struct as Struct | undefined)?.toJavaScript() ?? {};
}
