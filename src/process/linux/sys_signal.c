/* System calls about signals. Those that only touch what the kernel keeps are the host's own. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/linux/host_call.h"
#include "process/linux/process.h"

enum { REG_SP = 2, AUTODISARM = INT32_MIN }; /* SS_AUTODISARM, accepted */
#define MIN_STACK UINT64_C(2048)

long sys_rt_sigaction(struct thread *t, const uint64_t *a)
{
    int signo = (int)a[0];
    struct guest_sigaction action, old;
    if (signo < 1 || signo > GUEST_NSIG || a[3] != sizeof(uint64_t))
        return -EINVAL;
    if (a[1] && (signo == SIGKILL || signo == SIGSTOP))
        return -EINVAL;
    if (a[1] && guest_read(thread_arena(t), &action, a[1], sizeof(action)) < 0)
        return -EFAULT;
    signals_get_action(t, signo, &old);
    if (a[1]) {
        int r = signals_set_action(t, signo, &action);
        if (r < 0)
            return r;
    }
    return a[2] ? guest_write(thread_arena(t), a[2], &old, sizeof(old)) : 0;
}

static int new_mask(uint64_t *mask, uint64_t how, uint64_t set)
{
    switch (how) {
    case SIG_BLOCK:
        *mask |= set;
        return 0;
    case SIG_UNBLOCK:
        *mask &= ~set;
        return 0;
    case SIG_SETMASK:
        *mask = set;
        return 0;
    default:
        return -EINVAL;
    }
}

long sys_rt_sigprocmask(struct thread *t, const uint64_t *a)
{
    uint64_t old = t->sig.mask, mask = old, set;
    if (a[3] != sizeof(set))
        return -EINVAL;
    if (a[1]) {
        if (guest_read(thread_arena(t), &set, a[1], sizeof(set)) < 0)
            return -EFAULT;
        int r = new_mask(&mask, a[0], set);
        if (r < 0)
            return r;
    }
    if (mask != old) {
        /* A signal that came before this call is handled before it. */
        signals_block_all();
        if (atomic_load(&t->sig.captured))
            return HOST_CALL_STOPPED;
        signals_set_mask(t, mask);
    }
    return a[2] ? guest_write(thread_arena(t), a[2], &old, sizeof(old)) : 0;
}

long sys_rt_sigsuspend(struct thread *t, const uint64_t *a)
{
    uint64_t mask;
    if (a[1] != sizeof(mask))
        return -EINVAL;
    if (guest_read(thread_arena(t), &mask, a[0], sizeof(mask)) < 0)
        return -EFAULT;
    signals_set_temporary_mask(t, mask);
    mask &= ~SIGNALS_OPEN;
    const uint64_t args[6] = {(uint64_t)&mask, sizeof(mask)};
    long r = syscall_host(t, SYS_rt_sigsuspend, args);
    return r == HOST_CALL_STOPPED ? -EINTR : r;
}

static int set_stack(struct thread *t, gva_t va)
{
    struct guest_stack s;
    if (guest_read(thread_arena(t), &s, va, sizeof(s)) < 0)
        return -EFAULT;
    if (sigframe_on_stack(t, t->cpu.x[REG_SP]))
        return -EPERM;
    if (s.flags & SS_DISABLE) {
        t->sig.stack = (struct guest_stack){.flags = SS_DISABLE};
        return 0;
    }
    if (s.flags & ~(SS_ONSTACK | AUTODISARM))
        return -EINVAL;
    if (s.size < MIN_STACK)
        return -ENOMEM;
    t->sig.stack = s;
    t->sig.stack.flags = 0;
    return 0;
}

long sys_sigaltstack(struct thread *t, const uint64_t *a)
{
    struct guest_stack old = t->sig.stack;
    old.flags = !old.size ? SS_DISABLE : sigframe_on_stack(t, t->cpu.x[REG_SP]) ? SS_ONSTACK : 0;
    int r = a[0] ? set_stack(t, a[0]) : 0;
    if (r < 0 || !a[1])
        return r;
    return guest_write(thread_arena(t), a[1], &old, sizeof(old));
}

long sys_rt_sigreturn(struct thread *t, const uint64_t *a)
{
    (void)a;
    if (sigframe_pop(t) == 0)
        return 0;
    signals_force(t, SIGSEGV, SI_KERNEL, 0);
    return 0;
}
