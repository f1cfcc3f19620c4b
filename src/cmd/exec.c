/* doppel exec [OPTIONS] PROG [ARGS]: a RISC-V Linux program under this Linux. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/binfmt.h"
#include "cmd/commands.h"
#include "cmd/options.h"
#include "engine/flat.h"
#include "process/linux/process.h"

extern char **environ;

struct exec_config {
    struct process_options process;
    const char *argv0;
    bool print_binfmt, install_binfmt;
};

static int set_sysroot(void *target, const char *value, struct error *err)
{
    struct exec_config *c = target;
    if (access(value, X_OK) < 0)
        return error_set(err, errno, "--sysroot %s: %s", value, strerror(errno));
    c->process.sysroot = value;
    return 0;
}

static int set_variable(void *target, const char *value, struct error *err)
{
    (void)target;
    if (!strchr(value, '='))
        return error_set(err, EINVAL, "-E %s: give NAME=VALUE", value);
    return putenv((char *)value) == 0 ? 0 : error_set(err, ENOMEM, "no memory");
}

static int unset_variable(void *target, const char *value, struct error *err)
{
    (void)target;
    return unsetenv(value) == 0 ? 0 : error_set(err, errno, "-U %s: no name", value);
}

static int set_engine(void *target, const char *value, struct error *err)
{
    struct exec_config *c = target;
    c->process.engine = flat_engine_choose(value, err);
    return c->process.engine ? 0 : -EINVAL;
}

static int set_strace(void *target, const char *value, struct error *err)
{
    struct exec_config *c = target;
    (void)value;
    (void)err;
    c->process.strace = true;
    return 0;
}

static int set_stats(void *target, const char *value, struct error *err)
{
    struct exec_config *c = target;
    (void)err;
    c->process.stats = value;
    return 0;
}

static int set_argv0(void *target, const char *value, struct error *err)
{
    struct exec_config *c = target;
    (void)err;
    c->argv0 = value;
    return 0;
}

static int set_print_binfmt(void *target, const char *value, struct error *err)
{
    struct exec_config *c = target;
    (void)value;
    (void)err;
    c->print_binfmt = true;
    return 0;
}

static int set_install_binfmt(void *target, const char *value, struct error *err)
{
    struct exec_config *c = target;
    (void)value;
    (void)err;
    c->install_binfmt = true;
    return 0;
}

static const struct option_desc exec_list[] = {
    {"sysroot", "DIR", "where the program's libraries are; hides the host's files of the same name",
     set_sysroot},
    {"env", "NAME=VALUE", "set a variable of the program's; also -E", set_variable},
    {"unset", "NAME", "remove one; also -U", unset_variable},
    {"argv0", "NAME", "what the program is told as its own name", set_argv0},
    {"engine", "NAME", "dbt, interp or auto (default)", set_engine},
    {"strace", NULL, "show each system call on standard error", set_strace},
    {"stats", "FILE", "write counters as JSON to FILE at the end", set_stats},
    {"print-binfmt", NULL, "print the line that makes Linux run such programs by itself",
     set_print_binfmt},
    {"install-binfmt", NULL, "register it (as root, until the next boot)", set_install_binfmt},
};
static const struct option_table exec_options = {exec_list, ARRAY_SIZE(exec_list)};

static void help(void)
{
    puts("Usage: doppel exec [OPTIONS] PROG [ARGS...]\n"
         "\n"
         "Runs a RISC-V (riscv64) Linux program. Its files, processes and signals are this\n"
         "system's; it may do what you may. Its exit status is passed on.\n"
         "\n"
         "  doppel exec ./hello\n"
         "  doppel exec --sysroot /usr/riscv64-linux-gnu ./dynamic arg\n"
         "\n"
         "Options:");
    options_help(&exec_options);
}

/* How many words are options: PROG is the first that is none, and what follows is its own. */
static int count_options(int argc, char **argv, bool *dashes)
{
    static const char *const switches[] = {"--strace", "--print-binfmt", "--install-binfmt",
                                           "--help", "-h"};
    int i = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1]) {
        if (strcmp(argv[i], "--") == 0) {
            *dashes = true;
            break;
        }
        bool alone = strchr(argv[i], '=') && argv[i][1] == '-';
        for (unsigned s = 0; s < ARRAY_SIZE(switches); s++)
            alone |= strcmp(argv[i], switches[s]) == 0;
        i += alone ? 1 : 2;
    }
    return MIN(i, argc);
}

/* The short forms, which are qemu-user's, too. */
static void long_names(int n, char **argv)
{
    static const char env[] = "--env", unset[] = "--unset", sysroot[] = "--sysroot";
    for (int i = 1; i < n; i++) {
        const char *name = strcmp(argv[i], "-E") == 0   ? env
                           : strcmp(argv[i], "-U") == 0 ? unset
                           : strcmp(argv[i], "-L") == 0 ? sysroot
                                                        : NULL;
        if (name)
            argv[i++] = (char *)name;
    }
}

static int run(struct exec_config *c, char **words, struct error *err)
{
    /* They live until the process ends, on this stack. */
    struct process p;
    c->process.program = words[0];
    c->process.argv = words;
    if (c->argv0)
        words[0] = (char *)c->argv0;
    c->process.environ = environ;
    int r = process_create(&p, &c->process, err);
    if (r == 0)
        process_run(&p);
    return r;
}

/* As shells say it: what cannot be found, and what cannot be run. */
static int fail(const struct error *err, int r)
{
    log_error("%s", err->text);
    return r == -ENOENT ? 127 : 126;
}

static int go(struct exec_config *c, char **words)
{
    struct error err = {0};
    if (c->print_binfmt)
        return binfmt_print() == 0 ? STATUS_OK : STATUS_FAILED;
    if (c->install_binfmt) {
        int r = binfmt_install(&err);
        return r < 0 ? (log_error("%s", err.text), STATUS_FAILED) : STATUS_OK;
    }
    if (!words[0]) {
        log_error("exec needs a program; see \"doppel help exec\"");
        return STATUS_USAGE;
    }
    int r = run(c, words, &err);
    return fail(&err, r);
}

static void defaults(struct exec_config *c)
{
    struct error none;
    *c = (struct exec_config){.process.engine = flat_engine_choose("auto", &none)};
    const char *sysroot = getenv("DOPPEL_SYSROOT");
    if (sysroot && *sysroot)
        c->process.sysroot = sysroot;
}

int cmd_exec(int argc, char **argv)
{
    struct exec_config c;
    struct error err = {0};
    bool dashes = false;
    defaults(&c);
    int n = count_options(argc, argv, &dashes);
    long_names(n, argv);
    int r = options_parse(n, argv, &exec_options, &c, NULL, &err);
    if (r == 1) {
        help();
        return STATUS_OK;
    }
    if (r < 0) {
        log_error("%s", err.text);
        return STATUS_USAGE;
    }
    return go(&c, argv + n + dashes);
}

/* As the kernel calls us for a file of that kind: interpreter, path, the program's own argv. */
int cmd_exec_binfmt(int argc, char **argv)
{
    struct exec_config c;
    defaults(&c);
    if (argc < 3) {
        log_error("%s is started by the kernel, for RISC-V programs (binfmt_misc)", argv[0]);
        return STATUS_USAGE;
    }
    c.argv0 = argv[2];
    argv[2] = argv[1];
    return go(&c, argv + 2);
}
