/*
 * The CSRs: numbers, access rights, legal values. [RISC-V priv 2.1, 3.1, 4.1]
 *
 * A CSR is a line of one of two lists: a plain field with the bits that software may change, or a
 * name with two functions. What stands in neither does not exist.
 */
#include "isa/riscv/csr.h"

#include "isa/isa.h"
#include "isa/riscv/fp_state.h"
#include "isa/riscv/mmu.h"
#include "isa/riscv/regs.h"
#include "isa/riscv/trap.h"

#define ALL_BITS UINT64_MAX

/* X(number, field, writable bits) */
#define CSR_FIELDS(X)                                                                              \
    X(0x105, stvec, ~UINT64_C(2))                                                                  \
    X(0x106, scounteren, UINT32_MAX)                                                               \
    X(0x10a, senvcfg, ENVCFG_FIOM | ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE)                      \
    X(0x140, sscratch, ALL_BITS)                                                                   \
    X(0x141, sepc, ~UINT64_C(1))                                                                   \
    X(0x142, scause, ALL_BITS)                                                                     \
    X(0x143, stval, ALL_BITS)                                                                      \
    X(0x301, misa, 0)                                                                              \
    X(0x302, medeleg, UINT64_C(0xb3ff))                                                            \
    X(0x305, mtvec, ~UINT64_C(2))                                                                  \
    X(0x306, mcounteren, UINT32_MAX)                                                               \
    X(0x320, mcountinhibit, 0)                                                                     \
    X(0x340, mscratch, ALL_BITS)                                                                   \
    X(0x341, mepc, ~UINT64_C(1))                                                                   \
    X(0x342, mcause, ALL_BITS)                                                                     \
    X(0x343, mtval, ALL_BITS)

/* X(number, name): get_name, set_name. A read-only one's set is never called. */
#define CSR_SPECIAL(X)                                                                             \
    X(0x001, fflags)                                                                               \
    X(0x002, frm)                                                                                  \
    X(0x003, fcsr)                                                                                 \
    X(0x100, sstatus)                                                                              \
    X(0x104, sie)                                                                                  \
    X(0x144, sip)                                                                                  \
    X(0x14d, stimecmp)                                                                             \
    X(0x180, satp)                                                                                 \
    X(0x300, mstatus)                                                                              \
    X(0x303, mideleg)                                                                              \
    X(0x304, mie)                                                                                  \
    X(0x30a, menvcfg)                                                                              \
    X(0x344, mip)                                                                                  \
    X(0xb00, mcycle)                                                                               \
    X(0xb02, minstret)                                                                             \
    X(0xc00, cycle)                                                                                \
    X(0xc01, time)                                                                                 \
    X(0xc02, instret)                                                                              \
    X(0xf14, mhartid)

enum { CSR_PMPCFG0 = 0x3a0, CSR_PMPCFG2 = 0x3a2, CSR_PMPADDR0 = 0x3b0 };
enum { CSR_MHPMEVENT3 = 0x323, CSR_MHPMCOUNTER3 = 0xb03, CSR_HPMCOUNTER3 = 0xc03, CSR_HPMS = 29 };
enum { CSR_MVENDORID = 0xf11, CSR_MIMPID = 0xf13, CSR_MCONFIGPTR = 0xf15 };
enum { CSR_TIME = 0xc01, CSR_CYCLE = 0xc00, CSR_SATP = 0x180, CSR_STIMECMP = 0x14d, CSR_FCSR = 3 };

static void interrupts_changed(struct riscv_cpu *c)
{
    riscv_want_attention(c, RISCV_ATTN_STATE);
}

static uint64_t get_fflags(struct riscv_cpu *c)
{
    return riscv_fp_csr_read(c, 1);
}

static void set_fflags(struct riscv_cpu *c, uint64_t v)
{
    riscv_fp_csr_write(c, 1, v);
}

static uint64_t get_frm(struct riscv_cpu *c)
{
    return riscv_fp_csr_read(c, 2);
}

static void set_frm(struct riscv_cpu *c, uint64_t v)
{
    riscv_fp_csr_write(c, 2, v);
}

static uint64_t get_fcsr(struct riscv_cpu *c)
{
    return riscv_fp_csr_read(c, 3);
}

static void set_fcsr(struct riscv_cpu *c, uint64_t v)
{
    riscv_fp_csr_write(c, 3, v);
}

uint64_t riscv_mstatus(const struct riscv_cpu *c)
{
    bool dirty = (c->mstatus & MSTATUS_FS) == MSTATUS_FS;
    return c->mstatus | MSTATUS_UXL | MSTATUS_SXL | (dirty ? MSTATUS_SD : 0);
}

void riscv_set_mstatus(struct riscv_cpu *c, uint64_t val)
{
    uint64_t old = c->mstatus, v = val & MSTATUS_WRITABLE;
    if ((v & MSTATUS_MPP) == UINT64_C(2) << MSTATUS_MPP_SHIFT) /* there is no such mode */
        v = (v & ~MSTATUS_MPP) | (old & MSTATUS_MPP);
    c->mstatus = v;
    if ((old ^ v) & MSTATUS_FS)
        riscv_fp_changed(c);
    if ((old ^ v) & MSTATUS_MXR) /* cached translations do not tell readable from executable */
        c->slow->sfence(c, true, 0, true, 0);
    if ((old ^ v) & (MSTATUS_MPRV | MSTATUS_MPP | MSTATUS_SUM))
        riscv_mmu_context_changed(c);
    if ((old ^ v) & (MSTATUS_SIE | MSTATUS_MIE))
        interrupts_changed(c);
}

static uint64_t get_mstatus(struct riscv_cpu *c)
{
    return riscv_mstatus(c);
}

static void set_mstatus(struct riscv_cpu *c, uint64_t v)
{
    riscv_set_mstatus(c, v);
}

static uint64_t get_sstatus(struct riscv_cpu *c)
{
    return riscv_mstatus(c) & (SSTATUS_WRITABLE | MSTATUS_UXL | MSTATUS_SD);
}

static void set_sstatus(struct riscv_cpu *c, uint64_t v)
{
    riscv_set_mstatus(c, (c->mstatus & ~SSTATUS_WRITABLE) | (v & SSTATUS_WRITABLE));
}

static uint64_t get_mideleg(struct riscv_cpu *c)
{
    return c->mideleg;
}

static void set_mideleg(struct riscv_cpu *c, uint64_t v)
{
    c->mideleg = v & RISCV_S_INTERRUPTS;
    interrupts_changed(c);
}

static uint64_t get_mie(struct riscv_cpu *c)
{
    return c->mie;
}

static void set_mie(struct riscv_cpu *c, uint64_t v)
{
    c->mie = v & RISCV_ALL_INTERRUPTS;
    interrupts_changed(c);
}

static uint64_t get_sie(struct riscv_cpu *c)
{
    return c->mie & c->mideleg;
}

static void set_sie(struct riscv_cpu *c, uint64_t v)
{
    set_mie(c, (c->mie & ~c->mideleg) | (v & c->mideleg));
}

static uint64_t get_mip(struct riscv_cpu *c)
{
    return c->mip_read = riscv_pending(c);
}

/*
 * `v` for the bits in `mask`. SSIP may be held up by a wire (a built-in SBI's IPI): clearing it
 * takes the wire's level back - but not when the instruction had read it as low, for then it meant
 * another bit, and an IPI that came in between would be lost.
 */
static void write_mip(struct riscv_cpu *c, uint64_t v, uint64_t mask)
{
    if (mask & c->mip_read & ~v & RISCV_SSI)
        atomic_fetch_and(&c->lines, ~RISCV_SSI);
    if (c->menvcfg & ENVCFG_STCE)
        mask &= ~RISCV_STI; /* stimecmp alone sets it */
    c->mip = (c->mip & ~mask) | (v & mask);
    interrupts_changed(c);
}

/* What software reads includes the wires; they must not stick by being written back. */
static uint64_t without_wires(const struct riscv_cpu *c, uint64_t v)
{
    uint64_t wires = atomic_load(&c->lines) & (RISCV_SEI | RISCV_STI);
    return v & ~(wires & ~c->mip);
}

static void set_mip(struct riscv_cpu *c, uint64_t v)
{
    write_mip(c, without_wires(c, v), RISCV_S_INTERRUPTS);
}

static uint64_t get_sip(struct riscv_cpu *c)
{
    c->mip_read = riscv_pending(c);
    return c->mip_read & c->mideleg;
}

static void set_sip(struct riscv_cpu *c, uint64_t v)
{
    write_mip(c, v, RISCV_SSI & c->mideleg);
}

static uint64_t get_menvcfg(struct riscv_cpu *c)
{
    return c->menvcfg;
}

static void set_menvcfg(struct riscv_cpu *c, uint64_t v)
{
    uint64_t old = c->menvcfg;
    c->menvcfg = v & MENVCFG_WRITABLE;
    if ((old ^ c->menvcfg) & ENVCFG_PBMTE)
        c->slow->sfence(c, true, 0, true, 0);
    if (((old ^ c->menvcfg) & ENVCFG_STCE) && c->env.stimecmp_changed)
        c->env.stimecmp_changed(c->env.platform, c);
}

static uint64_t get_stimecmp(struct riscv_cpu *c)
{
    return c->stimecmp;
}

static void set_stimecmp(struct riscv_cpu *c, uint64_t v)
{
    c->stimecmp = v;
    if (c->env.stimecmp_changed)
        c->env.stimecmp_changed(c->env.platform, c);
    interrupts_changed(c);
}

static uint64_t get_satp(struct riscv_cpu *c)
{
    return c->satp;
}

/* An unsupported mode: the whole write has no effect. [RISC-V priv 4.1.11] */
static void set_satp(struct riscv_cpu *c, uint64_t v)
{
    unsigned mode = SATP_MODE(v);
    if (mode != SATP_BARE && mode != SATP_SV39 && mode != SATP_SV48)
        return;
    c->satp = v;
    c->slow->context_changed(c);
}

/*
 * Cycles are the host's, whatever the engine. Instructions are, too, where the engine does not
 * count them: who waits for a counter to go on must not wait for ever.
 */
static uint64_t get_mcycle(struct riscv_cpu *c)
{
    return isa_riscv.host_counter() + c->cycle_offset;
}

static void set_mcycle(struct riscv_cpu *c, uint64_t v)
{
    c->cycle_offset = v - isa_riscv.host_counter();
}

/* The instruction that reads is counted already, and must not see itself. */
static uint64_t get_minstret(struct riscv_cpu *c)
{
    return c->icount_exact ? c->icount - 1 + c->instret_offset : get_mcycle(c);
}

static void set_minstret(struct riscv_cpu *c, uint64_t v)
{
    c->instret_offset = v - c->icount;
}

#define get_cycle   get_mcycle
#define get_instret get_minstret

static uint64_t get_time(struct riscv_cpu *c)
{
    return c->env.time ? c->env.time(c->env.platform) : 0;
}

static uint64_t get_mhartid(struct riscv_cpu *c)
{
    return c->id;
}

static void set_nothing(struct riscv_cpu *c, uint64_t v)
{
    (void)c;
    (void)v;
}
#define set_cycle   set_nothing
#define set_instret set_nothing
#define set_time    set_nothing
#define set_mhartid set_nothing

/* Counters of the user range are gated mode by mode. [RISC-V priv 3.1.11] */
static bool counter_allowed(const struct riscv_cpu *c, unsigned csr)
{
    unsigned bit = csr - CSR_CYCLE;
    if (c->priv == RISCV_M || c->flat_size)
        return true;
    if (!(c->mcounteren >> bit & 1))
        return false;
    return c->priv == RISCV_S || (c->scounteren >> bit & 1);
}

static bool stimecmp_allowed(const struct riscv_cpu *c)
{
    if (c->priv == RISCV_M)
        return true;
    return (c->menvcfg & ENVCFG_STCE) && (c->mcounteren >> (CSR_TIME - CSR_CYCLE) & 1);
}

static bool in_range(unsigned csr, unsigned first, unsigned n)
{
    return csr - first < n;
}

static bool allowed(const struct riscv_cpu *c, unsigned csr)
{
    if ((csr >> 8 & 3) > c->priv)
        return false;
    if (csr >= 1 && csr <= CSR_FCSR)
        return (c->mstatus & MSTATUS_FS) || c->flat_size;
    if (in_range(csr, CSR_CYCLE, 32))
        return counter_allowed(c, csr);
    if (csr == CSR_STIMECMP)
        return stimecmp_allowed(c);
    return csr != CSR_SATP || c->priv == RISCV_M || !(c->mstatus & MSTATUS_TVM);
}

/* Registers that exist and read as zero. */
static bool is_zero(unsigned csr)
{
    return in_range(csr, CSR_MHPMEVENT3, CSR_HPMS) || in_range(csr, CSR_MHPMCOUNTER3, CSR_HPMS) ||
           in_range(csr, CSR_HPMCOUNTER3, CSR_HPMS) ||
           in_range(csr, CSR_MVENDORID, CSR_MIMPID - CSR_MVENDORID + 1) || csr == CSR_MCONFIGPTR;
}

/* The registers that come in rows. */
static bool read_row(struct riscv_cpu *c, unsigned csr, uint64_t *val)
{
    if (in_range(csr, CSR_PMPADDR0, RISCV_PMP_ENTRIES))
        *val = c->pmpaddr[csr - CSR_PMPADDR0];
    else if (csr == CSR_PMPCFG0 || csr == CSR_PMPCFG2)
        *val = riscv_pmpcfg_read(c, (csr - CSR_PMPCFG0) / 2);
    else if (is_zero(csr))
        *val = 0;
    else
        return false;
    return true;
}

bool riscv_csr_read(struct riscv_cpu *c, unsigned csr, uint64_t *val)
{
    if (!allowed(c, csr))
        return false;
    switch (csr) {
#define READ_FIELD(num, field, mask)                                                               \
    case num:                                                                                      \
        *val = c->field;                                                                           \
        return true;
#define READ_SPECIAL(num, name)                                                                    \
    case num:                                                                                      \
        *val = get_##name(c);                                                                      \
        return true;
        CSR_FIELDS(READ_FIELD)
        CSR_SPECIAL(READ_SPECIAL)
#undef READ_FIELD
#undef READ_SPECIAL
    default:
        return read_row(c, csr, val);
    }
}

static bool write_row(struct riscv_cpu *c, unsigned csr, uint64_t val)
{
    bool changed = false;
    if (in_range(csr, CSR_PMPADDR0, RISCV_PMP_ENTRIES))
        changed = riscv_pmpaddr_write(c, csr - CSR_PMPADDR0, val);
    else if (csr == CSR_PMPCFG0 || csr == CSR_PMPCFG2)
        changed = riscv_pmpcfg_write(c, (csr - CSR_PMPCFG0) / 2, val);
    else if (!is_zero(csr))
        return false;
    if (changed)
        c->slow->sfence(c, true, 0, true, 0);
    return true;
}

bool riscv_csr_write(struct riscv_cpu *c, unsigned csr, uint64_t val)
{
    if (csr >> 10 == 3 || !allowed(c, csr)) /* the top quarter is read-only */
        return false;
    switch (csr) {
#define WRITE_FIELD(num, field, mask)                                                              \
    case num:                                                                                      \
        c->field = (c->field & ~(uint64_t)(mask)) | (val & (mask));                                \
        return true;
#define WRITE_SPECIAL(num, name)                                                                   \
    case num:                                                                                      \
        set_##name(c, val);                                                                        \
        return true;
        CSR_FIELDS(WRITE_FIELD)
        CSR_SPECIAL(WRITE_SPECIAL)
#undef WRITE_FIELD
#undef WRITE_SPECIAL
    default:
        return write_row(c, csr, val);
    }
}
