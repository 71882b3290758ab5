/* Becomes a user by numbers, as no program of busybox does, and runs a program in this process's place. */
enum { MOST_GROUPS = 64, SIGNALS = 64 };

/* A shell lets what it starts in the background ignore SIGINT and SIGQUIT, which may be what is to end it. */
static void reset_signals(void) {
  static const long by_default[8]; /* struct sigaction of the kernel, all zeroes */
  for (int signal = 1; signal <= SIGNALS; signal++) call(RT_SIGACTION, signal, (long)by_default, 0, 8, 0);
}

static void run_as(const char *uid, const char *gid, const char *more, char **program, char **environment) {
  uint groups[MOST_GROUPS], count = 0; /* gid_t of the kernel */
  for (const char *at = more; *at >= '0' && *at <= '9' && count < MOST_GROUPS;) {
    ulong value = 0;
    for (; *at >= '0' && *at <= '9'; at++) value = value * 10 + (*at - '0');
    groups[count++] = value;
    if (*at == ',') at++;
  }
  reset_signals();
  must(call(SETGROUPS, count, (long)groups, 0, 0, 0), "setgroups");
  must(call(SETGID, number(gid), 0, 0, 0, 0), "setgid");
  must(call(SETUID, number(uid), 0, 0, 0, 0), "setuid");
  must(call(EXECVE, (long)program[0], (long)program, (long)environment, 0, 0), program[0]);
}
