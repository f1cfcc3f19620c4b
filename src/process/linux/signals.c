/* Dispositions and masks of the guest, and when its handlers are entered. */
#include "process/linux/signals.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/linux/host_call.h"
#include "process/linux/process.h"

#define DEFAULT_IGNORED                                                                            \
    (SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH))
#define UNBLOCKABLE (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))

static uint64_t set_host_mask(uint64_t mask)
{
    uint64_t old = 0;
    mask &= ~SIGNALS_OPEN;
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, &old, sizeof(mask));
    return old;
}

uint64_t signals_host_mask(void)
{
    uint64_t mask = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, sizeof(mask));
    return mask;
}

int signals_init(struct signals *s)
{
    *s = (struct signals){0};
    pthread_mutex_init(&s->lock, NULL);
    for (int signo = 1; signo <= GUEST_NSIG; signo++)
        s->actions[signo].handler = host_signals_inherited(signo);
    return host_signals_faults();
}

void signals_copy(struct signals *to, struct signals *from)
{
    pthread_mutex_init(&to->lock, NULL);
    pthread_mutex_lock(&from->lock);
    memcpy(to->actions, from->actions, sizeof(to->actions));
    pthread_mutex_unlock(&from->lock);
}

void signals_block_all(void)
{
    set_host_mask(UINT64_MAX);
}

/* Signals that were held back while the guest blocked them, come now. */
static void release_held(struct thread *t)
{
    uint64_t held = atomic_load(&t->sig.held) & ~t->sig.mask;
    if (likely(!held))
        return;
    int signo = __builtin_ctzll(held) + 1;
    atomic_fetch_and(&t->sig.held, ~SIGNAL_BIT(signo));
    syscall(SYS_tgkill, getpid(), t->tid, signo);
}

/* With something captured all stay blocked: there is room for one. */
void signals_unblock(struct thread *t)
{
    if (atomic_load(&t->sig.captured))
        return;
    set_host_mask(t->sig.mask);
    release_held(t);
}

void signals_set_mask(struct thread *t, uint64_t mask)
{
    signals_block_all();
    t->sig.mask = mask & ~UNBLOCKABLE;
    signals_unblock(t);
}

void signals_set_temporary_mask(struct thread *t, uint64_t mask)
{
    t->sig.saved_mask = t->sig.mask;
    t->sig.restore = true;
    signals_set_mask(t, mask);
}

void signals_end_call(struct thread *t, long result)
{
    if (!t->sig.restore || (result == -EINTR && atomic_load(&t->sig.captured)))
        return;
    t->sig.restore = false;
    signals_set_mask(t, t->sig.saved_mask);
}

void signals_get_action(struct thread *t, int signo, struct guest_sigaction *out)
{
    pthread_mutex_lock(&t->signals->lock);
    *out = t->signals->actions[signo];
    pthread_mutex_unlock(&t->signals->lock);
}

int signals_set_action(struct thread *t, int signo, const struct guest_sigaction *action)
{
    struct signals *s = t->signals;
    pthread_mutex_lock(&s->lock);
    int r = action->handler == (uint64_t)SIG_DFL || action->handler == (uint64_t)SIG_IGN
                ? host_signals_plain(signo, action->handler)
                : host_signals_handle(signo, action->flags);
    if (r == 0) {
        s->actions[signo] = *action;
        s->actions[signo].mask &= ~UNBLOCKABLE;
    }
    pthread_mutex_unlock(&s->lock);
    return r;
}

bool signals_restart(struct thread *t)
{
    struct guest_sigaction action;
    int signo = (int)atomic_load(&t->sig.captured);
    signals_get_action(t, signo, &action);
    return action.handler == (uint64_t)SIG_DFL || action.handler == (uint64_t)SIG_IGN ||
           action.flags & SA_RESTART;
}

static void drop_captured(struct thread *t)
{
    if (t->sig.restore) {
        t->sig.restore = false;
        t->sig.mask = t->sig.saved_mask;
    }
    atomic_store(&t->sig.captured, 0);
    signals_unblock(t);
}

/* The disposition changed since the signal was captured; the host knows the new one. */
static void deliver_plain(struct thread *t, int signo, uint64_t handler)
{
    bool ignore = handler == (uint64_t)SIG_IGN || DEFAULT_IGNORED & SIGNAL_BIT(signo);
    if (!ignore && SIGNALS_OPEN & SIGNAL_BIT(signo))
        process_die(t, signo);
    drop_captured(t);
    if (!ignore)
        syscall(SYS_tgkill, getpid(), t->tid, signo);
}

/* Blocked by the mask that is in force again: back to where it came from. */
static void put_back(struct thread *t, int signo, siginfo_t *info)
{
    drop_captured(t);
    syscall(SYS_rt_tgsigqueueinfo, getpid(), t->tid, signo, info);
}

/* The handler is entered with these signals blocked. */
static void enter(struct thread *t, const siginfo_t *info, const struct guest_sigaction *action)
{
    int signo = info->si_signo;
    uint64_t mask = t->sig.restore ? t->sig.saved_mask : t->sig.mask;
    if (sigframe_push(t, info, action, mask) < 0)
        process_die(t, SIGSEGV);
    t->sig.restore = false;
    t->sig.mask |= action->mask;
    if (!(action->flags & SA_NODEFER))
        t->sig.mask |= SIGNAL_BIT(signo);
    if (action->flags & SA_RESETHAND) {
        struct guest_sigaction none = {.flags = action->flags, .mask = action->mask};
        if (signals_set_action(t, signo, &none) < 0)
            process_die(t, signo);
    }
}

void signals_deliver(struct thread *t)
{
    int signo = (int)atomic_load(&t->sig.captured);
    if (!signo)
        return;
    struct guest_sigaction action;
    siginfo_t info = t->sig.info;
    signals_get_action(t, signo, &action);
    if (action.handler == (uint64_t)SIG_DFL || action.handler == (uint64_t)SIG_IGN) {
        deliver_plain(t, signo, action.handler);
    } else if (!t->sig.restore && t->sig.mask & SIGNAL_BIT(signo)) {
        put_back(t, signo, &info);
    } else {
        enter(t, &info, &action);
        atomic_store(&t->sig.captured, 0);
        signals_unblock(t);
    }
}

void signals_force(struct thread *t, int signo, int code, gva_t addr)
{
    struct guest_sigaction action;
    signals_get_action(t, signo, &action);
    if (action.handler == (uint64_t)SIG_DFL || action.handler == (uint64_t)SIG_IGN ||
        t->sig.mask & SIGNAL_BIT(signo))
        process_die(t, signo);
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    info.si_signo = signo;
    info.si_code = code;
    info.si_addr = (void *)addr;
    enter(t, &info, &action);
    signals_set_mask(t, t->sig.mask);
}
