/* ---- words: prints those that a file has, one a line. grep(1) of busybox takes ten times as long for a program: it reads
 * by lines, and a byte at a time. ---- */
enum { LONGEST_WORD = 128 };

static int begins_with(const byte *text, const char *word) {
  while (*word && *text == (byte)*word) text++, word++;
  return !*word;
}

static void words_in(const char *path, char **words) {
  static byte text[65536 + LONGEST_WORD];
  static byte begins[256]; /* whether a word does, by its first byte */
  for (char **word = words; *word; word++) {
    if (!**word || length(*word) > LONGEST_WORD) fail(*word);
    begins[(byte)**word] = 1;
  }
  long file = must(call(OPENAT, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0), path);
  ulong kept = 0, size; /* of the last part: a word may begin there, and end in the next one */
  do {
    size = kept + fill(file, text + kept, sizeof text - kept, path);
    for (ulong i = size; i < sizeof text; i++) text[i] = 0; /* behind the file's end nothing is of it */
    kept = size == sizeof text ? LONGEST_WORD : 0;
    for (ulong i = 0; i < size - kept; i++) {
      if (!begins[text[i]]) continue;
      for (char **word = words; *word; word++) {
        if (!**word || !begins_with(text + i, *word)) continue;
        write_all(1, (byte *)*word, length(*word), "standard output");
        write_all(1, (byte *)"\n", 1, "standard output");
        **word = 0; /* said once */
      }
    }
    for (ulong i = 0; i < kept; i++) text[i] = text[size - kept + i];
  } while (size == sizeof text);
}
