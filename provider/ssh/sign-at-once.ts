import type { Client, ParsedKey } from "ssh2";

type Sign = (data: Buffer, done: (signature: Buffer) => void) => void;

/** The part of ssh2's own protocol object that is used here; its types do not tell of it. */
interface Protocol {
  authPK?: (user: string, key: ParsedKey, algorithm: string | undefined, sign?: Sign) => void;
}

/**
 * Has a login with a private key send its signature at once (RFC 4252, section 7). ssh2, like OpenSSH's client, first asks
 * whether the key would do, for which there is no reason where the key is at hand and no passphrase has to be asked for;
 * and sshd lets whoever asks wait for up to as long as the look at the keys took (`ensure_minimum_time_since` in
 * OpenSSH's auth2.c). Under emulation that is a tenth of a login. ssh2 has no option for it; one of another version that
 * works otherwise goes on asking.
 */
export function signAtOnce(client: Client): void {
  const { _protocol: protocol } = client as unknown as { readonly _protocol?: Protocol };
  if (typeof protocol?.authPK !== "function") return;
  const ask = protocol.authPK.bind(protocol);
  protocol.authPK = (user, key, algorithm, sign) => {
    if (sign !== undefined || !canSign(key)) {
      ask(user, key, algorithm, sign);
      return;
    }
    ask(user, key, algorithm, (data, done) => {
      const signature: Buffer | Error = key.sign(data);
      if (signature instanceof Error)
        ask(user, key, algorithm); // nothing was sent; what follows is ssh2's
      else done(signature);
    });
  };
}

/** Not with RSA keys, which servers take by different hashes, nor with one that only an agent has. */
function canSign(key: ParsedKey): boolean {
  return typeof key.isPrivateKey === "function" && key.isPrivateKey() && key.type !== "ssh-rsa";
}
