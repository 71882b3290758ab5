import { MayflyError } from "../errors";

/** What a text that should be a private key turned out to be. */
export type KeyText =
  /** OpenSSH's own format, and how it is encrypted. */
  | { readonly format: "openssh"; readonly text: string; readonly cipher: string }
  /** Any PEM format that OpenSSL reads: PKCS#8, PKCS#1, SEC1, encrypted or not. */
  | { readonly format: "pem"; readonly text: string };

/** Texts that are often taken for a private key, and what to do about each. */
const MISTAKEN: readonly (readonly [pattern: RegExp, what: string, remedy: string])[] = [
  [
    /^(?:ssh-|ecdsa-sha2-|sk-)\S+ [A-Za-z0-9+/]|- ?BEGIN (?:\w+ )?PUBLIC KEY/,
    "a public key",
    "give the private one: the file without .pub",
  ],
  [/-BEGIN CERTIFICATE-|-cert-v01@openssh\.com /, "a certificate", "give the private key that belongs to it"],
  [/^PuTTY-User-Key-File/, "a key in PuTTY's format", "puttygen key.ppk -O private-openssh -o key"],
  [/-BEGIN PGP /, "an OpenPGP key", "make an SSH key: ssh-keygen -t ed25519"],
  [/-BEGIN DSA /, "a DSA key, which OpenSSH no longer accepts", "make a new key: ssh-keygen -t ed25519"],
  [/^(?:~|\.{0,2}\/)?[\w.@ -]*(?:\/[\w.@ -]+)+$/, "a path", "give the file's text: fs.readFileSync(path, 'utf8')"],
];

const BEGIN = /-----BEGIN ((?:OPENSSH |RSA |EC |ENCRYPTED )?)PRIVATE KEY-----/;

/**
 * Sees what a text holds, without opening it. Forgives what is lost in copying: line ends of Windows, blanks around
 * lines, a missing newline at the end.
 *
 * @throws {MayflyError} `BAD_KEY`, which says what was given instead of a private key. Never shows any of it.
 */
export function recogniseKey(given: string): KeyText {
  const text = given
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .join("\n")
    .trim();
  if (text === "") throw badKey("is empty", KEY_WANTED);
  const [, kind] = BEGIN.exec(text) ?? [];
  if (kind === undefined) {
    const mistaken = MISTAKEN.find(([pattern]) => pattern.test(text));
    throw mistaken === undefined
      ? badKey("has an unknown format", KEY_WANTED)
      : badKey(`is ${mistaken[1]}`, mistaken[2]);
  }
  if (!text.includes(`-----END ${kind}PRIVATE KEY-----`))
    throw badKey("is cut off: its last line is missing", KEY_WANTED);
  if (kind !== "OPENSSH ") return { format: "pem", text: `${text}\n` };
  return { format: "openssh", text: `${text}\n`, cipher: cipherOf(text) };
}

const KEY_WANTED =
  "give the whole text of a private key, from -----BEGIN to -----END; `ssh-keygen -t ed25519` makes one";

/** The error for a private key that can't be used. */
export function badKey(problem: string, remedy: string): MayflyError {
  return new MayflyError("BAD_KEY", `the private key ${problem}`, { remedy });
}

/** The second field of OpenSSH's format (`PROTOCOL.key` in its sources); `none` for a key that is not encrypted. */
function cipherOf(text: string): string {
  const blob = Buffer.from(text.replaceAll(/-----[^\n]*-----|\n/g, ""), "base64");
  const magic = "openssh-key-v1\0";
  if (blob.length < magic.length + 4 || blob.toString("latin1", 0, magic.length) !== magic)
    throw badKey("is damaged", KEY_WANTED);
  const length = blob.readUInt32BE(magic.length);
  return blob.toString("latin1", magic.length + 4, magic.length + 4 + length);
}
