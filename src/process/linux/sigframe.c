/*
 * The frame that a handler of the guest runs on: struct rt_sigframe of riscv's kernel, which
 * unwinders and debuggers know byte by byte.
 */
#include <errno.h>
#include <string.h>

#include "isa/riscv/fp_state.h"
#include "process/linux/process.h"

/* li a7, 139 (rt_sigreturn); ecall: unwinders look for just these two. */
const uint32_t sigframe_trampoline[2] = {0x08b00893, 0x00000073};

struct guest_sigcontext {
    uint64_t regs[32]; /* pc, then x1 to x31 */
    union {
        struct {
            uint64_t f[32];
            uint32_t fcsr;
        } d;
        uint8_t room[528]; /* as large as with registers of 128 bits; zero: no extension follows */
    } fp __attribute__((aligned(16)));
};

struct guest_ucontext {
    uint64_t flags, link;
    struct guest_stack stack;
    uint64_t sigmask;
    uint8_t unused[120];
    struct guest_sigcontext mcontext;
};

struct guest_rt_sigframe {
    siginfo_t info; /* the same on both */
    struct guest_ucontext uc;
};

_Static_assert(sizeof(siginfo_t) == 128, "siginfo as in the kernel");
_Static_assert(offsetof(struct guest_ucontext, mcontext) == 176, "ucontext as in the kernel");
_Static_assert(sizeof(struct guest_sigcontext) == 784, "sigcontext as in the kernel");
_Static_assert(sizeof(struct guest_rt_sigframe) == 1088, "frame as in the kernel");

enum { REG_RA = 1, REG_SP = 2, REG_A0 = 10 };

bool sigframe_on_stack(const struct thread *t, uint64_t sp)
{
    const struct guest_stack *s = &t->sig.stack;
    return s->size && sp > s->sp && sp - s->sp <= s->size;
}

static gva_t frame_place(struct thread *t, const struct guest_sigaction *action)
{
    const struct guest_stack *s = &t->sig.stack;
    gva_t sp = t->cpu.x[REG_SP];
    if (action->flags & SA_ONSTACK && s->size && !sigframe_on_stack(t, sp))
        sp = s->sp + s->size;
    return (sp - sizeof(struct guest_rt_sigframe)) & ~UINT64_C(15);
}

static void save(const struct riscv_cpu *c, struct guest_sigcontext *sc)
{
    sc->regs[0] = c->pc;
    memcpy(&sc->regs[1], &c->x[1], 31 * sizeof(c->x[0]));
    memcpy(sc->fp.d.f, c->f, sizeof(c->f));
    sc->fp.d.fcsr = (uint32_t)(c->fflags | c->frm << 5);
}

static void restore(struct riscv_cpu *c, const struct guest_sigcontext *sc)
{
    c->pc = sc->regs[0];
    memcpy(&c->x[1], &sc->regs[1], 31 * sizeof(c->x[0]));
    memcpy(c->f, sc->fp.d.f, sizeof(c->f));
    c->fflags = sc->fp.d.fcsr & 31;
    c->frm = sc->fp.d.fcsr >> 5 & 7;
    riscv_fp_changed(c);
    c->reserved_addr = RISCV_NO_RESERVATION;
}

int sigframe_push(struct thread *t, const siginfo_t *info, const struct guest_sigaction *action,
                  uint64_t mask)
{
    struct guest_rt_sigframe frame;
    struct riscv_cpu *c = &t->cpu;
    gva_t va = frame_place(t, action);
    memset(&frame, 0, sizeof(frame));
    frame.info = *info;
    frame.uc.stack = t->sig.stack;
    frame.uc.stack.flags = !t->sig.stack.size                   ? SS_DISABLE
                           : sigframe_on_stack(t, c->x[REG_SP]) ? SS_ONSTACK
                                                                : 0;
    frame.uc.sigmask = mask;
    save(c, &frame.uc.mcontext);
    if (guest_write(thread_arena(t), va, &frame, sizeof(frame)) < 0)
        return -EFAULT;
    c->x[REG_RA] = t->process->trampoline;
    c->x[REG_SP] = va;
    c->x[REG_A0] = (uint64_t)info->si_signo;
    c->x[REG_A0 + 1] = va + offsetof(struct guest_rt_sigframe, info);
    c->x[REG_A0 + 2] = va + offsetof(struct guest_rt_sigframe, uc);
    c->pc = action->handler;
    c->reserved_addr = RISCV_NO_RESERVATION;
    return 0;
}

int sigframe_pop(struct thread *t)
{
    struct guest_rt_sigframe frame;
    if (guest_read(thread_arena(t), &frame, t->cpu.x[REG_SP], sizeof(frame)) < 0)
        return -EFAULT;
    restore(&t->cpu, &frame.uc.mcontext);
    t->sig.stack = frame.uc.stack;
    signals_set_mask(t, frame.uc.sigmask);
    return 0;
}
