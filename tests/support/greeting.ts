import { once } from "node:events";
import { connect } from "node:net";

/** What a server says first at `HOST:PORT`. Rejects when it says nothing, or nobody is there. */
export async function greeting(address: string): Promise<string> {
  const [host = "", port] = address.split(":");
  const socket = connect(Number(port), host).setEncoding("utf8");
  try {
    const signal = AbortSignal.timeout(60_000); // a guest may have to wait for a busy host
    const [text] = await Promise.race([
      once(socket, "data", { signal }) as Promise<[string]>,
      once(socket, "close", { signal }).then(() => Promise.reject(new Error(`${address} says nothing`))),
    ]);
    return text;
  } finally {
    socket.destroy();
  }
}

/** Whether an SSH server answers there. */
export async function hasSsh(address: string): Promise<boolean> {
  return (await greeting(address).catch(() => "")).startsWith("SSH-2.0-");
}
