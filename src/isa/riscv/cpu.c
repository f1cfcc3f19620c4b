/*
 * The hart as an object: creation, power-on state, state description, load validation.
 */
#include "isa/riscv/cpu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "isa/isa.h"
#include "isa/riscv/csr.h"
#include "isa/riscv/fp_state.h"
#include "isa/riscv/mmu.h"
#include "isa/riscv/regs.h"
#include "isa/riscv/trap.h"

/* A C D F I M S U, 64 bits. [RISC-V priv 3.1.1] */
#define MISA_BIT(letter) (UINT64_C(1) << ((letter) - 'A'))
#define MISA                                                                                       \
    (UINT64_C(2) << 62 | MISA_BIT('A') | MISA_BIT('C') | MISA_BIT('D') | MISA_BIT('F') |           \
     MISA_BIT('I') | MISA_BIT('M') | MISA_BIT('S') | MISA_BIT('U'))

void riscv_want_attention(struct riscv_cpu *c, uint32_t why)
{
    atomic_fetch_or_explicit(&c->attention, why, memory_order_release);
}

void riscv_set_line(struct riscv_cpu *c, enum riscv_line line, bool level)
{
    uint64_t bit = UINT64_C(1) << line;
    if (level)
        atomic_fetch_or(&c->lines, bit);
    else
        atomic_fetch_and(&c->lines, ~bit);
    riscv_want_attention(c, RISCV_ATTN_STATE);
}

bool riscv_wakes(const struct riscv_cpu *c)
{
    return riscv_pending(c) & c->mie;
}

static void pre_save(void *obj)
{
    riscv_fp_collect(obj);
}

static int post_load(void *obj, struct error *err)
{
    struct riscv_cpu *c = obj;
    if (c->priv == 2 || c->priv > RISCV_M)
        return error_set(err, EINVAL, "the hart's privilege mode %u is unknown", c->priv);
    if (c->run_state > RISCV_STOPPED)
        return error_set(err, EINVAL, "the hart's run state %u is unknown", c->run_state);
    if (SATP_MODE(c->satp) != SATP_BARE && SATP_MODE(c->satp) != SATP_SV39 &&
        SATP_MODE(c->satp) != SATP_SV48)
        return error_set(err, EINVAL, "the hart's satp has an unknown mode");
    c->x[0] = 0;
    c->pc &= ~UINT64_C(1);
    c->mepc &= ~UINT64_C(1);
    c->sepc &= ~UINT64_C(1);
    c->frm &= 7;
    c->fflags &= 31;
    c->misa = MISA;
    c->mstatus &= MSTATUS_WRITABLE;
    if ((c->mstatus & MSTATUS_MPP) == UINT64_C(2) << MSTATUS_MPP_SHIFT)
        c->mstatus &= ~MSTATUS_MPP;
    c->menvcfg &= MENVCFG_WRITABLE;
    c->mie &= RISCV_ALL_INTERRUPTS;
    c->mip &= RISCV_S_INTERRUPTS;
    c->mideleg &= RISCV_S_INTERRUPTS;
    c->op = NULL;
    c->fp_live = false;
    riscv_fp_changed(c);
    riscv_mmu_context_changed(c);
    riscv_want_attention(c, RISCV_ATTN_STATE);
    return 0;
}

#define STATE_OWNER struct riscv_cpu
STATE_DESC(riscv_cpu_state, "riscv-cpu", 1, RISCV_CPU_STATE, .pre_save = pre_save,
           .post_load = post_load);
#undef STATE_OWNER

static void *cpu_create(unsigned id)
{
    struct riscv_cpu *c = aligned_alloc(64, (sizeof(*c) + 63) & ~(size_t)63);
    if (!c)
        return NULL;
    memset(c, 0, sizeof(*c));
    c->id = id;
    return c;
}

static void cpu_destroy(void *cpu)
{
    free(cpu);
}

static uint64_t host_counter(void)
{
    return __rdtsc();
}

/* `time` is the board's; these are the hart's own counters. */
static void freeze_time(void *cpu, uint64_t host)
{
    struct riscv_cpu *c = cpu;
    c->cycle = host + c->cycle_offset;
    c->instret = c->icount + c->instret_offset;
}

static void thaw_time(void *cpu, uint64_t host)
{
    struct riscv_cpu *c = cpu;
    c->cycle_offset = c->cycle - host;
    c->instret_offset = c->instret - c->icount;
}

/* Power-on state [RISC-V priv 3.4]: M-mode, nothing delegated. Hart 0 runs; others wait for a start
 * by the board. */
static void cpu_reset(void *cpu)
{
    struct riscv_cpu *c = cpu;
    size_t first = offsetof(struct riscv_cpu, x);
    memset((char *)c + first, 0, offsetof(struct riscv_cpu, sink) - first);
    c->priv = RISCV_M;
    c->misa = MISA;
    c->menvcfg = ENVCFG_ADUE; /* A and D bits are set by the hart, as before Svadu gave a choice */
    c->stimecmp = UINT64_MAX;
    c->reserved_addr = RISCV_NO_RESERVATION;
    c->run_state = c->id == 0 ? RISCV_RUNNING : RISCV_STOPPED;
    c->cycle_offset = -host_counter();
    c->instret_offset = -c->icount;
    c->op = NULL;
    atomic_store(&c->lines, 0);
    riscv_fp_changed(c);
    riscv_mmu_context_changed(c);
}

/* At `addr` with the hart's number and `arg` in a0 and a1, in the mode that the board has put the
 * hart in, as SBI's hart start wants it. [SBI 9.1] */
static void cpu_start(void *cpu, gpa_t addr, uint64_t arg)
{
    struct riscv_cpu *c = cpu;
    if (c->run_state != RISCV_STOPPED)
        return;
    c->pc = addr;
    c->x[10] = c->id;
    c->x[11] = arg;
    c->satp = 0;
    c->mstatus &= ~MSTATUS_SIE;
    c->run_state = RISCV_RUNNING;
    riscv_mmu_context_changed(c);
}

static gva_t cpu_pc(const void *cpu)
{
    const struct riscv_cpu *c = cpu;
    return c->pc;
}

static void cpu_describe(const void *cpu, char *buf, uint32_t len)
{
    static const char modes[4][2] = {"U", "S", "?", "M"};
    const struct riscv_cpu *c = cpu;
    snprintf(buf, len,
             "pc %llx ra %llx sp %llx mode %s mstatus %llx satp %llx scause %llx sepc %llx "
             "stval %llx mcause %llx mepc %llx",
             (unsigned long long)c->pc, (unsigned long long)c->x[1], (unsigned long long)c->x[2],
             modes[c->priv & 3], (unsigned long long)riscv_mstatus(c), (unsigned long long)c->satp,
             (unsigned long long)c->scause, (unsigned long long)c->sepc,
             (unsigned long long)c->stval, (unsigned long long)c->mcause,
             (unsigned long long)c->mepc);
}

const struct isa_ops isa_riscv = {
    .name = "riscv64",
    .state = &riscv_cpu_state,
    .cpu_create = cpu_create,
    .cpu_destroy = cpu_destroy,
    .cpu_reset = cpu_reset,
    .cpu_start = cpu_start,
    .host_counter = host_counter,
    .freeze_time = freeze_time,
    .thaw_time = thaw_time,
    .pc = cpu_pc,
    .describe = cpu_describe,
};
