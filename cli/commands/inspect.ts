import type { Command } from "commander";
import { printJson } from "../output";
import { openSession } from "../rooms";
import { verb } from "../verb";

/** `mayfly inspect`: all that is known of a VM. */
export function inspect(): Command {
  return verb(
    "inspect",
    "Print all that is known of VMs, as JSON: size, ports, how to connect, failed logins, where logs are. No secrets.",
    ["mayfly inspect dev", "mayfly inspect dev | jq -r '.[0].ssh.port'", "mayfly inspect dev | jq '.[0].failedLogins'"],
  )
    .argument("<name...>", "the VMs")
    .option("--json", "print JSON, as always")
    .action(look);
}

const PATIENCE_SECONDS = 30; // with a guest that is asked for failed logins; one that hangs is described without

async function look(names: string[]): Promise<void> {
  using session = await openSession("inspect");
  const [{ findVM }, { describeVM }, { failedLogins }, { endpointOfVM }] = await Promise.all([
    import("../vms/find.js"),
    import("../vms/describe.js"),
    import("../vms/server-log.js"),
    import("../../provider/resources/vm-connection.js"),
  ]);
  const vms = names.map(async (name) => {
    const found = await findVM(name, session);
    const { id, record } = found;
    const endpoint = await endpointOfVM(id, session);
    const file = (part: string) => session.machines.file(id, part);
    const ssh = endpoint && {
      ...{ host: endpoint.host, port: endpoint.port, user: endpoint.user, hostKey: endpoint.hostKey },
      ...{ config: file("ssh_config"), identityFile: file("id") },
    };
    const described = await describeVM(found, session);
    const ask = async () => failedLogins(id, PATIENCE_SECONDS, session);
    const isUp = described.state === "running";
    const failed = isUp ? await session.step(`Asking ${name} for failed logins`, ask) : undefined;
    return {
      ...described,
      // By whom and from where, since the guest's boot; absent where the guest does not tell.
      failedLogins: failed?.map((one) => ({ ...one, last: new Date(one.last).toISOString() })),
      ...{ ssh, template: record.template, qemu: record.qemu?.pid, container: `mayfly-${id}` },
      ...{ folder: file("."), consoleLog: file("console.log"), sessionLog: file("sessions.jsonl") },
    };
  });
  printJson(await Promise.all(vms));
}
