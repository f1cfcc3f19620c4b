/* The beginning and the end of a guest process. */
#include "process/linux/process.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "process/linux/load.h"

enum { REG_SP = 2 };

static int init_engine(struct process *p, struct error *err)
{
    p->space = (struct flat_space){
        .base = p->arena.base,
        .size = p->arena.size,
        .executable = arena_executable,
        .opaque = &p->arena,
    };
    p->arena.code_changed = process_code_changed;
    p->arena.opaque = p;
    return p->engine->init(&p->space, err);
}

static int load(struct process *p, struct error *err)
{
    struct loaded l;
    int r = load_trampoline(p, err);
    if (r == 0)
        r = load_map_stack(p, err);
    if (r == 0)
        r = load_program(p, &l, err);
    return r < 0 ? r : load_stack(p, &l, err);
}

int process_create(struct process *p, const struct process_options *options, struct error *err)
{
    *p = (struct process){.options = options, .engine = options->engine};
    list_init(&p->threads);
    pthread_mutex_init(&p->threads_lock, NULL);
    int r = arena_init(&p->arena, err);
    if (r == 0)
        r = load(p, err);
    return r < 0 ? r : init_engine(p, err);
}

static void name_thread(const struct process *p)
{
    const char *slash = strrchr(p->options->program, '/');
    prctl(PR_SET_NAME, slash ? slash + 1 : p->options->program);
}

static struct thread *first_thread(struct process *p, struct signals *signals)
{
    struct thread *t = thread_create(p, NULL);
    if (!t || signals_init(signals) < 0 || thread_begin(t) < 0)
        return NULL;
    t->signals = signals;
    t->cpu.pc = p->entry;
    t->cpu.x[REG_SP] = p->stack_top;
    t->sig.mask = signals_host_mask();
    t->sig.stack.flags = SS_DISABLE;
    return t;
}

void process_run(struct process *p)
{
    struct signals signals;
    struct thread *t = first_thread(p, &signals);
    if (!t) {
        log_error("no memory for the program's first thread");
        _exit(1);
    }
    name_thread(p);
    thread_run(t);
    /* The last of a process's threads leaves by process_exit(). */
    process_exit(t, 0);
}

void process_exit(struct thread *t, int status)
{
    if (!t->vforked)
        process_write_stats(t->process);
    for (;;)
        syscall(SYS_exit_group, status);
}

void process_die(struct thread *t, int signo)
{
    struct rlimit none = {0};
    uint64_t open = ~SIGNAL_BIT(signo);
    if (!t->vforked)
        process_write_stats(t->process);
    /* A core file would be ours, not the guest's. */
    setrlimit(RLIMIT_CORE, &none);
    signals_block_all();
    signal(signo, SIG_DFL);
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signo);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &open, NULL, sizeof(open));
    for (;;)
        syscall(SYS_exit_group, 128 + signo);
}
