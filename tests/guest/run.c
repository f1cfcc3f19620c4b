/*
 * Runs a small guest inside this process and turns its verdict into an exit status.
 *
 * usage: run ENGINE[,ENGINE...] GUEST [--cpus N] [--expect reset] [--append STRING]
 *            [--kvm any]
 *
 * The machine starts on the first engine. Each time the guest asks (ask_for_save() in kit/) it is
 * saved to a file in memory, destroyed, and resumed on the next engine of the list.
 *
 * A KVM that is software itself is not used, unless `--kvm any` says so: it does not know every
 * instruction and is not exact, so what goes wrong on it says nothing about us. What goes wrong on
 * any other KVM fails.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "board/board.h"
#include "engine/kvm/kvm.h"
#include "state/file.h"
#include "vm/vm.h"

enum { SKIPPED = 77, VERDICT_SAVE = 0x5a5e, MAX_ENGINES = 8, TIMEOUT_S = 30, SLOW_KIPS = 20000 };

struct run {
    const struct engine_ops *engines[MAX_ENGINES];
    unsigned n, at;
    const char *guest, *append;
    unsigned cpus;
    bool any_kvm;
    enum vm_end expect;
    struct vm vm;
    struct error err;
};

static _Noreturn void skip(const char *why)
{
    printf("skipped: %s\n", why);
    exit(SKIPPED);
}

/* A guest that hangs fails. */
static void on_alarm(int sig)
{
    static const char text[] = "the guest hangs\n";
    (void)sig;
    (void)!write(STDOUT_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

/* False: one of them does not exist. */
static bool add_engines(struct run *r, char *names)
{
    static const struct engine_ops *const all[] = {&engine_kvm, &engine_dbt, &engine_interp,
                                                   &engine_lockstep, &engine_lockstep_strict};
    for (char *s = strtok(names, ","); s && r->n < MAX_ENGINES; s = strtok(NULL, ",")) {
        unsigned before = r->n;
        for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
            if (strcmp(s, all[i]->name) == 0)
                r->engines[r->n++] = all[i];
        }
        if (r->n == before)
            return false;
    }
    return r->n > 0;
}

/* Before anything runs: whether KVM counts depends on its speed, not on what comes out. */
static void probe_engines(struct run *r)
{
    unsigned kips;
    for (unsigned i = 0; i < r->n; i++) {
        if (r->engines[i]->probe(&r->err) < 0)
            skip(r->err.text);
        if (r->engines[i] != &engine_kvm || r->any_kvm)
            continue;
        if (kvm_prove(&kips, &r->err) < 0)
            skip(r->err.text);
        if (kips < SLOW_KIPS)
            skip("KVM here is software");
    }
}

static bool parse(struct run *r, int argc, char **argv)
{
    if (argc < 3 || !add_engines(r, argv[1]))
        return false;
    r->guest = argv[2];
    for (int i = 3; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--cpus") == 0)
            r->cpus = (unsigned)atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--expect") == 0 && strcmp(argv[i + 1], "reset") == 0)
            r->expect = VM_RESET_REQUESTED;
        else if (strcmp(argv[i], "--append") == 0)
            r->append = argv[i + 1];
        else if (strcmp(argv[i], "--kvm") == 0 && strcmp(argv[i + 1], "any") == 0)
            r->any_kvm = true;
        else
            return false;
    }
    return true;
}

static int create(struct run *r, const struct board_config *cfg)
{
    struct chr_backend *console;
    struct vm_params p = {.name = "guest",
                          .nvcpus = r->cpus,
                          .ram_size = cfg->ram,
                          .isa = &isa_x86,
                          .engine = r->engines[r->at],
                          .no_reboot = true};
    int rc = vm_init(&r->vm, &p, &r->err);
    return rc < 0 ? rc : board_pc.create(&r->vm, cfg, &console, &r->err);
}

static int save(struct run *r, int fd)
{
    int rc = vm_save(&r->vm, fd, "{}", &r->err);
    vm_destroy(&r->vm);
    return rc;
}

static int resume(struct run *r, const struct board_config *cfg, int fd)
{
    struct state_in *in = NULL;
    int rc = create(r, cfg);
    if (rc == 0)
        rc = state_in_open(&in, fd, &r->err);
    if (rc == 0)
        rc = vm_load(&r->vm, in, &r->err);
    state_in_close(in);
    return rc < 0 ? rc : vm_start(&r->vm, true, &r->err);
}

static bool wants_save(const struct run *r, enum vm_end end)
{
    return end == VM_DEBUG_EXIT && r->vm.exit_value == VERDICT_SAVE;
}

static int run_all(struct run *r, const struct board_config *cfg, enum vm_end *end)
{
    int rc = create(r, cfg);
    if (rc == 0)
        rc = vm_start(&r->vm, false, &r->err);
    while (rc == 0) {
        *end = vm_wait(&r->vm);
        if (!wants_save(r, *end) || ++r->at >= r->n)
            break;
        int fd = memfd_create("state", MFD_CLOEXEC);
        rc = fd < 0 ? error_set(&r->err, errno, "no memory for the state") : save(r, fd);
        if (rc == 0 && lseek(fd, 0, SEEK_SET) == 0)
            rc = resume(r, cfg, fd);
        close(fd);
    }
    return rc;
}

/* What is wrong, or NULL. */
static const char *verdict(const struct run *r, enum vm_end end)
{
    static char text[600];
    if (end == VM_FAILED)
        snprintf(text, sizeof(text), "the machine failed: %s", r->vm.failure.text);
    else if (wants_save(r, end))
        snprintf(text, sizeof(text), "the guest asked for one engine more");
    else if (end == VM_DEBUG_EXIT && r->vm.exit_value)
        snprintf(text, sizeof(text), "the guest says no at line %u", r->vm.exit_value);
    else if (end != r->expect)
        snprintf(text, sizeof(text), "the machine ended in another way (%d)", end);
    else if (r->at + 1 < r->n)
        snprintf(text, sizeof(text), "the guest never asked to be saved");
    else
        return NULL;
    return text;
}

static int judge(const struct run *r, enum vm_end end)
{
    const char *wrong = verdict(r, end);
    if (wrong)
        printf("%s\n", wrong);
    return wrong != NULL;
}

int main(int argc, char **argv)
{
    static struct run r = {.cpus = 1, .expect = VM_DEBUG_EXIT};
    enum vm_end end = VM_RUNNING;
    if (!parse(&r, argc, argv)) {
        fprintf(stderr,
                "usage: run ENGINE[,ENGINE...] GUEST [--cpus N] [--expect reset] [--append STRING]"
                " [--kvm any]\n");
        return 2;
    }
    probe_engines(&r);
    signal(SIGALRM, on_alarm);
    alarm(TIMEOUT_S);
    struct board_config cfg = {
        .kernel = r.guest, .cmdline = r.append, .console = "stdio", .ram = 64 << 20};
    if (run_all(&r, &cfg, &end) < 0) {
        printf("%s\n", r.err.text);
        return 1;
    }
    int status = judge(&r, end);
    vm_destroy(&r.vm);
    return status;
}
