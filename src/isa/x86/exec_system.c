/*
 * System instructions: control and debug registers, MSRs, TLB, halting, time, ports.
 */
#include <x86intrin.h>

#include "isa/x86/debug.h"
#include "isa/x86/io.h"
#include "isa/x86/mmu.h"
#include "isa/x86/seg.h"
#include "isa/x86/stack.h"
#include "isa/x86/system.h"

static u64 read_cr(struct x86_cpu *c, unsigned n)
{
    switch (n) {
    case 0:
        return c->cr0;
    case 2:
        return c->cr2;
    case 3:
        return c->cr3;
    case 4:
        return c->cr4;
    case 8:
        return c->env.cr8_get(c->env.irq);
    default:
        x86_raise(c, VEC_UD);
    }
}

static void write_cr(struct x86_cpu *c, unsigned n, u64 v)
{
    switch (n) {
    case 0:
        x86_write_cr0(c, v);
        break;
    case 2:
        c->cr2 = v;
        break;
    case 3:
        x86_write_cr3(c, v);
        break;
    case 4:
        x86_write_cr4(c, v);
        break;
    case 8:
        if (v & ~UINT64_C(15))
            x86_raise_gp(c, 0);
        c->env.cr8_set(c->env.irq, v);
        break;
    default:
        x86_raise(c, VEC_UD);
    }
}

/* lower.c: imm2 = register number, imm = 1 for a write to it. */
EXEC(mov_cr)
{
    need_cpl0(c);
    unsigned size = is_long64(c) ? 8 : 4;
    if (!op->imm) {
        put_reg(c, op->dst, size, read_cr(c, op->imm2));
        return op + 1;
    }
    u64 v = get_reg(c, op->src, size);
    write_cr(c, op->imm2, v);
    return end_block(c, op);
}
EXEC_ANY(MOV_CR, mov_cr);

EXEC(mov_dr)
{
    unsigned n = op->imm2, size = is_long64(c) ? 8 : 4;
    need_cpl0(c);
    if (n == 4 || n == 5) {
        if (c->cr4 & CR4_DE)
            x86_raise(c, VEC_UD);
        n += 2;
    }
    if (c->dr[7] & DR7_GD) { /* general detect [SDM 3B 18.2.4] */
        x86_debug_report(c, DR6_BD);
        x86_raise(c, VEC_DB);
    }
    if (!op->imm) {
        put_reg(c, op->dst, size, c->dr[n]);
        return op + 1;
    }
    u64 v = get_reg(c, op->src, size);
    if (n >= 6 && v >> 32)
        x86_raise_gp(c, 0);
    x86_debug_write(c, n, v);
    return end_block(c, op);
}
EXEC_ANY(MOV_DR, mov_dr);

EXEC(clts)
{
    need_cpl0(c);
    c->cr0 &= ~(u64)CR0_TS;
    return op + 1;
}
EXEC_ANY(CLTS, clts);

EXEC(lmsw)
{
    need_cpl0(c);
    bool mem = op->flags & OP_MEM0;
    u64 v = get_op(c, op->dst, mem, mem ? op_ea(c, op, 2, ACCESS_READ) : 0, 2);
    u64 keep = c->cr0 & ~UINT64_C(14);
    x86_write_cr0(c, keep | (v & 14) | (v & 1)); /* PE can be set, not cleared */
    return end_block(c, op);
}
EXEC_ANY(LMSW, lmsw);

EXEC(invlpg)
{
    need_cpl0(c);
    gva_t va = op_offset(c, op) + REG(c, op->seg_base, u64);
    if (op->flags & OP_LEGACY)
        va = (u32)(va + c->seg[op->seg].base);
    c->slow->flush_page(c, va);
    return end_block(c, op);
}
EXEC_ANY(INVLPG, invlpg);

EXEC(invpcid)
{
    need_cpl0(c);
    gva_t ea = op_ea(c, op, 16, ACCESS_READ);
    u64 type = get_reg(c, op->dst, is_long64(c) ? 8 : 4);
    u64 pcid = load_u64(c, ea), va = load_u64(c, va_add(c, ea, 8));
    if (type > 3 || (type < 2 && pcid > 0xfff) || (!(c->cr4 & CR4_PCIDE) && type < 2 && pcid))
        x86_raise_gp(c, 0);
    if (type == 0) {
        if (!x86_canonical(va))
            x86_raise_gp(c, 0);
        c->slow->flush_page(c, va);
    } else {
        c->slow->flush_pcid(c, type == 1 ? (uint16_t)pcid : X86_ALL_PCIDS, type != 2);
    }
    return end_block(c, op);
}
EXEC_ANY(INVPCID, invpcid);

/* Caches are the host's affair. */
EXEC(wbinvd)
{
    need_cpl0(c);
    return op + 1;
}
EXEC_ANY(WBINVD, wbinvd);
EXEC_ANY(INVD, wbinvd);

EXEC(hlt)
{
    need_cpl0(c);
    c->run_state = X86_HALTED;
    x86_want_attention(c, X86_ATTN_STATE);
    return end_block(c, op);
}
EXEC_ANY(HLT, hlt);

/* A spinning guest gives its host thread's sibling a chance. */
EXEC(pause_op)
{
    _mm_pause();
    return end_block(c, op);
}
EXEC_ANY(PAUSE, pause_op);

EXEC(cpuid)
{
    u32 out[4];
    cpuid_query(c, (u32)c->gpr[RAX], (u32)c->gpr[RCX], out);
    c->gpr[RAX] = out[0];
    c->gpr[RBX] = out[1];
    c->gpr[RCX] = out[2];
    c->gpr[RDX] = out[3];
    return op + 1;
}
EXEC_ANY(CPUID, cpuid);

u64 x86_tsc(const struct x86_cpu *c)
{
    return (__rdtsc() >> c->tsc_slow) + c->tsc_offset;
}

static void read_tsc(struct x86_cpu *c)
{
    if ((c->cr4 & CR4_TSD) && c->cpl > 0)
        x86_raise_gp(c, 0);
    u64 t = x86_tsc(c);
    c->gpr[RAX] = (u32)t;
    c->gpr[RDX] = t >> 32;
}

EXEC(rdtsc)
{
    read_tsc(c);
    return op + 1;
}
EXEC(rdtscp)
{
    read_tsc(c);
    c->gpr[RCX] = (u32)c->tsc_aux;
    return op + 1;
}
EXEC(rdpid)
{
    put_reg(c, op->dst, is_long64(c) ? 8 : 4, (u32)c->tsc_aux);
    return op + 1;
}
EXEC_ANY(RDTSC, rdtsc);
EXEC_ANY(RDTSCP, rdtscp);
EXEC_ANY(RDPID, rdpid);

/* No performance counters are offered: every index is out of range. */
EXEC(rdpmc)
{
    (void)op;
    x86_raise_gp(c, 0);
}
EXEC_ANY(RDPMC, rdpmc);

EXEC(rdmsr)
{
    u64 v;
    need_cpl0(c);
    if (!x86_msr_read(c, (u32)c->gpr[RCX], &v))
        x86_raise_gp(c, 0);
    c->gpr[RAX] = (u32)v;
    c->gpr[RDX] = v >> 32;
    return op + 1;
}
EXEC_ANY(RDMSR, rdmsr);

EXEC(wrmsr)
{
    need_cpl0(c);
    u64 v = (u32)c->gpr[RAX] | c->gpr[RDX] << 32;
    if (!x86_msr_write(c, (u32)c->gpr[RCX], v))
        x86_raise_gp(c, 0);
    return end_block(c, op);
}
EXEC_ANY(WRMSR, wrmsr);

EXEC(swapgs)
{
    need_cpl0(c);
    u64 base = c->seg[SEG_GS].base;
    c->seg[SEG_GS].base = c->kernel_gs_base;
    c->kernel_gs_base = base;
    return op + 1;
}
EXEC_ANY(SWAPGS, swapgs);

static void need_fsgsbase(struct x86_cpu *c)
{
    if (!(c->cr4 & CR4_FSGSBASE))
        x86_raise(c, VEC_UD);
}

static void write_base(struct x86_cpu *c, const struct x86_op *op, unsigned seg)
{
    need_fsgsbase(c);
    u64 v = get_reg(c, op->dst, op->size);
    if (!x86_canonical(v))
        x86_raise_gp(c, 0);
    c->seg[seg].base = v;
}
EXEC(rdfsbase)
{
    need_fsgsbase(c);
    put_reg(c, op->dst, op->size, c->seg[SEG_FS].base);
    return op + 1;
}
EXEC(rdgsbase)
{
    need_fsgsbase(c);
    put_reg(c, op->dst, op->size, c->seg[SEG_GS].base);
    return op + 1;
}
EXEC(wrfsbase)
{
    write_base(c, op, SEG_FS);
    return op + 1;
}
EXEC(wrgsbase)
{
    write_base(c, op, SEG_GS);
    return op + 1;
}
EXEC_ANY(RDFSBASE, rdfsbase);
EXEC_ANY(RDGSBASE, rdgsbase);
EXEC_ANY(WRFSBASE, wrfsbase);
EXEC_ANY(WRGSBASE, wrgsbase);

static const struct x86_op *set_ac(struct x86_cpu *c, const struct x86_op *op, u64 ac)
{
    if (c->cpl != 0)
        x86_raise(c, VEC_UD);
    c->rflags = (c->rflags & ~(u64)FL_AC) | ac;
    x86_mmu_update_ctx(c);
    return op + 1;
}
EXEC(clac)
{
    return set_ac(c, op, 0);
}
EXEC(stac)
{
    return set_ac(c, op, FL_AC);
}
EXEC_ANY(CLAC, clac);
EXEC_ANY(STAC, stac);

/* Not offered by CPUID, and no hypercall interface here: #UD as on a CPU without them. */
EXEC(absent)
{
    (void)op;
    x86_raise(c, VEC_UD);
}
EXEC_ANY(MONITOR, absent);
EXEC_ANY(MWAIT, absent);
EXEC_ANY(VMCALL, absent);
EXEC_ANY(VMMCALL, absent);

EXEC(in)
{
    u16 port = op->flags & OP_IMM ? (u8)op->imm : (u16)c->gpr[RDX];
    x86_check_io(c, port, op->size);
    put_reg(c, X86_REG_OFF(RAX), op->size, x86_port_in(c, port, op->size));
    return end_block(c, op);
}
EXEC(out)
{
    u16 port = op->flags & OP_IMM ? (u8)op->imm : (u16)c->gpr[RDX];
    x86_check_io(c, port, op->size);
    x86_port_out(c, port, op->size, get_reg(c, X86_REG_OFF(RAX), op->size));
    return end_block(c, op);
}
EXEC_ANY(IN, in);
EXEC_ANY(OUT, out);

void x86_check_io(struct x86_cpu *c, uint16_t port, unsigned size)
{
    bool limited =
        (c->cr0 & CR0_PE) && ((c->rflags & FL_VM) || c->cpl > (c->rflags & FL_IOPL) >> 12);
    if (!limited)
        return;
    const struct x86_segment *tr = &c->tr[0];
    if (tr->unusable || tr->limit < 0x67 || !(tr->attr & 8))
        x86_raise_gp(c, 0);
    unsigned map = (unsigned)x86_sys_load(c, tr->base + 0x66, 2), at = map + port / 8;
    if (at + 1 > tr->limit)
        x86_raise_gp(c, 0);
    unsigned bits = (unsigned)x86_sys_load(c, tr->base + at, 2) >> (port % 8);
    if (bits & ((1u << size) - 1))
        x86_raise_gp(c, 0);
}

uint64_t x86_port_in(struct x86_cpu *c, uint16_t port, unsigned size)
{
    if (unlikely(c->watching & X86_WATCH_IO))
        x86_debug_io(c, port, size);
    return c->env.pio_read(c->env.machine, port, size);
}

void x86_port_out(struct x86_cpu *c, uint16_t port, unsigned size, uint64_t v)
{
    if (unlikely(c->watching & X86_WATCH_IO))
        x86_debug_io(c, port, size);
    c->env.pio_write(c->env.machine, port, size, trunc_size(v, size));
}

/* CMPXCHG8B, CMPXCHG16B: always a write, locked or not done under the same rules. */
static bool swap16(struct x86_cpu *c, void *p)
{
    u64 lo = c->gpr[RAX], hi = c->gpr[RDX];
    bool ok;
    __asm__ volatile("lock cmpxchg16b %[m]\n\tsete %[ok]"
                     : [m] "+m"(*(unsigned __int128 *)p), [ok] "=q"(ok), "+a"(lo), "+d"(hi)
                     : "b"(c->gpr[RBX]), "c"(c->gpr[RCX])
                     : "cc", "memory");
    c->gpr[RAX] = lo;
    c->gpr[RDX] = hi;
    return ok;
}

EXEC(cmpxchg16b)
{
    gva_t va = op_ea(c, op, 16, ACCESS_WRITE);
    if (va & 15)
        x86_raise_gp(c, 0);
    void *p = c->slow->rmw_ptr(c, va, 16);
    bool equal;
    if (p) {
        equal = swap16(c, p);
    } else {
        unsigned __int128 v;
        c->slow->lock(c);
        c->slow->read(c, va, &v, 16);
        u64 old[2] = {(u64)v, (u64)(v >> 64)};
        equal = old[0] == c->gpr[RAX] && old[1] == c->gpr[RDX];
        u64 new[2] = {equal ? c->gpr[RBX] : old[0], equal ? c->gpr[RCX] : old[1]};
        c->slow->write(c, va, new, 16);
        c->slow->unlock(c);
        if (!equal) {
            c->gpr[RAX] = old[0];
            c->gpr[RDX] = old[1];
        }
    }
    c->arith = (c->arith & ~ARITH_ZF) | (equal ? ARITH_ZF : 0);
    return op + 1;
}
EXEC_ANY(CMPXCHG16B, cmpxchg16b);

EXEC(cmpxchg8b)
{
    gva_t va = op_ea(c, op, 8, ACCESS_WRITE);
    u64 want = (u32)c->gpr[RAX] | c->gpr[RDX] << 32, old = want;
    u64 new = (u32)c->gpr[RBX] | c->gpr[RCX] << 32;
    u64 *p = rmw_u64(c, va);
    if (p) {
        __atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    } else {
        c->slow->lock(c);
        old = load_u64(c, va);
        store_u64(c, va, old == want ? new : old);
        c->slow->unlock(c);
    }
    if (old != want) {
        c->gpr[RAX] = (u32)old;
        c->gpr[RDX] = old >> 32;
    }
    c->arith = (c->arith & ~ARITH_ZF) | (old == want ? ARITH_ZF : 0);
    return op + 1;
}
EXEC_ANY(CMPXCHG8B, cmpxchg8b);
