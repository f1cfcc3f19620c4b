/*
 * execve: a RISC-V program, or a script whose interpreter is one, runs under a new doppel with the
 * same options; what the host can run by itself, it runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/linux/host_call.h"
#include "process/linux/path.h"
#include "process/linux/process.h"
#include "process/linux/program.h"

enum {
    WORDS_MAX = 1 << 17, /* arguments, or variables */
    BYTES_MAX = 6 << 20, /* of both; Linux stops at three quarters of 8 MiB */
    SCRIPT_LINE = 256,
    SCRIPT_DEPTH = 4,
};

/* Strings of the guest's in our memory. */
struct strings {
    char **list; /* NULL-terminated */
    size_t n, bytes;
};

struct image {
    char path[PATH_MAX]; /* what is executed, as the host has it */
    char name[PATH_MAX]; /* the same, as the guest named it */
    bool riscv;
    bool script;
    char interp[PATH_MAX], arg[SCRIPT_LINE]; /* of a script; arg may be empty */
};

static void free_strings(struct strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->list[i]);
    free(s->list);
}

static int add_string(struct strings *s, const char *text)
{
    if ((s->n & (s->n + 1)) == 0) {
        char **list = realloc(s->list, (2 * s->n + 2) * sizeof(*list));
        if (!list)
            return -ENOMEM;
        s->list = list;
    }
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    s->list[s->n++] = copy;
    s->list[s->n] = NULL;
    s->bytes += strlen(text) + 1;
    return s->n > WORDS_MAX || s->bytes > BYTES_MAX ? -E2BIG : 0;
}

static int read_strings(struct thread *t, struct strings *s, gva_t va)
{
    enum { LONGEST = 128 << 10 }; /* MAX_ARG_STRLEN */
    char *text = malloc(LONGEST);
    int r = text ? 0 : -ENOMEM;
    for (; r == 0 && va; va += sizeof(uint64_t)) {
        uint64_t at;
        r = guest_read(thread_arena(t), &at, va, sizeof(at));
        if (r < 0 || !at)
            break;
        ssize_t len = guest_string(thread_arena(t), text, at, LONGEST);
        r = len == -ENAMETOOLONG ? -E2BIG : len < 0 ? (int)len : add_string(s, text);
    }
    free(text);
    return r;
}

/* "#! /interpreter one argument" */
static int parse_script(struct image *im, char *line, size_t len)
{
    line[len] = 0;
    line[strcspn(line, "\n")] = 0;
    char *p = line + 2 + strspn(line + 2, " \t");
    char *end = p + strcspn(p, " \t");
    if (p == end)
        return -ENOEXEC;
    char *arg = end + strspn(end, " \t");
    *end = 0;
    snprintf(im->interp, sizeof(im->interp), "%s", p);
    snprintf(im->arg, sizeof(im->arg), "%s", arg);
    for (size_t n = strlen(im->arg); n && strchr(" \t", im->arg[n - 1]); n--)
        im->arg[n - 1] = 0;
    im->script = true;
    return 0;
}

static int look_at(struct image *im, const char *sysroot)
{
    char head[SCRIPT_LINE + 1];
    struct stat st;
    im->script = im->riscv = false;
    int r = path_translate_host(sysroot, im->name, im->path);
    if (r < 0)
        return r;
    if (stat(im->path, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, im->path, X_OK, AT_EACCESS) < 0)
        return -EACCES;
    int fd = open(im->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : -errno; /* executable, though not readable: the host's */
    ssize_t n = read(fd, head, SCRIPT_LINE);
    close(fd);
    if (n > 2 && memcmp(head, "#!", 2) == 0)
        return parse_script(im, head, (size_t)n);
    im->riscv = n > 0 && program_is_riscv64((uint8_t *)head, (size_t)n);
    return 0;
}

/* Put a script's interpreter before its arguments, in argv[0]'s place. */
static int prepend_interp(struct strings *argv, const struct image *im)
{
    struct strings s = {0};
    int r = add_string(&s, im->interp);
    if (r == 0 && im->arg[0])
        r = add_string(&s, im->arg);
    if (r == 0)
        r = add_string(&s, im->name);
    for (size_t i = 1; r == 0 && i < argv->n; i++)
        r = add_string(&s, argv->list[i]);
    free_strings(argv);
    *argv = s;
    return r;
}

static int resolve(struct image *im, struct strings *argv, const char *sysroot)
{
    for (int depth = 0; depth <= SCRIPT_DEPTH; depth++) {
        int r = look_at(im, sysroot);
        if (r < 0 || !im->script)
            return r;
        r = prepend_interp(argv, im);
        if (r < 0)
            return r;
        snprintf(im->name, sizeof(im->name), "%s", im->interp);
    }
    return -ELOOP;
}

static int add_option(struct strings *s, const char *name, const char *value)
{
    int r = value ? add_string(s, name) : 0;
    return value && r == 0 ? add_string(s, value) : r;
}

/* The dynamic linker's variables are meant for the guest's, not for ours. */
static int split_environ(struct strings *args, const struct strings *env, struct strings *host)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < env->n; i++)
        r = strncmp(env->list[i], "LD_", 3) == 0 ? add_option(args, "-E", env->list[i])
                                                 : add_string(host, env->list[i]);
    return r;
}

/* The words of "doppel exec ..." that run this image. */
static int doppel_words(struct thread *t, const struct image *im, const struct strings *argv,
                        struct strings *env, struct strings *out)
{
    const struct process_options *o = t->process->options;
    struct strings host = {0};
    int r = add_option(out, "doppel", "exec");
    if (r == 0)
        r = add_option(out, "--sysroot", o->sysroot);
    if (r == 0)
        r = add_option(out, "--engine", o->engine->name);
    if (r == 0 && o->strace)
        r = add_string(out, "--strace");
    if (r == 0)
        r = add_option(out, "--argv0", argv->n ? argv->list[0] : "");
    if (r == 0)
        r = split_environ(out, env, &host);
    if (r == 0)
        r = add_option(out, "--", im->name);
    for (size_t i = 1; r == 0 && i < argv->n; i++)
        r = add_string(out, argv->list[i]);
    free_strings(env);
    *env = host;
    return r;
}

static long run_host(struct thread *t, const char *path, char **argv, char **env)
{
    static char *const none[] = {NULL};
    const uint64_t args[6] = {(uint64_t)path, (uint64_t)(argv ? argv : none),
                              (uint64_t)(env ? env : none)};
    return syscall_host(t, SYS_execve, args);
}

static long execute(struct thread *t, struct image *im, struct strings *argv, struct strings *env)
{
    int r = resolve(im, argv, t->process->options->sysroot);
    if (r < 0)
        return r;
    if (!im->riscv)
        return run_host(t, im->path, argv->list, env->list);
    struct strings words = {0};
    r = doppel_words(t, im, argv, env, &words);
    long result = r < 0 ? r : run_host(t, "/proc/self/exe", words.list, env->list);
    free_strings(&words);
    return result;
}

static long exec_image(struct thread *t, struct image *im, gva_t argv_va, gva_t env_va)
{
    struct strings argv = {0}, env = {0};
    int r = read_strings(t, &argv, argv_va);
    if (r == 0)
        r = read_strings(t, &env, env_va);
    long result = r < 0 ? r : execute(t, im, &argv, &env);
    free_strings(&argv);
    free_strings(&env);
    return result;
}

long sys_execve(struct thread *t, const uint64_t *a)
{
    struct image im;
    ssize_t n = guest_string(thread_arena(t), im.name, a[0], sizeof(im.name));
    const char *own = n < 0 ? NULL : path_own_proc(im.name);
    if (own && strcmp(own, "exe") == 0)
        snprintf(im.name, sizeof(im.name), "%s", t->process->exe);
    return n < 0 ? n : n == 0 ? -ENOENT : exec_image(t, &im, a[1], a[2]);
}

long sys_execveat(struct thread *t, const uint64_t *a)
{
    struct image im;
    char path[PATH_MAX];
    int fd = (int)a[0];
    ssize_t n = guest_string(thread_arena(t), path, a[1], sizeof(path));
    if (n < 0)
        return n;
    if (n == 0 && !(a[4] & AT_EMPTY_PATH))
        return -ENOENT;
    if (path[0] == '/' || (fd == AT_FDCWD && n))
        snprintf(im.name, sizeof(im.name), "%s", path);
    else if ((size_t)snprintf(im.name, sizeof(im.name), "/proc/self/fd/%d%s%s", fd, n ? "/" : "",
                              path) >= sizeof(im.name))
        return -ENAMETOOLONG;
    return exec_image(t, &im, a[2], a[3]);
}
