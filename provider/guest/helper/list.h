/* ---- list: all that is below a folder, for comparing it with one of the host's. Less than half of what GNU's find costs an emulated
 * CPU, and there also where find is busybox's, which prints no times. ---- */
enum { AT_SYMLINK_NOFOLLOW = 0x100, X_OK = 1,
       ENOENT = 2, ENOTDIR = 20, ELOOP = 40, S_IFMT = 0170000, S_IFDIR = 0040000, S_IFREG = 0100000, S_IFLNK = 0120000,
       ENFILE = 23, EMFILE = 24, RLIMIT_NOFILE = 7,
       PATH_ROOM = 4096, ENTRIES_ROOM = 2048 /* on the stack, for each folder above */, OUTPUT_ROOM = 1 << 16, IN_PART = 4 };

#define STATX_WANTED 0x243U /* STATX_TYPE | STATX_MODE | STATX_MTIME | STATX_SIZE: linux/stat.h */
#define PROC_SUPER_MAGIC 0x9fa0 /* linux/magic.h */
#define SYSFS_MAGIC 0x62656572

/* What statx(2) tells, the same on all machines; what is not asked for is left out. */
struct status {
  byte before_mode[28];
  unsigned short mode;
  byte before_size[10];
  ulong size;
  byte before_modified[64];
  long modified; /* seconds since 1970, rounded down */
  byte rest[136];
};

/* An entry of getdents64(2). */
struct dirent {
  ulong inode;
  long next;
  unsigned short size;
  byte type;
  char name[];
};

static byte output[OUTPUT_ROOM];
static ulong printed;
static char path_of_entry[PATH_ROOM], target[PATH_ROOM];
static int is_in_part;

static void print(const char *text, ulong size) {
  for (ulong i = 0; i < size; i++) {
    if (printed == OUTPUT_ROOM) write_all(1, output, printed, "standard output"), printed = 0;
    output[printed++] = text[i];
  }
}

/* Prints a number, and the NUL that ends each field. */
static void print_number(long value, uint base) {
  char digits[24];
  uint at = sizeof digits;
  ulong left = value < 0 ? 0 - (ulong)value : (ulong)value;
  digits[--at] = 0;
  do digits[--at] = '0' + left % base;
  while (left /= base);
  if (value < 0) digits[--at] = '-';
  print(digits + at, sizeof digits - at);
}

static void print_entry(char type, const struct status *status, ulong target_size) {
  char kind[] = {type, 0};
  print(kind, sizeof kind);
  print_number(status->mode & 07777, 8);
  print_number(status->size, 10);
  print_number(status->modified, 10);
  print(path_of_entry, length(path_of_entry) + 1);
  print(target, target_size);
  print("", 1);
}

/* Opens a folder to look into it. Negative where that is not for us: it may not be read, or the kernel makes up what is in it. */
static long open_folder(long above, const char *name) {
  if (call(FACCESSAT, above, (long)name, X_OK, 0, 0) < 0) return -1;
  long folder = call(OPENAT, above, (long)name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, 0);
  if (folder < 0) return folder;
  long file_system[15]; /* struct statfs, its type first */
  int is_made_up = call(FSTATFS, folder, (long)file_system, 0, 0, 0) == 0 && (file_system[0] == PROC_SUPER_MAGIC || file_system[0] == SYSFS_MAGIC);
  if (!is_made_up) return folder;
  call(CLOSE, folder, 0, 0, 0, 0);
  return -1;
}

static void list_folder(long folder, ulong path_size);

/* Prints one entry, and then what is in it. Its path is `path_of_entry`. */
static void list_entry(long folder, const char *name, ulong path_size) {
  struct status status;
  if (call(STATX, folder, (long)name, AT_SYMLINK_NOFOLLOW, STATX_WANTED, (long)&status) < 0) {
    is_in_part = 1; /* it has gone meanwhile */
    return;
  }
  int kind = status.mode & S_IFMT;
  if (kind == S_IFLNK) {
    long size = call(READLINKAT, folder, (long)name, (long)target, sizeof target, 0);
    if (size < 0) is_in_part = 1;
    else print_entry('l', &status, size);
  } else if (kind == S_IFDIR) {
    long inner = open_folder(folder, name);
    if (inner == -ENOENT || inner == -ENOTDIR || inner == -ELOOP) {
      is_in_part = 1; /* it has gone, or become something else */
      return;
    }
    if (inner == -EMFILE || inner == -ENFILE) is_in_part = 1;
    print_entry(inner < 0 ? 'u' : 'd', &status, 0);
    if (inner < 0) return;
    list_folder(inner, path_size);
    call(CLOSE, inner, 0, 0, 0, 0);
  } else print_entry(kind == S_IFREG ? 'f' : 'o', &status, 0);
}

/* Prints what is in a folder, whose path is the first so many bytes of `path_of_entry`. */
static void list_folder(long folder, ulong path_size) {
  byte entries[ENTRIES_ROOM] __attribute__((aligned(8)));
  long size;
  while ((size = call(GETDENTS64, folder, (long)entries, sizeof entries, 0, 0)) > 0)
    for (long at = 0; at < size;) {
      struct dirent *entry = (struct dirent *)(entries + at);
      at += entry->size;
      if (same(entry->name, ".") || same(entry->name, "..")) continue;
      ulong end = path_size, name_size = length(entry->name);
      if (end + 1 + name_size >= PATH_ROOM) {
        is_in_part = 1; /* longer than any path that the host could name */
        continue;
      }
      if (end > 0) path_of_entry[end++] = '/';
      for (ulong i = 0; i <= name_size; i++) path_of_entry[end + i] = entry->name[i];
      list_entry(folder, entry->name, end + name_size);
      path_of_entry[path_size] = 0;
    }
  if (size < 0) is_in_part = 1;
}

/* Prints of each thing below the working directory, a folder before what is in it, six fields that each end with a NUL: `f`,
 * `d`, `l`, `u` for a folder that is not looked into, `o` for what is none of these; permission bits, octal; bytes; when it was
 * changed, in seconds since 1970; its path; where it points. Exit code 4 where something could not be looked at. */
static long list(void) {
  ulong limits[2]; /* what is, and what it can be raised to: each folder above stays open */
  if (call(PRLIMIT64, 0, RLIMIT_NOFILE, 0, (long)limits, 0) == 0) {
    limits[0] = limits[1];
    call(PRLIMIT64, 0, RLIMIT_NOFILE, (long)limits, 0, 0);
  }
  struct status status;
  long folder = must(call(OPENAT, AT_FDCWD, (long)".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0), "the working directory");
  must(call(STATX, folder, (long)"", 0x1000 /* AT_EMPTY_PATH */, STATX_WANTED, (long)&status), "statx"); /* a kernel that has it */
  list_folder(folder, 0);
  write_all(1, output, printed, "standard output");
  return is_in_part ? IN_PART : 0;
}
