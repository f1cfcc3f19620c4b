/*
 * A process of another machine, run under this Linux: one struct process, one struct thread for
 * each of its threads, each on a host thread of its own. Process and thread ids, files, and what
 * the kernel keeps of signals (masks, pending ones) are the host's own.
 */
#ifndef DOPPEL_PROCESS_LINUX_PROCESS_H
#define DOPPEL_PROCESS_LINUX_PROCESS_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "engine/flat.h"
#include "process/linux/arena.h"
#include "process/linux/signals.h"
#include "process/linux/syscall.h"

/* What the user asked for; strings live as long as the process. */
struct process_options {
    const struct flat_engine *engine;
    const char *program; /* path as given */
    const char *sysroot; /* or NULL */
    const char *stats;   /* file, or NULL */
    bool strace;
    char **argv;    /* the guest's, NULL-terminated */
    char **environ; /* the guest's */
};

struct process {
    const struct process_options *options;
    const struct flat_engine *engine;
    struct flat_space space;
    struct arena arena;
    char *exe; /* host path of the program, absolute */

    gva_t entry, stack_top; /* where the first thread begins */
    gva_t trampoline;       /* page with the call of rt_sigreturn */
    struct {
        gva_t start, end;
    } args, stack, auxv; /* for /proc/self */

    pthread_mutex_t threads_lock; /* threads, nthreads; taken inside no other but arena.lock */
    struct list threads;
    unsigned nthreads;
    _Atomic uint64_t retired;      /* instructions of threads that ended */
    _Atomic uint64_t calls;        /* system calls made */
    _Atomic uint64_t unknown[512]; /* of them those we do not have, by number */
};

struct thread {
    struct riscv_cpu cpu;
    struct list node; /* in process.threads */
    struct process *process;
    struct signals *signals; /* shared by all threads; a vfork()ed child has its own */
    pid_t tid;
    bool vforked; /* runs in its parent's memory until it ends or executes */
    bool ended;

    struct thread_signals sig;
    void *signal_stack;

    gva_t clear_child_tid, robust_list; /* set_tid_address(2), set_robust_list(2) */

    /* Code that this thread must forget, see process_code_changed; under threads_lock. */
    gva_t drop_start, drop_end;
};

/* Load the program and make its first thread; a sentence tells why not. */
int process_create(struct process *p, const struct process_options *options, struct error *err)
    must_check;
/* On the main thread: run until the process ends, which ends this one in the same way. */
_Noreturn void process_run(struct process *p);

/* Flush statistics and leave with this status. */
_Noreturn void process_exit(struct thread *t, int status);
/* The same by a signal, as its default action would. */
_Noreturn void process_die(struct thread *t, int signo);
/* --stats. */
void process_write_stats(struct process *p);

/* Any thread, arena.lock held: all threads forget code in [start, end). */
void process_code_changed(void *process, gva_t start, gva_t end);

/* A thread of `p` with a copy of `like`'s registers (NULL: zeroed); not yet listed nor running. */
struct thread *thread_create(struct process *p, const struct thread *like);
/* Lists it as a part of the process, on its own host thread, and gives it a signal stack. */
int thread_begin(struct thread *t) must_check;
void thread_end(struct thread *t);
void thread_destroy(struct thread *t);
/* Guest code and system calls until the thread ends. */
void thread_run(struct thread *t);
/* What the kernel does at a thread's end with futexes: robust locks, and clear_child_tid. */
void thread_release_futexes(struct thread *t);
/* The thread whose host thread this is, or NULL. */
struct thread *thread_current(void);
void thread_set_current(struct thread *t);

static inline struct arena *thread_arena(struct thread *t)
{
    return &t->process->arena;
}

#endif
