/*
 * Signals on a vCPU's thread. Translated code runs on the guest's stack pointer, so every handler
 * needs a stack of its own, and only the host's faults are let through: an access through a page
 * table entry that belongs to another address (space.h, invariant 3) goes to its slow path.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "engine/dbt/x86/dbt.h"
#include "isa/x86/flags.h"

enum { STACK_SIZE = 64 << 10 };

static _Thread_local struct dbt_vcpu *running;

/* What the tail of a string instruction would do on the way to the slow path: xlat_string.c. */
static void end_string(const struct dbt_hot *hot, greg_t *r)
{
    r[REG_RCX] += (greg_t)hot->tmp[2];
    r[REG_EFL] &= ~(greg_t)FL_ARITH;
    r[REG_EFL] |= (greg_t)arith_to_rflags((uint16_t)hot->tmp[1]);
}

/* True: the thread goes on in the slow path. */
static bool redirect(ucontext_t *uc)
{
    greg_t *r = uc->uc_mcontext.gregs;
    uint32_t site;
    if (!running || !code_site_at(&running->vm->code, (uint64_t)r[REG_RIP], &site))
        return false;
    if (running->vm->code.sites[site].flags & CODE_SITE_STRING)
        end_string(running->hot, r);
    r[REG_R11] = site;
    r[REG_RIP] = (greg_t)running->vm->stubs.slow;
    running->strayed = true;
    running->v->stats.stray_accesses++;
    return true;
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    (void)info;
    if (!redirect(context))
        signal(signo, SIG_DFL); /* a bug of ours: happens again and ends the process */
}

static int handle(int signo)
{
    struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&sa.sa_mask);
    return sigaction(signo, &sa, NULL);
}

static void block_others(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
    sigset_t set;
    sigfillset(&set);
    for (unsigned i = 0; i < ARRAY_SIZE(faults); i++)
        sigdelset(&set, faults[i]);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
}

int dbt_thread_init(struct dbt_vcpu *d, struct error *err)
{
    running = d;
    if (d->on_thread)
        return 0;
    d->signal_stack = malloc(STACK_SIZE);
    stack_t stack = {.ss_sp = d->signal_stack, .ss_size = STACK_SIZE};
    if (!d->signal_stack || sigaltstack(&stack, NULL) < 0 || handle(SIGSEGV) < 0 ||
        handle(SIGBUS) < 0)
        return error_set(err, errno, "cannot handle faults of translated code: %s",
                         strerror(errno));
    block_others();
    d->on_thread = true;
    return 0;
}

void dbt_thread_destroy(struct dbt_vcpu *d)
{
    free(d->signal_stack);
    d->signal_stack = NULL;
}
