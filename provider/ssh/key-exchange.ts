/**
 * Key exchanges, fastest safe ones first: an emulated CPU takes the least time for curve25519 in its first connection (in
 * later ones nistp256 takes a tenth less). No SHA-1. ssh2 has no post-quantum one, of which OpenSSH's, sntrup761, takes a
 * third more of a connection.
 */
export const KEY_EXCHANGES = [
  ...(["curve25519-sha256", "curve25519-sha256@libssh.org"] as const),
  ...(["ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521"] as const),
  ...(["diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512"] as const),
];
