/* ---- hash: XXH64 of a file that is still arriving, for comparing both sides of a copy. A tenth of what b2sum costs an
 * emulated CPU: 64-bit products are its own instructions there. The algorithm: doc/xxhash_spec.md of xxHash ---- */
enum { STRIPE = 32, PIECE = 1 << 16, BLOCK_BITS = 20 };

#define PRIME1 0x9E3779B185EBCA87UL
#define PRIME2 0xC2B2AE3D27D4EB4FUL
#define PRIME3 0x165667B19E3779F9UL
#define PRIME4 0x85EBCA77C2B2AE63UL
#define PRIME5 0x27D4EB2F165667C5UL

static ulong rotated(ulong value, int bits) { return value << bits | value >> (64 - bits); }

/* Both architectures are little-endian, as the algorithm is, and read from any address. */
static ulong word(const byte *at) { return *(const ulong __attribute__((aligned(1), may_alias)) *)at; }
static ulong half_word(const byte *at) { return *(const uint __attribute__((aligned(1), may_alias)) *)at; }

static ulong mixed(ulong lane, ulong input) { return rotated(lane + input * PRIME2, 31) * PRIME1; }
static ulong merged(ulong hash, ulong lane) { return (hash ^ mixed(0, lane)) * PRIME1 + PRIME4; }

struct hashing {
  ulong lanes[4], size;
};

/* Takes in whole stripes. */
__attribute__((optimize("O2"))) static void take_stripes(struct hashing *to, const byte *from, ulong size) {
  ulong a = to->lanes[0], b = to->lanes[1], c = to->lanes[2], d = to->lanes[3];
  for (const byte *end = from + size; from < end; from += STRIPE) {
    a = mixed(a, word(from));
    b = mixed(b, word(from + 8));
    c = mixed(c, word(from + 16));
    d = mixed(d, word(from + 24));
  }
  to->lanes[0] = a, to->lanes[1] = b, to->lanes[2] = c, to->lanes[3] = d;
  to->size += size;
}

/* The hash, with the last bytes: less than a stripe. */
static ulong finished(const struct hashing *all, const byte *rest, ulong left) {
  const ulong *lanes = all->lanes;
  ulong hash = PRIME5;
  if (all->size > 0) {
    hash = rotated(lanes[0], 1) + rotated(lanes[1], 7) + rotated(lanes[2], 12) + rotated(lanes[3], 18);
    for (int i = 0; i < 4; i++) hash = merged(hash, lanes[i]);
  }
  hash += all->size + left;
  for (; left >= 8; rest += 8, left -= 8) hash = rotated(hash ^ mixed(0, word(rest)), 27) * PRIME1 + PRIME4;
  for (; left >= 4; rest += 4, left -= 4) hash = rotated(hash ^ half_word(rest) * PRIME1, 23) * PRIME2 + PRIME3;
  for (; left > 0; rest++, left--) hash = rotated(hash ^ *rest * PRIME5, 11) * PRIME1;
  hash = (hash ^ hash >> 33) * PRIME2;
  hash = (hash ^ hash >> 29) * PRIME3;
  return hash ^ hash >> 32;
}

/* Reads a line of decimal numbers from standard input: the last two of them; 0 at its end. */
static int read_numbers(ulong *first, ulong *second) {
  byte digit;
  for (*first = *second = 0; call(READ, 0, (long)&digit, 1, 0, 0) == 1;) {
    if (digit == '\n') return 1;
    if (digit == ' ') *first = *second, *second = 0;
    else *second = *second * 10 + (digit - '0');
  }
  return 0;
}

/* Prints the hash of a file: of its first bytes, or, without a `most`, of one that is still growing. Standard input then says
 * line by line how much has arrived, `AT COUNT` in blocks of 1 MiB; once that ends, all of it has. */
static void hash_file(const char *path, const char *most) {
  static byte piece[PIECE];
  long file = must(call(OPENAT, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0), path);
  struct hashing all = {{PRIME1 + PRIME2, PRIME2, 0, 0 - PRIME1}, 0};
  ulong limit = most ? number(most) : ~0UL, arrived = 0, got;
  for (int is_growing = !most;;) {
    for (ulong at, count; is_growing && all.size >= arrived; arrived = (at + count) << BLOCK_BITS)
      is_growing = read_numbers(&at, &count);
    ulong room = limit - all.size < PIECE ? limit - all.size : PIECE;
    got = fill(file, piece, room, path);
    if (got < PIECE) break;
    take_stripes(&all, piece, PIECE);
  }
  ulong whole = got / STRIPE * STRIPE;
  take_stripes(&all, piece, whole);
  ulong hash = finished(&all, piece + whole, got - whole);
  byte line[17];
  for (int i = 0; i < 16; i++) line[i] = "0123456789abcdef"[hash >> (60 - 4 * i) & 15];
  line[16] = '\n';
  write_all(1, line, sizeof line, "standard output");
}
