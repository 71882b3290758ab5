/*
 * What a shell in the guest cannot do, or not fast enough: renew the kernel's random pool, clock and boot id after a
 * restore, and put an identity into force. Freestanding: no library, so that it runs in any guest.
 *
 *   helper identity            puts the identity under /etc/mayfly into force (identity.h).
 *   helper become              makes a template's clone a machine of its own, as the host asks for on standard input:
 *                              `identity ID SIZE`, what `renew` needs (renew.h), SIZE bytes of a tar with the identity.
 *                              Answers on descriptor 3, which leads to the host. Exit code 3: does not, as users and names
 *                              are left to agent.sh, which gets the ID on standard output.
 *   helper knock SOCKET        sends a datagram with nothing in it to a socket of the file system (knock.h).
 *   helper steady PROGRAM [ARG...]   runs a program whose addresses, and those of all that it starts, are the same each time.
 *   helper as UID GID GROUPS PROGRAM [ARG...]   runs a program as a user; GROUPS are further ones, `5,20` or `-` (run-as.h).
 *   helper list                prints all that is below the working directory (list.h).
 *   helper hash FILE [SIZE]    prints the XXH64 of a file's first bytes, or of one that is still arriving (hash.h).
 *   helper hears PORT SECONDS  waits until somebody listens at the port; exit code 1: nobody does in that time (hears.h).
 *   helper words FILE WORD...  prints those of the words that are in a file, one a line (words.h).
 *
 * Built by `npm run build:guest`; the result is committed, so that no user needs a compiler.
 */
/* What this was built from. */
#ifdef SOURCE_DIGEST
__attribute__((used, section(".rodata"))) static const char source[] = "source-sha256:" SOURCE_DIGEST;
#endif


#include "system.h"
#include "renew.h"
#include "identity.h"
#include "knock.h"
#include "run-as.h"
#include "hash.h"
#include "list.h"
#include "words.h"
#include "hears.h"

#define ADDR_NO_RANDOMIZE 0x0040000 /* personality(2) */

__attribute__((used)) void start(long *stack) {
  long count = stack[0], code = 0;
  char **words = (char **)(stack + 1);
  if (count == 2 && same(words[1], "identity")) {
    apply_identity();
  } else if (count == 2 && same(words[1], "become")) {
    code = become();
  } else if (count == 3 && same(words[1], "knock")) {
    knock(words[2]);
  } else if ((count == 3 || count == 4) && same(words[1], "hash")) {
    hash_file(words[2], words[3]); /* null where there is none */
  } else if (count == 2 && same(words[1], "list")) {
    code = list();
  } else if (count == 4 && same(words[1], "hears")) {
    code = hears(words[2], words[3]);
  } else if (count >= 4 && same(words[1], "words")) {
    words_in(words[2], words + 3);
  } else if (count >= 3 && same(words[1], "steady")) {
    call(PERSONALITY, ADDR_NO_RANDOMIZE, 0, 0, 0, 0); /* refused: then they are not */
    call(EXECVE, (long)words[2], (long)(words + 2), (long)(words + count + 1), 0, 0);
    fail(words[2]);
  } else if (count >= 6 && same(words[1], "as")) {
    run_as(words[2], words[3], words[4], words + 5, words + count + 1);
  } else {
    fail("usage: helper identity | helper become | helper knock SOCKET | helper hash FILE [SIZE] | helper list | helper hears PORT SECONDS | helper words FILE WORD... | helper steady PROGRAM | helper as UID GID GROUPS PROGRAM");
  }
  call(EXIT, code, 0, 0, 0, 0);
}
