/*
 * Signals of a guest process, built on the host's.
 *
 * Invariants
 * 1. A thread's host mask is the guest's mask, but for SIGSEGV and SIGBUS, which are always open;
 *    so pending signals, sigpending, signalfd and sigwait are the kernel's business.
 * 2. What the guest ignores or leaves at its default, the host ignores or leaves at its default.
 *    What it handles gets our handler, which only captures: one signal with its siginfo, after
 *    which all others stay blocked until the guest's handler was entered (signals_deliver).
 * 3. A captured signal ends run() at the next block, and keeps host_call() from entering a call.
 */
#ifndef DOPPEL_PROCESS_LINUX_SIGNALS_H
#define DOPPEL_PROCESS_LINUX_SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"

struct process;
struct thread;

enum { GUEST_NSIG = 64 };
#define SIGNAL_BIT(signo) (UINT64_C(1) << ((signo)-1))
/* Faults of guest code arrive as these; they can never be blocked. */
#define SIGNALS_OPEN (SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS))

/* struct sigaction of riscv: there is no restorer. */
struct guest_sigaction {
    uint64_t handler; /* or SIG_DFL, SIG_IGN */
    uint64_t flags;
    uint64_t mask;
};

struct signals {
    pthread_mutex_t lock;
    struct guest_sigaction actions[GUEST_NSIG + 1];
};

struct guest_stack { /* stack_t */
    uint64_t sp;
    int32_t flags, unused;
    uint64_t size;
};

struct thread_signals {
    uint64_t mask;
    uint64_t saved_mask; /* in force again after this system call, and in frames */
    bool restore;        /* there is a saved_mask */
    struct guest_stack stack;
    _Atomic uint32_t captured; /* signal number; written by the handler only when 0 */
    siginfo_t info;            /* of the captured signal */
    _Atomic uint64_t held;     /* of SIGNALS_OPEN: sent by somebody while blocked */
    volatile bool in_guest;    /* inside run() */
    int fault_signal;          /* the host's, of the last fault of guest code */
};

/* Takes over what the process inherited. */
int signals_init(struct signals *s) must_check;
/* `to` becomes what `from` is (a vfork()ed child). */
void signals_copy(struct signals *to, struct signals *from);
/* The mask that this host thread inherited. */
uint64_t signals_host_mask(void);

/* The thread's mask, on guest and host. On its own thread. */
void signals_set_mask(struct thread *t, uint64_t mask);
/* Until the system call ends (signals_end_call), `mask` is in force. */
void signals_set_temporary_mask(struct thread *t, uint64_t mask);
/* A call under a temporary mask gave `result`: unless a handler runs now, the mask goes back. */
void signals_end_call(struct thread *t, long result);
/* Close all signals on the host, so that nothing is captured meanwhile; and open them again. */
void signals_block_all(void);
void signals_unblock(struct thread *t);

/* Would the captured signal's handler let an interrupted system call start again? */
bool signals_restart(struct thread *t);
/* Enter the handler of the captured signal, if there is one. */
void signals_deliver(struct thread *t);
/* Guest code did something wrong: its handler, or the end of the process. */
void signals_force(struct thread *t, int signo, int code, gva_t addr);
/* sigaction(2). */
int signals_set_action(struct thread *t, int signo, const struct guest_sigaction *action)
    must_check;
void signals_get_action(struct thread *t, int signo, struct guest_sigaction *out);

/* The frame of a handler, as the RISC-V kernel lays it out (sigframe.c). */
int sigframe_push(struct thread *t, const siginfo_t *info, const struct guest_sigaction *action,
                  uint64_t mask) must_check;
/* rt_sigreturn(2): -EFAULT when there is no frame. */
int sigframe_pop(struct thread *t) must_check;
/* What stands in the page of process.trampoline. */
extern const uint32_t sigframe_trampoline[2];
/* Is the thread on its alternate stack? */
bool sigframe_on_stack(const struct thread *t, uint64_t sp);

/* Handlers of the host's signals (host_signals.c): what the guest handles, and faults. */
int host_signals_faults(void) must_check;
int host_signals_handle(int signo, uint64_t flags) must_check;
/* SIG_DFL or SIG_IGN; the inherited one of the two. */
int host_signals_plain(int signo, uint64_t handler) must_check;
uint64_t host_signals_inherited(int signo);

#endif
