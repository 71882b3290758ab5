/* ---- hears: waits until somebody listens at a port of TCP, of which the kernel tells nobody. A shell can look, too, but
 * busybox's reads a file a byte at a time, with two system calls for each: in a boot under emulation, looked at until its
 * server came, that took two seconds of CPU. ---- */
enum { CLOCK_MONOTONIC = 1, LOOK_MS = 50 };

struct timespec { long seconds, nanoseconds; };

static const char *word_of(const char *text) { /* the next one's beginning, in this line or behind it */
  while (*text && *text != ' ' && *text != '\n') text++;
  while (*text == ' ') text++;
  return text;
}

/* Whether one of a table's lines, `0: 00000000:0016 00000000:0000 0A …`, has the port, and 0A, the state LISTEN: proc(5),
 * /proc/net/tcp. Those that listen come first, before all connections, so what the buffer has no room for is none of them. */
static int is_listened_at(const char *table, ulong port) {
  static char text[65536];
  long size = read_file(table, (byte *)text, sizeof text - 1);
  if (size < 0) return 0; /* a kernel without IPv6 */
  text[size] = 0;
  for (const char *line = text; *line;) {
    const char *own = word_of(word_of(line)); /* a line begins with spaces */
    const char *state = word_of(word_of(own));
    ulong value = 0;
    while (*own && *own != ':' && *own != '\n') own++;
    for (; *own == ':' || (*own >= '0' && *own <= '9') || (*own >= 'A' && *own <= 'F'); own++)
      value = *own == ':' ? 0 : value * 16 + (*own <= '9' ? *own - '0' : *own - 'A' + 10);
    if (value == port && state[0] == '0' && state[1] == 'A') return 1;
    while (*line && *line++ != '\n');
  }
  return 0;
}

/* The exit code: 1 when nobody does within that time. */
static long hears(const char *port, const char *seconds) {
  struct timespec now, look = {0, LOOK_MS * 1000000};
  call(CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&now, 0, 0, 0);
  for (long end = now.seconds + number(seconds);; call(CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&now, 0, 0, 0)) {
    if (is_listened_at("/proc/net/tcp", number(port)) || is_listened_at("/proc/net/tcp6", number(port))) return 0;
    if (now.seconds > end) return 1;
    call(NANOSLEEP, (long)&look, 0, 0, 0, 0);
  }
}
