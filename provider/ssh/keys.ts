import { createPrivateKey, generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import type { PrivateKey } from "sshpk";
import { badKey, recogniseKey } from "./key-text";

/** A key pair, in the forms in which others want it. */
export interface KeyPair {
  /** One line of OpenSSH's form, the comment at its end. */
  readonly publicKey: string;
  /** OpenSSH's form, not encrypted, a newline at its end. Secret. */
  readonly privateKey: string;
  /** As OpenSSH prints it: `SHA256:…`. */
  readonly fingerprint: string;
}

/** What kind of key to make. */
export interface NewKey {
  readonly algorithm: "ed25519" | "ecdsa" | "rsa";
  /** 256, 384 or 521 for ecdsa, 3072 to 16384 for rsa. @default 256, 3072 */
  readonly bits?: number | undefined;
  /** Text at the end of the public key's line. @default "" */
  readonly comment?: string | undefined;
}

/** A key of the user's own. */
export interface OwnKey {
  /** Text of an OpenSSH, PEM or PKCS#8 private key. Secret. */
  readonly privateKey: string;
  /** Opens an encrypted key; without meaning for others. Secret. */
  readonly passphrase?: string | undefined;
  /** Text at the end of the public key's line. @default the key's own comment, "" where its format has none */
  readonly comment?: string | undefined;
}

const generate = promisify(generateKeyPair);
const SMALLEST_OWN_RSA = 2_048; // what NIST SP 800-131A still allows, and OpenSSH's servers by and large
const SMALLEST_NEW_RSA = 3_072; // 128 bits of security, as ed25519 has; also ssh-keygen's default
const CURVES: Readonly<Record<number, string>> = { 256: "P-256", 384: "P-384", 521: "P-521" };

/**
 * Makes a key pair, off the event loop: a large rsa key takes seconds.
 *
 * @throws {MayflyError} `BAD_KEY` when there is no such key.
 */
export async function makeKey({ algorithm, bits, comment = "" }: NewKey): Promise<KeyPair> {
  const made = await generateNew(algorithm, bits);
  return toPair(await fromOpenssl(made), comment);
}

async function generateNew(algorithm: NewKey["algorithm"], bits: number | undefined): Promise<KeyObject> {
  if (algorithm === "ed25519") return (await generate("ed25519")).privateKey;
  if (algorithm === "ecdsa") {
    const namedCurve = CURVES[bits ?? 256];
    if (namedCurve === undefined) throw badKey(`can't have ${String(bits)} bits`, "use 256, 384 or 521 for ecdsa");
    return (await generate("ec", { namedCurve })).privateKey;
  }
  const modulusLength = bits ?? SMALLEST_NEW_RSA;
  if (modulusLength < SMALLEST_NEW_RSA || modulusLength > 16_384)
    throw badKey(`can't have ${String(bits)} bits`, "use 3072 to 16384 for rsa");
  return (await generate("rsa", { modulusLength })).privateKey;
}

/**
 * Reads a key of the user's own.
 *
 * @throws {MayflyError} `BAD_KEY`, which says what is wrong with it (a public key, a wrong passphrase, none…) and holds
 * nothing of the key.
 */
export async function parseKey({ privateKey, passphrase, comment }: OwnKey): Promise<KeyPair> {
  const given = recogniseKey(privateKey);
  const key =
    given.format === "pem"
      ? await openPem(given.text, passphrase)
      : await openOpenssh(given.text, given.cipher, passphrase);
  refuseWeak(key);
  return toPair(key, comment ?? ownComment(key));
}

async function openPem(text: string, passphrase: string | undefined): Promise<PrivateKey> {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    throw explainPem(text, passphrase, (error as NodeJS.ErrnoException).code ?? "");
  }
  if (!["ed25519", "ec", "rsa"].includes(key.asymmetricKeyType ?? ""))
    throw badKey(`is of the kind ${key.asymmetricKeyType ?? "unknown"}, which SSH does not use`, USABLE);
  return fromOpenssl(key);
}

const USABLE = "use an ed25519, ecdsa or rsa key: `ssh-keygen -t ed25519` makes one";
const OPEN_IT = "give its passphrase, or a copy without one: ssh-keygen -p -f COPY";

function explainPem(text: string, passphrase: string | undefined, code: string): Error {
  if (!text.includes("ENCRYPTED")) return badKey("is damaged, or of a kind that can't be read", USABLE);
  if (passphrase === undefined) return badKey("is encrypted and no passphrase was given", OPEN_IT);
  // Not `ERR_OSSL_UNSUPPORTED`: a wrong passphrase in 300 leaves padding that looks right, round what is then no key.
  if (/(?:PEM|EVP)_UNSUPPORTED/.test(code))
    return badKey("is encrypted in a way that OpenSSL no longer reads", OPEN_IT);
  return badKey("can't be opened: the passphrase is wrong", OPEN_IT);
}

async function openOpenssh(text: string, cipher: string, passphrase: string | undefined): Promise<PrivateKey> {
  const { default: sshpk } = await import("sshpk");
  if (cipher === "none") {
    try {
      return sshpk.parsePrivateKey(text, "openssh");
    } catch {
      throw badKey("is damaged, or of a kind that can't be read (as those on security keys)", USABLE);
    }
  }
  if (passphrase === undefined) throw badKey("is encrypted and no passphrase was given", OPEN_IT);
  return sshpk.parsePrivateKey(await decrypt(text, cipher, passphrase), "openssh");
}

/**
 * Takes the encryption off, in a thread of its own: bcrypt in JavaScript takes 0.4 s with ssh-keygen's defaults, 2.4 s
 * with `-a 100`, and everything else of this process would stand still meanwhile.
 */
async function decrypt(text: string, cipher: string, passphrase: string): Promise<string> {
  const worker = new Worker(DECRYPT, { eval: true, workerData: { sshpk: require.resolve("sshpk"), text, passphrase } });
  const { opened, problem } = await new Promise<{ opened?: string; problem?: string }>((resolve, reject) => {
    worker.once("message", resolve).once("error", reject);
  });
  if (opened !== undefined) return opened;
  if (/passphrase|decrypt/i.test(problem ?? "")) throw badKey("can't be opened: the passphrase is wrong", OPEN_IT);
  throw badKey(`is encrypted with ${cipher}, or damaged, and can't be read`, "ssh-keygen -p -Z aes256-ctr -f COPY");
}

const DECRYPT = `
const { parentPort, workerData } = require("node:worker_threads");
const sshpk = require(workerData.sshpk);
try {
  const key = sshpk.parsePrivateKey(workerData.text, "openssh", { passphrase: workerData.passphrase });
  parentPort.postMessage({ opened: key.toString("openssh") });
} catch (error) {
  parentPort.postMessage({ problem: error.message });
}`;

async function fromOpenssl(key: KeyObject): Promise<PrivateKey> {
  const { default: sshpk } = await import("sshpk");
  return sshpk.parsePrivateKey(key.export({ type: "pkcs8", format: "pem" }), "pem");
}

function refuseWeak(key: PrivateKey): void {
  if (!["ed25519", "ecdsa", "rsa"].includes(key.type))
    throw badKey(`is of the kind ${key.type}, which OpenSSH does not accept`, USABLE);
  if (key.type === "rsa" && key.size < SMALLEST_OWN_RSA)
    throw badKey(
      `has ${String(key.size)} bits; rsa keys under ${String(SMALLEST_OWN_RSA)} are refused by servers`,
      USABLE,
    );
}

/** sshpk calls a key without a comment `(unnamed)`. */
function ownComment({ comment }: PrivateKey): string {
  return comment === undefined || comment === "(unnamed)" ? "" : comment.replaceAll(/[\r\n]+/g, " ");
}

function toPair(key: PrivateKey, comment: string): KeyPair {
  const publicKey = key.toPublic();
  key.comment = comment;
  publicKey.comment = comment;
  return {
    publicKey: publicKey.toString("ssh").trim(),
    privateKey: key.toString("openssh"),
    fingerprint: publicKey.fingerprint("sha256").toString(),
  };
}
