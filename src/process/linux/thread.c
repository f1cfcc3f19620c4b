/*
 * A thread of the guest: its loop of guest code, system calls and signals. See process.h.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "isa/riscv/fp_state.h"
#include "isa/riscv/insn.h"
#include "isa/riscv/op_info.h"
#include "isa/riscv/regs.h"
#include "process/linux/host_call.h"
#include "process/linux/process.h"

enum { SIGNAL_STACK_SIZE = 64 << 10, ROBUST_MAX = 2048 };

/* Causes of exceptions [RISC-V priv 3.1.15]. */
enum {
    CAUSE_FETCH_MISALIGNED = 0,
    CAUSE_FETCH_ACCESS = 1,
    CAUSE_ILLEGAL = 2,
    CAUSE_BREAKPOINT = 3,
    CAUSE_LOAD_MISALIGNED = 4,
    CAUSE_STORE_MISALIGNED = 6,
    CAUSE_ECALL_U = 8,
};

static _Thread_local struct thread *current_thread;

struct thread *thread_current(void)
{
    return current_thread;
}

void thread_set_current(struct thread *t)
{
    current_thread = t;
}

/* The `time` CSR counts in 10 MHz, as on the boards that Linux runs on. */
static uint64_t guest_time(void *platform)
{
    struct timespec ts;
    (void)platform;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 10000000 + (uint64_t)ts.tv_nsec / 100;
}

struct thread *thread_create(struct process *p, const struct thread *like)
{
    struct thread *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->process = p;
    t->signals = like ? like->signals : NULL;
    list_init(&t->node);
    struct riscv_cpu *c = &t->cpu;
    if (like) {
        memcpy(c->x, like->cpu.x, sizeof(c->x));
        memcpy(c->f, like->cpu.f, sizeof(c->f));
        c->pc = like->cpu.pc;
        c->fflags = like->cpu.fflags;
        c->frm = like->cpu.frm;
        t->sig.mask = like->sig.mask;
    }
    c->priv = RISCV_U;
    c->mstatus = MSTATUS_FS;
    c->mcounteren = c->scounteren = 7; /* cycle, time, instret: as Linux leaves them */
    c->reserved_addr = RISCV_NO_RESERVATION;
    c->flat_base = p->space.base;
    c->flat_size = p->space.size;
    c->env.time = guest_time;
    riscv_fp_changed(c);
    struct error err;
    if (p->engine->hart_init(&p->space, c, &err) < 0) {
        free(t);
        return NULL;
    }
    return t;
}

void thread_destroy(struct thread *t)
{
    t->process->engine->hart_destroy(&t->cpu);
    free(t);
}

int thread_begin(struct thread *t)
{
    struct process *p = t->process;
    t->signal_stack = malloc(SIGNAL_STACK_SIZE);
    stack_t stack = {.ss_sp = t->signal_stack, .ss_size = SIGNAL_STACK_SIZE};
    if (!t->signal_stack || sigaltstack(&stack, NULL) < 0)
        return -ENOMEM;
    t->tid = (pid_t)syscall(SYS_gettid);
    current_thread = t;
    pthread_mutex_lock(&p->threads_lock);
    list_push_back(&p->threads, &t->node);
    p->nthreads++;
    pthread_mutex_unlock(&p->threads_lock);
    return 0;
}

void thread_end(struct thread *t)
{
    struct process *p = t->process;
    signals_block_all();
    pthread_mutex_lock(&p->threads_lock);
    list_remove(&t->node);
    bool last = --p->nthreads == 0;
    pthread_mutex_unlock(&p->threads_lock);
    atomic_fetch_add(&p->retired, t->cpu.icount);
    if (last)
        process_write_stats(p);
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    current_thread = NULL;
    free(t->signal_stack);
    t->signal_stack = NULL;
}

static void wake(struct thread *t, gva_t va)
{
    void *p = guest_ptr(thread_arena(t), va, 4);
    if (p)
        syscall(SYS_futex, p, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* A lock that the thread still holds: its next owner learns that this one died. */
static void release_lock(struct thread *t, gva_t va)
{
    uint32_t val;
    if (va & 3 || guest_read(thread_arena(t), &val, va, sizeof(val)) < 0)
        return;
    while ((val & FUTEX_TID_MASK) == (uint32_t)t->tid) {
        long old = host_cas32(guest_ptr(thread_arena(t), va, 4), val,
                              (val & FUTEX_WAITERS) | FUTEX_OWNER_DIED);
        if (old < 0)
            return;
        if ((uint32_t)old == val) {
            if (val & FUTEX_WAITERS)
                wake(t, va);
            return;
        }
        val = (uint32_t)old;
    }
}

/* struct robust_list_head: first entry, offset of the lock word from an entry, entry under way. */
static void release_robust_list(struct thread *t)
{
    uint64_t head[3], entry;
    if (!t->robust_list || guest_read(thread_arena(t), head, t->robust_list, sizeof(head)) < 0)
        return;
    entry = head[0];
    for (unsigned i = 0; i < ROBUST_MAX && (entry & ~UINT64_C(1)) != t->robust_list; i++) {
        uint64_t next, at = entry & ~UINT64_C(1);
        int r = guest_read(thread_arena(t), &next, at, sizeof(next));
        if (at != (head[2] & ~UINT64_C(1)))
            release_lock(t, at + head[1]);
        if (r < 0)
            return;
        entry = next;
    }
    if (head[2])
        release_lock(t, (head[2] & ~UINT64_C(1)) + head[1]);
}

void thread_release_futexes(struct thread *t)
{
    const uint32_t zero = 0;
    release_robust_list(t);
    if (t->clear_child_tid &&
        guest_write(thread_arena(t), t->clear_child_tid, &zero, sizeof(zero)) == 0)
        wake(t, t->clear_child_tid);
}

void process_code_changed(void *process, gva_t start, gva_t end)
{
    struct process *p = process;
    pthread_mutex_lock(&p->threads_lock);
    list_for_each(pos, &p->threads)
    {
        struct thread *t = container_of(pos, struct thread, node);
        bool none = t->drop_start == t->drop_end;
        t->drop_start = none ? start : MIN(t->drop_start, start);
        t->drop_end = none ? end : MAX(t->drop_end, end);
        atomic_fetch_or(&t->cpu.attention, RISCV_ATTN_REQUEST);
    }
    pthread_mutex_unlock(&p->threads_lock);
}

static void drop_code(struct thread *t)
{
    pthread_mutex_lock(&t->process->threads_lock);
    gva_t start = t->drop_start, end = t->drop_end;
    t->drop_start = t->drop_end = 0;
    pthread_mutex_unlock(&t->process->threads_lock);
    if (start != end)
        t->process->engine->drop_code(&t->cpu, start, end);
}

/* Memory that is not there, or not for this. */
static void bad_access(struct thread *t, gva_t va)
{
    struct arena *a = thread_arena(t);
    int host = t->sig.fault_signal;
    t->sig.fault_signal = 0;
    pthread_mutex_lock(&a->lock);
    bool mapped = area_find(&a->areas, va);
    pthread_mutex_unlock(&a->lock);
    if (host == SIGBUS && mapped)
        signals_force(t, SIGBUS, BUS_ADRERR, va);
    else
        signals_force(t, SIGSEGV, mapped ? SEGV_ACCERR : SEGV_MAPERR, va);
}

/*
 * Beyond the arena the host knows no better than that an access failed. The instruction says which:
 * all of them add an immediate to their first operand.
 */
static gva_t accessed(struct thread *t)
{
    const struct riscv_cpu *c = &t->cpu;
    struct riscv_insn in;
    uint16_t half[2] = {0};
    if (c->exc_tval < t->process->space.size ||
        guest_read(thread_arena(t), &half[0], c->pc, 2) < 0 ||
        (riscv_insn_len(half[0]) == 4 && guest_read(thread_arena(t), &half[1], c->pc + 2, 2) < 0) ||
        riscv_decode(&in, half[0] | (uint32_t)half[1] << 16) < 0 ||
        !(riscv_op_info[in.op].flags & (RISCV_F_LOAD | RISCV_F_STORE)))
        return c->exc_tval;
    return c->x[in.rs1] + (uint64_t)(int64_t)in.imm;
}

static void exception(struct thread *t)
{
    struct riscv_cpu *c = &t->cpu;
    switch (c->exc_cause) {
    case CAUSE_ECALL_U:
        syscall_run(t);
        break;
    case CAUSE_ILLEGAL:
        signals_force(t, SIGILL, ILL_ILLOPC, c->pc);
        break;
    case CAUSE_BREAKPOINT:
        signals_force(t, SIGTRAP, TRAP_BRKPT, c->pc);
        break;
    case CAUSE_FETCH_MISALIGNED:
    case CAUSE_LOAD_MISALIGNED:
    case CAUSE_STORE_MISALIGNED:
        signals_force(t, SIGBUS, BUS_ADRALN, c->exc_tval);
        break;
    default:
        bad_access(t, accessed(t));
    }
}

void thread_run(struct thread *t)
{
    const struct flat_engine *engine = t->process->engine;
    while (!t->ended) {
        /* Taken before the looks: what comes after them sets it again. */
        if (unlikely(atomic_load(&t->cpu.attention))) {
            atomic_store(&t->cpu.attention, 0);
            drop_code(t);
            signals_deliver(t);
        }
        t->sig.in_guest = true;
        enum flat_exit why = engine->run(&t->cpu);
        t->sig.in_guest = false;
        if (why == FLAT_EXCEPTION)
            exception(t);
    }
}
