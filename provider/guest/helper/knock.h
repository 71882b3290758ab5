/* ---- knock: has whoever watches a socket of datagrams look at it, and find nothing. unix(7) ---- */
enum { AF_UNIX = 1, SOCK_DGRAM = 2, SUN_PATH = 108, MSG_DONTWAIT = 0x40 };

static void knock(const char *path) {
  static struct {
    unsigned short family;
    char path[SUN_PATH];
  } address = {AF_UNIX, {0}};
  if (length(path) >= SUN_PATH) fail(path);
  for (ulong i = 0; path[i]; i++) address.path[i] = path[i];
  long socket = must(call(SOCKET, AF_UNIX, SOCK_DGRAM, 0, 0, 0), "socket");
  must(call(CONNECT, socket, (long)&address, sizeof address, 0, 0), path);
  call(SENDTO, socket, (long)path, 0, MSG_DONTWAIT, 0); /* where there is no room, somebody else has knocked */
}
