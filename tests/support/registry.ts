import { createServer, type Server } from "node:http";
import { createReadStream, existsSync, readFileSync } from "node:fs";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** A registry of one image under any name, for podman to pull from: the part of the OCI distribution protocol for that. */
export class Registry implements AsyncDisposable {
  /** Paths that were asked for. */
  readonly asked: string[] = [];

  /** @param folder The image, as `podman push IMAGE dir:FOLDER` writes it. */
  private constructor(
    private readonly server: Server,
    public folder: string,
  ) {
    server.on("request", ({ url = "", method }, response) => {
      this.asked.push(url);
      const blob = join(this.folder, /\/blobs\/sha256:(\w+)$/.exec(url)?.[1] ?? "-");
      if (url === "/v2/") response.end("{}");
      else if (url.includes("/manifests/")) {
        const text = readFileSync(join(this.folder, "manifest.json"), "utf8");
        const { mediaType = "application/vnd.oci.image.manifest.v1+json" } = JSON.parse(text) as { mediaType?: string };
        response.setHeader("content-type", mediaType);
        response.end(method === "HEAD" ? undefined : text);
      } else if (existsSync(blob)) createReadStream(blob).pipe(response);
      else response.writeHead(404).end();
    });
  }

  /** Starts it at a free port. */
  static async serve(folder: string): Promise<Registry> {
    const server = createServer();
    const registry = new Registry(server, folder);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return registry;
  }

  /** As image names begin. */
  get host(): string {
    return `127.0.0.1:${String((this.server.address() as AddressInfo).port)}`;
  }

  /** Text for `CONTAINERS_REGISTRIES_CONF`: it speaks HTTP. */
  get configuration(): string {
    return `[[registry]]\nlocation = "${this.host}"\ninsecure = true\n`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}
