import { resolve } from "node:path";

/**
 * Names of the variables that a program which outlives us, or starts one that does, may have: podman's slirp4netns lives as
 * long as the machine, and all that this user runs can read its environment. A passphrase, a token or a cloud's key that was
 * exported for Pulumi is not to stay there for days.
 */
const PASSED: readonly RegExp[] = [
  /^(?:PATH|LD_LIBRARY_PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_\w+|TERM|TZ|TMPDIR)$/,
  /^(?:XDG_\w+|DBUS_SESSION_BUS_ADDRESS)$/,
  /^(?:https?|ftp|all|no)_proxy$/i,
  // What podman, its storage and its builds read (podman(1), storage.conf(5), containers-auth.json(5)), and mmdebstrap. One by
  // one where a pipeline's own might begin alike: CONTAINER_REGISTRY_PASSWORD.
  /^(?:CONTAINERS_\w+|_CONTAINERS_\w+|CONTAINER_(?:HOST|CONNECTION|SSHKEY|PROXY)|PODMAN_(?:USERNS|CONNECTIONS_CONF))$/,
  /^(?:STORAGE_(?:DRIVER|OPTS)|BUILDAH_\w+|container|REGISTRY_AUTH_FILE|DOCKER_CONFIG|SSL_CERT_\w+)$/,
  /^(?:APT_CONFIG|SOURCE_DATE_EPOCH)$/,
  // Our own, what our programs are started by, and the agent that holds a tunnel's key.
  /^(?:MAYFLY_\w+|NODE_OPTIONS|NODE_COMPILE_CACHE|NODE_EXTRA_CA_CERTS|SSH_AUTH_SOCK)$/,
];

/**
 * The part of an environment for programs that outlive us, or start some that do. The data folder has its whole path there:
 * such a program may be in another folder.
 */
export function lastingEnvironment(environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const passed = Object.entries(environment).flatMap(([name, value]) =>
    value !== undefined && PASSED.some((names) => names.test(name)) ? [[name, value] as const] : [],
  );
  const { MAYFLY_HOME: home = "" } = environment;
  return { ...Object.fromEntries(passed), ...(home !== "" && { MAYFLY_HOME: resolve(home) }) };
}
