/*
 * What a shell in the guest cannot do: renew the kernel's random pool, clock and boot id after a restore, and accept
 * SSH connections without a server that remembers a key. Freestanding: no library, so that it runs in any guest.
 *
 *   helper renew               reads 56 bytes from standard input: seconds and nanoseconds since the epoch (64 bits,
 *                              little endian each), then 40 bytes of seed; see provider/machines/agent.ts.
 *   helper accept PORT FOLDER FILE [ARG...]  runs the program for each connection to the port, with the connection as
 *                              its standard input and output, like inetd(8). Makes the folder before, if it is not there:
 *                              sshd wants one that goes away with the image's own sshd.
 *
 * Built by `npm run build:helper`; the result is committed, so that no user needs a compiler.
 */
/* What this was built from. */
#ifdef SOURCE_DIGEST
__attribute__((used, section(".rodata"))) static const char source[] = "source-sha256:" SOURCE_DIGEST;
#endif

typedef unsigned long ulong;
typedef unsigned int uint;
typedef unsigned char byte;

/* ---- system calls: asm/unistd.h of the architecture ---- */
#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, CLOSE = 3, IOCTL = 16, DUP3 = 292, SOCKET = 41, ACCEPT4 = 288, BIND = 49, LISTEN = 50,
       SETSOCKOPT = 54, CLONE = 56, EXECVE = 59, EXIT = 60, RT_SIGACTION = 13, SETSID = 112, MOUNT = 165, UMOUNT2 = 166,
       CLOCK_SETTIME = 227, OPENAT = 257, MKDIRAT = 258, GETRANDOM = 318 };
static long call(long n, long a, long b, long c, long d, long e) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  __asm__ volatile("syscall" : "=a"(result) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
  return result;
}
__asm__(".globl _start\n_start: xor %ebp, %ebp\n mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
#elif defined(__aarch64__)
enum { READ = 63, WRITE = 64, CLOSE = 57, IOCTL = 29, DUP3 = 24, SOCKET = 198, ACCEPT4 = 242, BIND = 200, LISTEN = 201,
       SETSOCKOPT = 208, CLONE = 220, EXECVE = 221, EXIT = 93, RT_SIGACTION = 134, SETSID = 157, MOUNT = 40, UMOUNT2 = 39,
       CLOCK_SETTIME = 112, OPENAT = 56, MKDIRAT = 34, GETRANDOM = 278 };
static long call(long n, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = n;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}
__asm__(".globl _start\n_start: mov x29, #0\n mov x0, sp\n bl start\n");
#endif

enum { AT_FDCWD = -100, O_WRONLY = 1, O_CREAT = 0100, O_TRUNC = 01000, O_CLOEXEC = 02000000 };

static ulong length(const char *text) {
  ulong n = 0;
  while (text[n]) n++;
  return n;
}

static int same(const char *a, const char *b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

/* Ends with a word on standard error: all that can be done here about a failure. */
static void fail(const char *what) {
  call(WRITE, 2, (long)"helper: ", 8, 0, 0);
  call(WRITE, 2, (long)what, length(what), 0, 0);
  call(WRITE, 2, (long)"\n", 1, 0, 0);
  call(EXIT, 1, 0, 0, 0, 0);
}

static long must(long result, const char *what) {
  if (result < 0) fail(what);
  return result;
}

/* ---- renew ---- */
enum { SEED = 40, MS_BIND = 4096, MNT_DETACH = 2 };
#define RNDADDENTROPY 0x40085203 /* linux/random.h */
#define RNDRESEEDCRNG 0x5207

struct renewal {
  long seconds, nanoseconds;
  byte seed[SEED];
};

static void read_all(int fd, void *to, ulong size) {
  for (ulong done = 0; done < size;) done += must(call(READ, fd, (long)to + done, size - done, 0, 0) ?: -1, "read");
}

/* All clones of a template have its random pool; from here on each has its own. The order matters: nothing may be drawn
 * from the pool before the seed is in force, and the kernel takes a seed over only at a reseed. */
static void reseed(const byte *seed) {
  struct {
    int bits, size;
    byte data[SEED];
  } pool = {SEED * 8, SEED, {0}};
  for (int i = 0; i < SEED; i++) pool.data[i] = seed[i];
  long random = must(call(OPENAT, AT_FDCWD, (long)"/dev/urandom", O_WRONLY | O_CLOEXEC, 0, 0), "open /dev/urandom");
  must(call(IOCTL, random, RNDADDENTROPY, (long)&pool, 0, 0), "RNDADDENTROPY");
  must(call(IOCTL, random, RNDRESEEDCRNG, 0, 0, 0), "RNDRESEEDCRNG");
  call(CLOSE, random, 0, 0, 0, 0);
}

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define NEW_BOOT_ID "/run/mayfly/boot_id"

/* The kernel makes its boot id once and gives no way to change it: a file of ours is mounted over it. */
static void new_boot_id(void) {
  byte id[16];
  char text[37];
  must(call(GETRANDOM, (long)id, sizeof id, 0, 0, 0), "getrandom");
  id[6] = (id[6] & 0x0f) | 0x40;
  id[8] = (id[8] & 0x3f) | 0x80;
  int at = 0;
  for (int i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = "0123456789abcdef"[id[i] >> 4];
    text[at++] = "0123456789abcdef"[id[i] & 15];
  }
  text[at++] = '\n';
  call(MKDIRAT, AT_FDCWD, (long)"/run/mayfly", 0755, 0, 0); /* may be there */
  long file = must(call(OPENAT, AT_FDCWD, (long)NEW_BOOT_ID, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444, 0), "boot id");
  must(call(WRITE, file, (long)text, at, 0, 0), "boot id");
  call(CLOSE, file, 0, 0, 0, 0);
  call(UMOUNT2, (long)BOOT_ID, MNT_DETACH, 0, 0, 0); /* of an earlier renewal, if any */
  must(call(MOUNT, (long)NEW_BOOT_ID, (long)BOOT_ID, 0, MS_BIND, 0), "mount boot id");
}

static void renew(void) {
  struct renewal given;
  read_all(0, &given, sizeof given);
  long time[2] = {given.seconds, given.nanoseconds};
  must(call(CLOCK_SETTIME, 0, (long)time, 0, 0, 0), "clock_settime");
  reseed(given.seed);
  new_boot_id();
}

/* ---- accept ---- */
enum { AF_INET = 2, SOCK_STREAM = 1, SOCK_CLOEXEC = 02000000, SOL_SOCKET = 1, SO_REUSEADDR = 2, SIGCHLD = 17, BACKLOG = 128 };

struct action { /* of rt_sigaction(2), as the kernel has it */
  ulong handler, flags, restorer, mask;
};

static void set_child_signal(ulong handler) {
  struct action action = {handler, 0, 0, 0};
  call(RT_SIGACTION, SIGCHLD, (long)&action, 0, 8, 0);
}

static void accept_for(const char *port_text, const char *folder, char **program, char **environment) {
  uint port = 0;
  for (; *port_text; port_text++) port = port * 10 + (*port_text - '0');
  struct {
    unsigned short family;
    byte port[2];
    uint address;
    byte rest[8];
  } address = {AF_INET, {port >> 8, port}, 0, {0}};
  int on = 1;
  long server = must(call(SOCKET, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, 0, 0), "socket");
  call(SETSOCKOPT, server, SOL_SOCKET, SO_REUSEADDR, (long)&on, sizeof on);
  must(call(BIND, server, (long)&address, sizeof address, 0, 0), "bind");
  must(call(LISTEN, server, BACKLOG, 0, 0, 0), "listen");
  set_child_signal(1); /* SIG_IGN: the kernel clears children away by itself */
  for (;;) {
    long connection = call(ACCEPT4, server, 0, 0, SOCK_CLOEXEC, 0);
    if (connection < 0) continue; /* the client has gone again */
    if (call(CLONE, SIGCHLD, 0, 0, 0, 0) == 0) {
      call(MKDIRAT, AT_FDCWD, (long)folder, 0755, 0, 0);
      set_child_signal(0); /* SIG_DFL: an ignored signal would stay ignored in the program */
      call(SETSID, 0, 0, 0, 0, 0);
      for (int fd = 0; fd < 2; fd++) call(DUP3, connection, fd, 0, 0, 0);
      call(EXECVE, (long)program[0], (long)program, (long)environment, 0, 0);
      fail(program[0]);
    }
    call(CLOSE, connection, 0, 0, 0, 0);
  }
}

__attribute__((used)) void start(long *stack) {
  long count = stack[0];
  char **words = (char **)(stack + 1);
  if (count == 2 && same(words[1], "renew")) {
    renew();
  } else if (count >= 5 && same(words[1], "accept")) {
    accept_for(words[2], words[3], words + 4, words + count + 1);
  } else {
    fail("usage: helper renew | helper accept PORT FOLDER FILE [ARG...]");
  }
  call(EXIT, 0, 0, 0, 0, 0);
}
