import type { Command } from "commander";
import { eachOf, tellOutcome } from "../each";
import { openSession, type Session } from "../rooms";
import { verb } from "../verb";
import type { FoundVM } from "../vms/find";

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
  const { findVM } = await import("../vms/find.js");
  const found = await eachOf(names, session, async (name) => ({ name, vm: await findVM(name, session) }));
  // At the same time: a guest that hangs is waited for.
  const described = await Promise.all(found.done.map(async ({ name, vm }) => describe(name, vm, session)));
  tellOutcome(found, true, described);
}

async function describe(name: string, found: FoundVM, session: Session): Promise<object> {
  const [{ describeVM }, { failedLogins }, { endpointOfVM }] = await Promise.all([
    import("../vms/describe.js"),
    import("../vms/server-log.js"),
    import("../../provider/resources/vm-connection.js"),
  ]);
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
}
