#include "engine/dbt/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { STACK_SIZE = 64 << 10 };

static _Thread_local struct fault_catcher *running;

/* True: the thread goes on in the slow path. */
static bool redirect(ucontext_t *uc)
{
    uint32_t site;
    if (!running || !code_site_at(running->code, (uint64_t)uc->uc_mcontext.gregs[REG_RIP], &site))
        return false;
    running->redirect(running, uc, site);
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

/* Every handler would need that stack: only the host's faults are let through. */
static void block_others(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};
    sigset_t set;
    sigfillset(&set);
    for (unsigned i = 0; i < ARRAY_SIZE(faults); i++)
        sigdelset(&set, faults[i]);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
}

int fault_catch(struct fault_catcher *f, struct error *err)
{
    running = f;
    if (f->ready)
        return 0;
    f->stack = malloc(STACK_SIZE);
    stack_t stack = {.ss_sp = f->stack, .ss_size = STACK_SIZE};
    if (!f->stack || sigaltstack(&stack, NULL) < 0 || handle(SIGSEGV) < 0 || handle(SIGBUS) < 0)
        return error_set(err, errno, "cannot handle faults of translated code: %s",
                         strerror(errno));
    block_others();
    f->ready = true;
    return 0;
}

void fault_catcher_destroy(struct fault_catcher *f)
{
    free(f->stack);
    f->stack = NULL;
}
