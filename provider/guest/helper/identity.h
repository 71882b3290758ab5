/*
 * Makes this root filesystem, and the running kernel, a machine of their own: name, machine-id, environment, hardware
 * address, and who may log in. The files under /etc/mayfly came with the identity disk, or from the host after a restore.
 * In C, as it is on the way of every warm boot: a dozen programs of a shell take a second under emulation, this takes
 * milliseconds.
 */
enum { O_NONBLOCK = 04000, PATIENCE_SECONDS = 60, FILE_ROOM = 65536, TAR_ROOM = 1 << 20, IFNAMSIZ = 16 };
#define MAYFLY "/etc/mayfly/"
#define NEW_FILE MAYFLY "new" /* what is being written: a file appears whole */
#define SIOCGIFHWADDR 0x8927 /* bits/ioctls.h */
#define SIOCSIFHWADDR 0x8924

static byte file_text[FILE_ROOM];

/* Reads a file that the identity has, without the line's end. */
static ulong read_line(const char *path) {
  ulong size = must(read_file(path, file_text, FILE_ROOM), path);
  return size > 0 && file_text[size - 1] == '\n' ? size - 1 : size;
}

static ulong append(byte *to, ulong at, const char *text, ulong size) {
  for (ulong i = 0; i < size && at < FILE_ROOM; i++) to[at++] = text[i];
  return at;
}

/* Writes a file out of the image's own text, kept by prepare.sh, whose last line may have no end, and ours. */
static void write_joined(const char *path, const byte *ours, ulong size, const char *image, int image_first) {
  static byte kept[FILE_ROOM], whole[FILE_ROOM];
  long kept_size = read_file(image, kept, FILE_ROOM);
  ulong at = 0;
  if (image_first && kept_size > 0) at = append(whole, at, (char *)kept, kept_size);
  if (at > 0 && size > 0 && whole[at - 1] != '\n') at = append(whole, at, "\n", 1);
  at = append(whole, at, (const char *)ours, size);
  if (!image_first && kept_size > 0) at = append(whole, at, (char *)kept, kept_size);
  write_file(path, whole, at, 0644);
}

static void apply_name(void) {
  ulong size = read_line(MAYFLY "hostname");
  must(call(SETHOSTNAME, (long)file_text, size, 0, 0, 0), "sethostname");
  static byte hosts[1024];
  static const char local[] = "127.0.0.1 localhost\n127.0.1.1 ";
  ulong at = append(hosts, 0, local, sizeof local - 1);
  at = append(hosts, at, (char *)file_text, size < 256 ? size : 256);
  at = append(hosts, at, "\n", 1);
  file_text[size] = '\n';
  write_file("/etc/hostname", file_text, size + 1, 0644);
  write_joined("/etc/hosts", hosts, at, MAYFLY "hosts.image", 0);
}

static void apply_machine_id(void) {
  ulong size = read_line(MAYFLY "machine-id");
  file_text[size] = '\n';
  write_file("/etc/machine-id", file_text, size + 1, 0444);
  /* D-Bus's own, where that is no link to the one above and D-Bus is installed. */
  long file = call(OPENAT, AT_FDCWD, (long)"/var/lib/dbus/machine-id", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0444, 0);
  if (file < 0) return;
  write_all(file, file_text, size + 1, "/var/lib/dbus/machine-id");
  call(CLOSE, file, 0, 0, 0, 0);
}

static byte hex(byte digit) { return digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10; }

/* The first network card's address; its kernel then tells its neighbours, see init.sh. */
static void apply_mac(void) {
  struct {
    char name[IFNAMSIZ];
    unsigned short family;
    byte mac[14];
    byte rest[8];
  } card = {"eth0", 0, {0}, {0}};
  if (read_line(MAYFLY "mac") != 17) fail("mac");
  long any = must(call(SOCKET, 2 /* AF_INET */, 2 /* SOCK_DGRAM */, 0, 0, 0), "socket");
  if (call(IOCTL, any, SIOCGIFHWADDR, (long)&card, 0, 0) >= 0) { /* else there is no card */
    int is_other = 0;
    for (int i = 0; i < 6; i++) {
      byte part = hex(file_text[i * 3]) << 4 | hex(file_text[i * 3 + 1]);
      is_other |= card.mac[i] != part;
      card.mac[i] = part;
    }
    if (is_other) must(call(IOCTL, any, SIOCSIFHWADDR, (long)&card, 0, 0), "SIOCSIFHWADDR");
  }
  call(CLOSE, any, 0, 0, 0, 0);
}

static void apply_identity(void) {
  apply_name();
  apply_machine_id();
  long size = read_file(MAYFLY "environment", file_text, FILE_ROOM);
  write_joined("/etc/environment", file_text, size < 0 ? 0 : size, MAYFLY "environment.image", 1);
  apply_mac();
}

/* ---- become ---- */
static ulong octal(const byte *text, ulong size) {
  ulong value = 0;
  for (ulong i = 0; i < size && text[i] >= '0' && text[i] <= '7'; i++) value = value * 8 + (text[i] - '0');
  return value;
}

/* Makes the folders above a path, which is relative. */
static void make_folders(char *path) {
  for (char *at = path; *at; at++) {
    if (*at != '/') continue;
    *at = 0;
    call(MKDIRAT, AT_FDCWD, (long)path, 0755, 0, 0); /* may be there */
    *at = '/';
  }
}

/* A file in a tar of plain files, as provider/machines/identity.ts writes it: tar(5), ustar. */
struct member {
  char name[101]; /* in the tar, the longest has no end */
  byte *content;
  ulong size, mode;
};

/* Reads the member that begins at `at`, and moves on to the next one; 0 at the end. */
static int next_member(byte *tar, ulong size, ulong *at, struct member *member) {
  byte *header = tar + *at;
  if (*at + 512 > size || !header[0]) return 0;
  for (int i = 0; i < 100; i++) member->name[i] = header[i];
  member->name[100] = 0;
  member->content = header + 512;
  member->size = octal(header + 124, 12);
  member->mode = octal(header + 100, 8);
  *at += 512 + (member->size + 511) / 512 * 512;
  if ((header[156] != '0' && header[156] != 0) || *at > size) fail("this tar is no identity");
  return 1;
}

static void put(struct member *file) {
  make_folders(file->name);
  write_file(NEW_FILE, file->content, file->size, file->mode);
  must(call(RENAMEAT, AT_FDCWD, (long)NEW_FILE, AT_FDCWD, (long)file->name, 0), file->name);
}

static void unpack(byte *tar, ulong size) {
  struct member file;
  for (ulong at = 0; next_member(tar, size, &at, &file);) put(&file);
}

/* Puts keys into force where no users are declared, as apply-access.sh does; else leaves all of it to that. */
static int apply_keys(void) {
  char link[8];
  if (read_file(MAYFLY "access.next/users", file_text, FILE_ROOM) != 0) return 3;
  if (call(READLINKAT, AT_FDCWD, (long)MAYFLY "access", (long)link, sizeof link, 0) >= 0) return 3;
  byte random[16];
  char version[] = "access.00000000000000000000000000000000";
  must(call(GETRANDOM, (long)random, sizeof random, 0, 0, 0), "getrandom");
  for (int i = 0; i < 32; i++) version[7 + i] = "0123456789abcdef"[random[i / 2] >> (i % 2 ? 0 : 4) & 15];
  must(call(CHDIR, (long)MAYFLY, 0, 0, 0, 0), "chdir");
  must(call(RENAMEAT, AT_FDCWD, (long)"access.next", AT_FDCWD, (long)version, 0), "rename");
  must(call(SYMLINKAT, (long)version, AT_FDCWD, (long)"access", 0, 0), "symlink");
  return 0;
}

#define HOST_KEY MAYFLY "ssh_host_key"
#define LISTENS MAYFLY "sshd-listens"

/* Gives the waiting sshd its host key: before all else, as it has some work with it, for which there is a second CPU. The
 * file is in the pipe's place by then: sshd opens it once more, to look for a public key in it. */
static void release_sshd(byte *tar, ulong size) {
  long key_pipe = must(call(OPENAT, AT_FDCWD, (long)HOST_KEY, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0, 0), "sshd does not wait");
  struct member file;
  for (ulong at = 0; next_member(tar, size, &at, &file);)
    if (same(file.name, &HOST_KEY[1])) {
      put(&file);
      write_all(key_pipe, file.content, file.size, "sshd");
    }
  call(CLOSE, key_pipe, 0, 0, 0, 0);
}

/* Waits until sshd listens: it opens its pid file then, which is a pipe as well. */
static void await_sshd(void) {
  long limit[4] = {0, 0, PATIENCE_SECONDS, 0};
  call(SETITIMER, 0 /* ITIMER_REAL */, (long)limit, 0, 0, 0); /* its signal ends us */
  long pid = must(call(OPENAT, AT_FDCWD, (long)LISTENS, O_RDONLY | O_CLOEXEC, 0, 0), LISTENS);
  must(call(READ, pid, (long)file_text, FILE_ROOM, 0, 0), LISTENS);
  call(UNLINKAT, AT_FDCWD, (long)LISTENS, 0, 0, 0); /* sshd makes a plain file of it if it restarts itself */
}

/* Reads the line with which the host begins; the id is what it wants its answer to have. The size of the tar. */
static ulong read_request(char *id, ulong room) {
  static char line[64], verb[] = "identity ";
  ulong size = 0, at = sizeof verb - 1, end = 0;
  do read_all(0, line + size, 1);
  while (line[size] != '\n' && ++size < sizeof line - 1);
  line[size] = 0;
  for (ulong i = 0; i < at; i++)
    if (line[i] != verb[i]) fail("the host does not begin with an identity");
  for (; line[at] && line[at] != ' ' && end < room - 1; at++) id[end++] = line[at];
  id[end] = 0;
  return line[at] ? number(line + at + 1) : 0;
}

static int become(void) {
  static byte tar[TAR_ROOM];
  static char id[33];
  /* The host saves a template when it reads this: said any earlier, each clone would have to start this program. */
  write_all(3, (const byte *)"waiting\n", 8, "the host");
  ulong size = read_request(id, sizeof id);
  call(WRITE, 1, (long)id, length(id), 0, 0);
  if (size > TAR_ROOM) fail("the identity is too large");
  renew(); /* first: from here on random numbers are this machine's own */
  read_all(0, tar, size);
  must(call(CHDIR, (long)"/", 0, 0, 0, 0), "chdir");
  release_sshd(tar, size);
  unpack(tar, size);
  apply_identity();
  int code = apply_keys();
  await_sshd();
  if (read_file(MAYFLY "allowed", file_text, 1) > 0) code = 3;
  if (code == 0) {
    static byte answer[64];
    ulong at = append(answer, 0, "done ", 5);
    at = append(answer, at, id, length(id));
    at = append(answer, at, "\n", 1);
    write_all(3, answer, at, "the host");
  }
  return code;
}
