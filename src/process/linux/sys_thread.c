/*
 * Threads and processes: clone, exit, futexes. A thread of the guest is a host thread; a fork is a
 * fork of this whole process; a vfork's child runs here, in the same memory, while its parent's
 * thread waits.
 */
#include <errno.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/linux/host_call.h"
#include "process/linux/process.h"

#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
/* Without effect on what a fork() of ours does, or done by hand. */
#define FORK_FLAGS                                                                                 \
    (CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID |              \
     CLONE_VFORK | CLONE_PIDFD | CLONE_DETACHED | CLONE_UNTRACED | CLONE_CLEAR_SIGHAND)

enum { REG_SP = 2, REG_TP = 4, REG_A0 = 10, HOST_STACK = 512 << 10 };

struct clone_request {
    uint64_t flags;   /* without the exit signal */
    uint64_t sp, tls; /* sp 0: as the parent's */
    gva_t parent_tid, child_tid, pidfd;
};

struct start {
    struct thread *thread;
    const struct clone_request *request;
    sem_t ready;
    int result;
};

static void put_tid(struct thread *t, gva_t va, int tid)
{
    int r = guest_write(thread_arena(t), va, &tid, sizeof(tid));
    (void)r; /* the kernel ignores it, too */
}

static void set_registers(struct thread *t, const struct clone_request *q)
{
    t->cpu.x[REG_A0] = 0;
    if (q->sp)
        t->cpu.x[REG_SP] = q->sp;
    if (q->flags & CLONE_SETTLS)
        t->cpu.x[REG_TP] = q->tls;
    t->clear_child_tid = q->flags & CLONE_CHILD_CLEARTID ? q->child_tid : 0;
}

static void put_tids(struct thread *t, const struct clone_request *q, int tid)
{
    if (q->flags & CLONE_PARENT_SETTID)
        put_tid(t, q->parent_tid, tid);
    if (q->flags & CLONE_CHILD_SETTID)
        put_tid(t, q->child_tid, tid);
}

static void *thread_main(void *opaque)
{
    struct start *s = opaque;
    struct thread *t = s->thread;
    s->result = thread_begin(t);
    if (s->result < 0) {
        sem_post(&s->ready);
        return NULL;
    }
    put_tids(t, s->request, t->tid);
    s->result = t->tid;
    sem_post(&s->ready); /* `s` is gone from here on */
    signals_set_mask(t, t->sig.mask);
    thread_run(t);
    thread_release_futexes(t);
    thread_end(t);
    thread_destroy(t);
    return NULL;
}

static int start_host_thread(struct start *s)
{
    pthread_t id;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, HOST_STACK);
    int r = pthread_create(&id, &attr, thread_main, s);
    pthread_attr_destroy(&attr);
    if (r)
        return -r;
    while (sem_wait(&s->ready) < 0)
        ;
    return s->result;
}

static long new_thread(struct thread *t, const struct clone_request *q)
{
    struct start s = {.thread = thread_create(t->process, t), .request = q};
    if (!s.thread)
        return -ENOMEM;
    set_registers(s.thread, q);
    s.thread->sig.stack.flags = SS_DISABLE;
    sem_init(&s.ready, 0, 0);
    /* The new thread begins with all signals closed, until it has what its handlers need. */
    signals_block_all();
    int r = start_host_thread(&s);
    sem_destroy(&s.ready);
    if (r < 0)
        thread_destroy(s.thread);
    signals_unblock(t);
    return r;
}

/* Locks of ours must be free in the child, whoever holds them now. */
static void hold_locks(struct thread *t)
{
    pthread_mutex_lock(&t->process->arena.lock);
    pthread_mutex_lock(&t->process->threads_lock);
    pthread_mutex_lock(&t->signals->lock);
}

static void free_locks(struct thread *t)
{
    pthread_mutex_unlock(&t->signals->lock);
    pthread_mutex_unlock(&t->process->threads_lock);
    pthread_mutex_unlock(&t->process->arena.lock);
}

static void reset_handlers(struct thread *t)
{
    for (int signo = 1; signo <= GUEST_NSIG; signo++) {
        struct guest_sigaction action;
        signals_get_action(t, signo, &action);
        if (action.handler == (uint64_t)SIG_IGN || action.handler == (uint64_t)SIG_DFL)
            continue;
        action = (struct guest_sigaction){.handler = (uint64_t)SIG_DFL};
        if (signals_set_action(t, signo, &action) < 0)
            return;
    }
}

/* In the child of a fork: this thread is all there is. Others' memory is lost, a little. */
static void become_child(struct thread *t, const struct clone_request *q)
{
    struct process *p = t->process;
    list_init(&p->threads);
    list_push_back(&p->threads, &t->node);
    p->nthreads = 1;
    t->tid = (pid_t)syscall(SYS_gettid);
    t->robust_list = 0;
    free_locks(t);
    if (p->engine->after_fork)
        p->engine->after_fork(&p->space, &t->cpu);
    set_registers(t, q);
    if (q->flags & CLONE_CHILD_SETTID)
        put_tid(t, q->child_tid, t->tid);
    if (q->flags & CLONE_CLEAR_SIGHAND)
        reset_handlers(t);
}

static void put_pidfd(struct thread *t, const struct clone_request *q, pid_t pid)
{
    if (q->flags & CLONE_PIDFD)
        put_tid(t, q->pidfd, (int)syscall(SYS_pidfd_open, pid, 0));
}

static long new_process(struct thread *t, const struct clone_request *q)
{
    signals_block_all();
    if (atomic_load(&t->sig.captured))
        return HOST_CALL_STOPPED; /* or both would handle it */
    hold_locks(t);
    pid_t pid = fork();
    if (pid == 0) {
        become_child(t, q);
        signals_unblock(t);
        return 0;
    }
    long r = pid < 0 ? -errno : pid;
    free_locks(t);
    if (pid > 0) {
        if (q->flags & CLONE_PARENT_SETTID)
            put_tid(t, q->parent_tid, pid);
        put_pidfd(t, q, pid);
    }
    signals_unblock(t);
    return r;
}

/* The child's own view of what it must not change for its parent. */
struct vfork_child {
    struct thread *thread;
    struct signals signals;
};

static _Noreturn void run_vforked(struct thread *t, const struct clone_request *q)
{
    t->tid = (pid_t)syscall(SYS_gettid);
    thread_set_current(t);
    if (q->flags & CLONE_CHILD_SETTID)
        put_tid(t, q->child_tid, t->tid);
    if (q->flags & CLONE_CLEAR_SIGHAND)
        reset_handlers(t);
    signals_unblock(t);
    thread_run(t);
    syscall(SYS_exit_group, 0);
    __builtin_unreachable();
}

static int make_vfork_child(struct thread *t, const struct clone_request *q,
                            struct vfork_child *child)
{
    child->thread = thread_create(t->process, t);
    if (!child->thread)
        return -ENOMEM;
    signals_copy(&child->signals, t->signals);
    child->thread->signals = &child->signals;
    child->thread->sig.stack = t->sig.stack;
    child->thread->vforked = true;
    set_registers(child->thread, q);
    pthread_mutex_lock(&t->process->threads_lock);
    list_push_back(&t->process->threads, &child->thread->node); /* it hears of changed code */
    pthread_mutex_unlock(&t->process->threads_lock);
    return 0;
}

static void end_vfork_child(struct thread *t, struct vfork_child *child)
{
    thread_set_current(t);
    pthread_mutex_lock(&t->process->threads_lock);
    list_remove(&child->thread->node);
    pthread_mutex_unlock(&t->process->threads_lock);
    atomic_fetch_add(&t->process->retired, child->thread->cpu.icount);
    thread_destroy(child->thread);
}

static long new_vforked(struct thread *t, const struct clone_request *q)
{
    struct vfork_child child;
    signals_block_all();
    if (atomic_load(&t->sig.captured))
        return HOST_CALL_STOPPED; /* or both would handle it */
    int r = make_vfork_child(t, q, &child);
    if (r == 0) {
        pid_t pid = vfork();
        if (pid == 0)
            run_vforked(child.thread, q);
        r = pid < 0 ? -errno : pid;
        end_vfork_child(t, &child);
        if (pid > 0 && q->flags & CLONE_PARENT_SETTID)
            put_tid(t, q->parent_tid, pid);
        if (pid > 0)
            put_pidfd(t, q, pid);
    }
    signals_unblock(t);
    return r;
}

static long do_clone(struct thread *t, const struct clone_request *q)
{
    uint64_t flags = q->flags & ~(uint64_t)CLONE_SYSVSEM;
    if (flags & CLONE_THREAD) {
        uint64_t known = THREAD_FLAGS | FORK_FLAGS;
        bool ok = (flags & THREAD_FLAGS) == THREAD_FLAGS && !(flags & ~known);
        return ok ? new_thread(t, q) : -EINVAL;
    }
    if (flags & CLONE_VM) {
        bool ok = flags & CLONE_VFORK && !(flags & ~(CLONE_VM | FORK_FLAGS));
        return ok ? new_vforked(t, q) : -EINVAL;
    }
    /* New namespaces and what else would be shared: not with a fork of a whole process. */
    return flags & ~FORK_FLAGS ? -EINVAL : new_process(t, q);
}

long sys_clone(struct thread *t, const uint64_t *a)
{
    struct clone_request q = {
        .flags = a[0] & 0xffffff00,
        .sp = a[1],
        .parent_tid = a[2],
        .tls = a[3],
        .child_tid = a[4],
        .pidfd = a[2],
    };
    return do_clone(t, &q);
}

long sys_clone3(struct thread *t, const uint64_t *a)
{
    struct clone_args c = {0};
    if (a[1] < CLONE_ARGS_SIZE_VER0)
        return -EINVAL;
    if (a[1] > sizeof(c))
        return -E2BIG;
    if (guest_read(thread_arena(t), &c, a[0], a[1]) < 0)
        return -EFAULT;
    if (c.set_tid_size || c.flags & CLONE_INTO_CGROUP || !c.stack != !c.stack_size)
        return -EINVAL;
    struct clone_request q = {
        .flags = c.flags,
        .sp = c.stack ? c.stack + c.stack_size : 0,
        .tls = c.tls,
        .parent_tid = c.parent_tid,
        .child_tid = c.child_tid,
        .pidfd = c.pidfd,
    };
    return do_clone(t, &q);
}

long sys_exit(struct thread *t, const uint64_t *a)
{
    struct process *p = t->process;
    pthread_mutex_lock(&p->threads_lock);
    bool last = p->nthreads == 1;
    pthread_mutex_unlock(&p->threads_lock);
    bool leader = t->tid == getpid();
    if (t->vforked || (leader && last))
        process_exit(t, (int)a[0]);
    t->ended = true;
    if (!leader)
        return 0;
    /* Its host thread is the process's first: it must not return, and its status is the
     * process's once the others have ended. */
    thread_release_futexes(t);
    thread_end(t);
    for (;;)
        syscall(SYS_exit, (int)a[0]);
}

long sys_exit_group(struct thread *t, const uint64_t *a)
{
    process_exit(t, (int)a[0]);
}

long sys_set_tid_address(struct thread *t, const uint64_t *a)
{
    t->clear_child_tid = a[0];
    return t->tid;
}

long sys_set_robust_list(struct thread *t, const uint64_t *a)
{
    if (a[1] != 3 * sizeof(uint64_t))
        return -EINVAL;
    t->robust_list = a[0];
    return 0;
}

long sys_get_robust_list(struct thread *t, const uint64_t *a)
{
    const uint64_t len = 3 * sizeof(uint64_t);
    if (a[0] && (pid_t)a[0] != t->tid)
        return -EPERM;
    int r = guest_write(thread_arena(t), a[1], &t->robust_list, sizeof(t->robust_list));
    return r < 0 ? r : guest_write(thread_arena(t), a[2], &len, sizeof(len));
}

/* The fourth argument is a time for those that wait, else a number. */
static bool futex_has_time(int op)
{
    switch (op & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_WAIT_REQUEUE_PI:
        return true;
    default:
        return false;
    }
}

long sys_futex(struct thread *t, const uint64_t *a)
{
    return syscall_pass(t, SYS_futex, futex_has_time((int)a[1]) ? "PduPPu" : "PduuPu", a);
}
