import { quote } from "../host/shell";

/**
 * How a command reaches the guest without ever standing in a process's arguments, where every user of the guest could
 * read it. What sshd is asked to run is only a small reader, the same for all commands. The command and its environment
 * follow on standard input; the reader takes exactly those bytes and leaves the rest to the command.
 *
 * The reader is a line for the login shell itself, so that nothing is started beyond what sshd starts anyway: a shell
 * that knows POSIX's `read` takes single bytes from a pipe, never more than its line. Measured on loopback: as fast as a
 * plain exec (4.3 ms); through a `sh` of its own 0.7 ms more.
 */

/** What is to run, and in what surroundings. */
export interface Program {
  /** Read by the login shell, or by `interpreter`. Without NUL. */
  readonly command: string;
  /** Variables by name. Without NUL. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
  /** Working directory; `~` stands for the user's home. @default the home */
  readonly directory?: string | undefined;
  /** Program and arguments; the command becomes the argument after them. @default the login shell */
  readonly interpreter?: readonly string[] | undefined;
}

/**
 * Ways to read the program, from the quickest to the one that works everywhere. A server on which one fails has not
 * begun the command, so the next is tried; see {@link nextReader}.
 *
 * - `block`: the login shell and `dd`, for long programs (100 KB: 12 ms instead of 65).
 * - `lines`: the login shell, line by line.
 * - `shell`: `/bin/sh`, for login shells that are no POSIX shell (fish, csh).
 */
export type Reader = "block" | "lines" | "shell";

/** Exit code of a reader that did not get its program. */
export const NOT_READ = 97;

const READERS: readonly Reader[] = ["block", "lines", "shell"];
const BLOCK_BYTES = 8_192; // from here on starting `dd` costs less than reading single bytes

/** The reader to start with: `known` is the best one that works on this server, as far as we know. */
export function chooseReader(program: string, known: Reader): Reader {
  return known === "block" && Buffer.byteLength(program) < BLOCK_BYTES ? "lines" : known;
}

/** The reader to try after `failed` did not start the command; `undefined` when none is left. */
export function nextReader(failed: Reader): Reader | undefined {
  return READERS[READERS.indexOf(failed) + 1];
}

/** What sshd is asked to run. Holds no secret: `token` is a random word that marks the end of the program. */
export function renderReader(reader: Reader, token: string, program: string): string {
  if (reader === "block") {
    const read = `_mf_p=$(dd bs=${String(Buffer.byteLength(program))} count=1 iflag=fullblock 2>/dev/null)`;
    return `${read};case $_mf_p in *"${token}")eval "$_mf_p";;*)exit ${String(NOT_READ)};;esac`;
  }
  const loop = `while :;do IFS= read -r _mf_l||exit ${String(NOT_READ)};case $_mf_l in "${token}")break;;esac;_mf_p=$_mf_p$_mf_l$_mf_n;done`;
  // The newline is written out for the login shell, whose start-up files may have changed IFS. csh takes none in
  // quotes, so for all other shells it comes from the default IFS, which /bin/sh always has.
  if (reader === "lines") return `_mf_n='\n';_mf_p=;${loop};eval "$_mf_p"`;
  return `exec /bin/sh -c '_mf_n=\${IFS#??};_mf_p=;${loop};eval "$_mf_p"'`;
}

/**
 * The program as shell text for the start of standard input. The first thing it does is print {@link startMark}: from
 * then on, and not before, the command may have begun.
 */
export function renderProgram(program: Program, token: string, reader: Reader): string {
  const steps = ["unset _mf_n _mf_p _mf_l", `echo "${token} $$"`];
  for (const [name, value] of Object.entries(program.environment ?? {})) steps.push(`export ${name}=${quote(value)}`);
  // CDPATH could make cd print the folder, hence the redirection.
  if (program.directory !== undefined) steps.push(`cd -- ${quotePath(program.directory)} >/dev/null || exit`);
  steps.push(renderStart(program, reader));
  // One line, so that the shell's error messages count the lines of the command alone. The end keeps its exit status.
  return `${steps.join(";")}\n${reader === "block" ? `# ${token}` : `${token}\n`}`;
}

/** Matches what the program prints first. The group is the process id, which is also that of its process group. */
export function startMark(token: string): RegExp {
  return new RegExp(`${token} (\\d+)\\r?\\n`);
}

function renderStart({ interpreter, command }: Program, reader: Reader): string {
  if (interpreter !== undefined) return `exec ${[...interpreter, command].map(quote).join(" ")}`;
  // A login shell that is no POSIX shell takes its command as sshd would have given it: as an argument.
  if (reader === "shell") return `exec "$SHELL" -c ${quote(command)}`;
  return `eval ${quote(command)}`;
}

/**
 * What sshd is asked to run to end a process group: TERM, and KILL for what is left after 2 s. Over a session of its
 * own, because sshd itself signals no process of root's sessions ("session signalling requires privilege separation").
 * Where the server made no group for the command (dropbear), the process and all its descendants are ended instead.
 * What the command runs by `sudo` is root's, and takes a signal by `sudo` only.
 *
 * Ends with 0 once nothing is left, else with 1 and the ids of the processes that are.
 */
export function renderEnd(processGroup: number): string {
  const script = [
    "exec 2>/dev/null",
    "t(){ echo $1;for c in $(cat /proc/$1/task/$1/children);do t $c;done;}",
    // What is left. By /proc, since kill -0 fails for root's processes as it does for none. A zombie is none.
    'w(){ sed -n "s/^\\([0-9]*\\) (.*) [^ZX] $1.*/\\1/p" $2;}',
    'l(){ case $p in -*)w "[0-9]* $g " "/proc/[0-9]*/stat";;*)for q in $p;do w "" /proc/$q/stat;done;;esac;}',
    'g=$0;p=-$g;[ "$(l)" ]||p=$(t $g)',
    // Whether some of it is not ours to signal. Asked while nothing ends, or sudo would be called, and log it, for nothing.
    "n(){ for q in $(l);do kill -0 $q||return 0;done;return 1;}",
    's=;n&&s="sudo -n";kill -TERM $p;[ "$s" ]&&$s kill -TERM $p;i=0',
    // Not every sleep takes fractions.
    'while [ $i -lt 20 ];do sleep 0.1||sleep 1;kill -0 $p||[ "$(l)" ]||exit 0;i=$((i+1));done',
    // A process may take a second to go: its memory is given back first, which a guest under emulation does slowly.
    'n&&s="sudo -n";kill -KILL $p;[ "$s" ]&&$s kill -KILL $p;i=0',
    'while x=$(l);[ "$x" ];do [ $i -lt 12 ]||{ echo $x;exit 1;};sleep 0.1||sleep 1;i=$((i+1));done',
  ];
  return `exec /bin/sh -c '${script.join(";")}' ${String(processGroup)}`;
}

/**
 * The processes that {@link renderEnd} could not end. Only its last line tells them: what a login shell's start-up files
 * print comes before it, and may have numbers in it too.
 */
export function readSurvivors(exitCode: number | null | undefined, printed: string): number[] {
  const last = /(?:\d+ )*\d+$/.exec(printed.trimEnd())?.[0];
  return exitCode === 1 && last !== undefined ? last.split(" ").map(Number) : [];
}

function quotePath(path: string): string {
  if (path === "~") return '"$HOME"';
  return path.startsWith("~/") ? `"$HOME"/${quote(path.slice(2))}` : quote(path);
}
