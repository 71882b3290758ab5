import { connect } from "node:net";

/**
 * rsync's remote shell: hands the stream to the process that started rsync. See `ssh/sync-transfer.ts`. rsync appends a
 * host's name and what to run there; it has quoted that for a shell.
 */
const [, , path = "", , ...command] = process.argv;
const socket = connect({ path, allowHalfOpen: true });
socket.write(`${command.join(" ")}\n`);
process.stdin.pipe(socket).pipe(process.stdout);
socket.on("error", () => {
  process.exitCode = 1;
});
// rsync keeps our input open and waits for our end, as it has it from ssh(1): that comes when the other side has ended.
socket.on("close", () => {
  process.stdin.destroy();
});
socket.on("end", () => {
  socket.end();
});
