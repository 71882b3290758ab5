/*
 * What all clones of a template would share, made new. From the host: seconds and nanoseconds since the epoch (64 bits,
 * little endian each), then 40 bytes of seed; see provider/machines/agent.ts.
 */
enum { SEED = 40 };
#define RNDADDENTROPY 0x40085203 /* linux/random.h */
#define RNDRESEEDCRNG 0x5207

struct renewal {
  long seconds, nanoseconds;
  byte seed[SEED];
};

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

#define BOOT_ID "/run/mayfly/boot_id" /* mounted over the kernel's, see cover_boot_id in agent.sh */

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
  long file = must(call(OPENAT, AT_FDCWD, (long)BOOT_ID, O_WRONLY | O_CLOEXEC, 0, 0), "boot id");
  must(call(WRITE, file, (long)text, at, 0, 0), "boot id"); /* as long as the last one */
  call(CLOSE, file, 0, 0, 0, 0);
}

static void renew(void) {
  struct renewal given;
  read_all(0, &given, sizeof given);
  long time[2] = {given.seconds, given.nanoseconds};
  must(call(CLOCK_SETTIME, 0, (long)time, 0, 0, 0), "clock_settime");
  reseed(given.seed);
  new_boot_id();
}
