import type { Command } from "commander";
import type { JudgedRung } from "../../provider/diagnose/ladder";
import { EXIT } from "../exit-codes";
import { coloured, print, printJson } from "../output";
import { openSession } from "../rooms";
import { verbWithJson } from "../verb";

/** `mayfly diagnose`: why a VM can't be worked with. */
export function diagnose(): Command {
  return verbWithJson(
    "diagnose",
    "Find out why a VM can't be logged in to: from its container by qemu, kernel, init, sshd, port and keys up to a command that " +
      "really runs, then load, memory, disk, clock and private networks. Names the first rung of that ladder that is broken, the cause, and what to do; looks " +
      "also from inside the guest, which needs no SSH. Changes nothing. Ends with 1 where something is broken.",
    ["mayfly diagnose dev", "mayfly diagnose --json dev | jq '.firstBroken.cause'"],
  )
    .argument("<name>", "the VM")
    .action(examine);
}

async function examine(name: string, { json }: { readonly json?: true }): Promise<void> {
  using session = await openSession("diagnose");
  const [{ findVM, refuseStopped }, { endpointOfVM }] = await Promise.all([
    import("../vms/find.js"),
    import("../../provider/resources/vm-connection.js"),
  ]);
  const vm = await findVM(name, session);
  const { id } = vm;
  if (!(await session.machines.isAlive(id))) refuseStopped(name, vm); // a guest that was told to shut down may hang
  const endpoint = await endpointOfVM(id, session);
  const diagnosis = await session.step(`Looking at ${name}`, () =>
    session.diagnose.machine({ id, name, endpoint }, session.signal),
  );
  const { rungs, firstBroken, isHealthy } = diagnosis;
  if (json === true) printJson({ name, id, isHealthy, firstBroken: firstBroken ?? null, rungs });
  else {
    for (const rung of rungs) tell(rung);
    print(
      isHealthy
        ? `${name} is healthy`
        : `${name}: ${firstBroken?.cause ?? "nobody has logged in, so it is not known to be healthy"}`,
    );
  }
  if (!isHealthy) process.exitCode = EXIT.failed;
}

const MARKS = { ok: ["green", "ok  "], unknown: ["dim", "?   "], broken: ["red", "FAIL"] } as const;

function tell(rung: JudgedRung): void {
  const [colour, mark] = MARKS[rung.state];
  const indented = (text: string) => text.replaceAll("\n", "\n      ");
  print(`${coloured(colour, mark)}  ${rung.name}: ${indented(rung.seen)}`);
  if (rung.state !== "broken") return;
  print(`      cause: ${indented(rung.cause)}`);
  print(`      to fix: ${indented(rung.remedy)}`);
}
