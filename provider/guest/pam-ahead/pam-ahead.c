/*
 * Loaded into the door's sshd by LD_PRELOAD, see `serve` in agent.sh: has PAM's library read the rules of the door and load
 * the modules that they name, before sshd begins. sshd would do that in the process of each login: an emulated CPU takes
 * 60 ms for it. So each login finds them in memory, a clone's first one in that of its template. Nothing is decided here: a
 * login reads the rules itself, with whatever they have become since, and a module that was replaced is loaded from its new
 * file.
 *
 * By pam_start(3) and not by LD_PRELOAD of the modules: only so do their functions, which in all modules have the same names,
 * stay each module's own. Never ended by pam_end(3), which would unload them.
 *
 * Built by `npm run build:guest`, without a C library, for that of the image, glibc or musl, to load.
 */
__attribute__((used, section(".rodata"))) static const char source[] = "source-sha256:" SOURCE_DIGEST;

struct pam_conv { /* pam_conv(3) */
    int (*conv)(int, const void **, void **, void *);
    void *appdata;
};

extern int pam_start(const char *service, const char *user, const struct pam_conv *conv, void **handle);
extern int unsetenv(const char *name);

enum { CONVERSATION_FAILED = 19 }; /* PAM_CONV_ERR */

static int says_nothing(int count, const void **messages, void **answers, void *appdata) {
    (void)count, (void)messages, (void)answers, (void)appdata;
    return CONVERSATION_FAILED;
}

__attribute__((constructor)) static void load_modules(void) {
    static const struct pam_conv nobody = {says_nothing, 0};
    static void *handle;
    unsetenv("LD_PRELOAD"); /* not for what sshd starts */
    pam_start("mayfly-sshd", "root", &nobody, &handle); /* where it fails, each login will, and says why */
}
