/*
 * The host's side of signals: handlers that capture what is for the guest, and turn the host's
 * faults into the guest's. They run on the thread's alternate signal stack.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "process/linux/host_call.h"
#include "process/linux/process.h"

enum { FAULT_WRITE = 1 << 1 }; /* of a page fault's error code [SDM 3A 4.7] */
enum { HOST_SA_RESTORER = 0x04000000 };

/* As the kernel wants it. The C library's function keeps signals 32 and 33 for itself, which a
 * guest's C library needs as much. */
struct kernel_sigaction {
    void (*handler)(int, siginfo_t *, void *);
    uint64_t flags;
    void (*restorer)(void);
    uint64_t mask;
};

/* The kernel's frame has room for 64 signals only, unlike the C library's type. */
static void close_all(ucontext_t *uc)
{
    *(uint64_t *)&uc->uc_sigmask = ~SIGNALS_OPEN;
}

static void capture(struct thread *t, const siginfo_t *info, ucontext_t *uc)
{
    t->sig.info = *info;
    atomic_store(&t->sig.captured, (uint32_t)info->si_signo);
    atomic_fetch_or(&t->cpu.attention, RISCV_ATTN_REQUEST);
    close_all(uc);
    host_call_interrupt(uc);
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    struct thread *t = thread_current();
    (void)signo;
    if (t)
        capture(t, info, context);
}

/* Somebody sent a signal that is otherwise a fault of ours or the guest's. */
static void on_sent(struct thread *t, const siginfo_t *info, ucontext_t *uc)
{
    uint64_t bit = SIGNAL_BIT(info->si_signo);
    if (t->sig.mask & bit || atomic_load(&t->sig.captured))
        atomic_fetch_or(&t->sig.held, bit);
    else
        capture(t, info, uc);
}

/* Translated code does not look whether an address is in the arena: beyond it there may be nothing,
 * or no address at all, of which the kernel says 0. */
static bool guest_fault(struct thread *t, const siginfo_t *info, ucontext_t *uc)
{
    if (!t->sig.in_guest)
        return false;
    bool write = uc->uc_mcontext.gregs[REG_ERR] & FAULT_WRITE;
    t->sig.fault_signal = info->si_signo;
    return t->process->engine->host_fault(&t->cpu, write ? 15 : 13,
                                          (hva_t)info->si_addr - t->process->space.base, uc);
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct thread *t = thread_current();
    if (info->si_code <= 0 && t) {
        on_sent(t, info, uc);
        return;
    }
    if (host_copy_fault(uc))
        return;
    if (!t || !guest_fault(t, info, uc)) {
        signal(signo, SIG_DFL); /* a bug of ours: happens again and ends the process */
        return;
    }
    /* What was captured while this handler ran closed only this handler's mask. */
    signals_block_all();
    if (atomic_load(&t->sig.captured))
        close_all(uc);
}

static int set(int signo, struct kernel_sigaction *k)
{
    k->flags |= HOST_SA_RESTORER;
    k->restorer = host_restorer;
    return syscall(SYS_rt_sigaction, signo, k, NULL, sizeof(k->mask)) < 0 ? -errno : 0;
}

int host_signals_faults(void)
{
    struct kernel_sigaction k = {.handler = on_fault,
                                 .flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    int r = set(SIGSEGV, &k);
    return r < 0 ? r : set(SIGBUS, &k);
}

int host_signals_handle(int signo, uint64_t flags)
{
    struct kernel_sigaction k = {
        .handler = on_signal,
        .flags = SA_SIGINFO | SA_ONSTACK | (flags & (SA_NOCLDSTOP | SA_NOCLDWAIT)),
        .mask = ~SIGNALS_OPEN,
    };
    return SIGNALS_OPEN & SIGNAL_BIT(signo) ? 0 : set(signo, &k);
}

int host_signals_plain(int signo, uint64_t handler)
{
    struct kernel_sigaction k = {.handler = (void (*)(int, siginfo_t *, void *))handler};
    return SIGNALS_OPEN & SIGNAL_BIT(signo) ? 0 : set(signo, &k);
}

uint64_t host_signals_inherited(int signo)
{
    struct kernel_sigaction k = {0};
    if (syscall(SYS_rt_sigaction, signo, NULL, &k, sizeof(k.mask)) < 0)
        return (uint64_t)SIG_DFL;
    return (uint64_t)k.handler == (uint64_t)SIG_IGN ? (uint64_t)SIG_IGN : (uint64_t)SIG_DFL;
}
