/*
 * The CPU as an object: creation, power-on state, state description, load validation.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "isa/isa.h"
#include "isa/x86/debug.h"
#include "isa/x86/flags.h"
#include "isa/x86/native.h"
#include "isa/x86/seg.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"

#define STATE_OWNER struct x86_segment
STATE_DESC(x86_segment_state, "x86-segment", 1, X86_SEG_STATE);
#undef STATE_OWNER

static int cpu_post_load(void *obj, struct error *err)
{
    struct x86_cpu *c = obj;
    if (c->run_state > X86_WAIT_SIPI)
        return error_set(err, EINVAL, "the CPU's run state %u is unknown", c->run_state);
    if (c->inhibit > X86_SHADOW_SS)
        return error_set(err, EINVAL, "the CPU's interrupt shadow %u is unknown", c->inhibit);
    if (c->event_kind > EVENT_ICEBP)
        return error_set(err, EINVAL, "the CPU's pending event %u is unknown", c->event_kind);
    c->rflags = (c->rflags & 0x3f7fd5 & ~(uint64_t)FL_ARITH) | FL_ONE;
    c->arith = (c->arith & (ARITH_SF | ARITH_ZF | ARITH_AF | ARITH_PF | ARITH_CF | 1)) | 0x200;
    c->xcr0 = (c->xcr0 & c->model->xcr0_mask) | XCR0_X87;
    c->cpl = c->cr0 & CR0_PE ? ATTR_DPL(c->seg[SEG_SS].attr) : 0;
    x86_fpu_sanitize(c);
    x86_debug_update(c);
    c->op = NULL;
    c->exclusive = false;
    x86_update_mode(c);
    x86_want_attention(c, X86_ATTN_STATE);
    return 0;
}

#define STATE_OWNER struct x86_cpu
STATE_DESC(x86_cpu_state, "x86-cpu", 1, X86_CPU_STATE, .post_load = cpu_post_load);
#undef STATE_OWNER

static void *cpu_create(unsigned id)
{
    struct x86_cpu *c = aligned_alloc(64, (sizeof(*c) + 63) & ~(size_t)63);
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

/* Power-on and INIT state [SDM 3A 9.1.1]. INIT keeps the FPU and some MSRs; starting a processor
 * from either makes no difference a kernel can see. */
static void cpu_reset(void *cpu)
{
    struct x86_cpu *c = cpu;
    size_t first = offsetof(struct x86_cpu, gpr);
    memset((char *)c + first, 0, offsetof(struct x86_cpu, tlbs) - first);
    c->tsc_offset = 0;
    c->rip = 0xfff0;
    c->rflags = FL_ONE;
    c->arith = arith_from_rflags(0);
    for (unsigned i = 0; i < 6; i++)
        c->seg[i] = (struct x86_segment){.attr = 0x93, .limit = 0xffff};
    c->seg[SEG_CS] =
        (struct x86_segment){.sel = 0xf000, .attr = 0x9b, .limit = 0xffff, .base = 0xffff0000};
    c->ldtr[0] = (struct x86_segment){.attr = 0x82, .limit = 0xffff};
    c->tr[0] = (struct x86_segment){.attr = 0x8b, .limit = 0xffff};
    c->gdt_limit = c->idt_limit = 0xffff;
    c->cr0 = CR0_ET | CR0_NW | CR0_CD;
    c->gpr[RDX] = c->model ? c->model->id.signature : 0;
    c->dr[6] = 0xffff0ff0;
    c->dr[7] = 0x400;
    c->pat = UINT64_C(0x0007040600070406);
    c->misc_enable = 1;
    c->mtrr_def_type = 0;
    c->apic_base = 0xfee00800 | (c->id == 0 ? 0x100 : 0);
    c->run_state = c->id == 0 ? X86_RUNNING : X86_WAIT_SIPI;
    c->op = NULL;
    c->watching = 0;
    c->code_base = 0;
    x86_fpu_reset(c);
    x86_update_mode(c);
}

/* INIT keeps the caches, the time stamp counter and the APIC's base address [SDM 3A table 9-1]. */
static void cpu_init(void *cpu)
{
    struct x86_cpu *c = cpu;
    uint64_t tsc_offset = c->tsc_offset, tsc_adjust = c->tsc_adjust, apic_base = c->apic_base;
    cpu_reset(c);
    c->tsc_offset = tsc_offset;
    c->tsc_adjust = tsc_adjust;
    c->apic_base = apic_base;
    c->run_state = apic_base & 0x100 ? X86_RUNNING : X86_WAIT_SIPI;
}

/* Start-up message: real mode at a page below 1 MiB [SDM 3A 8.4]. Ignored unless waiting for it. */
static void cpu_start(void *cpu, gpa_t addr, uint64_t arg)
{
    struct x86_cpu *c = cpu;
    (void)arg;
    if (c->run_state != X86_WAIT_SIPI)
        return;
    c->seg[SEG_CS].sel = (uint16_t)(addr >> 4);
    c->seg[SEG_CS].base = addr;
    c->rip = 0;
    c->run_state = X86_RUNNING;
}

static uint64_t host_counter(void)
{
    return __rdtsc();
}

static void freeze_time(void *cpu, uint64_t host)
{
    struct x86_cpu *c = cpu;
    c->tsc = (host >> c->tsc_slow) + c->tsc_offset;
}

static void thaw_time(void *cpu, uint64_t host)
{
    struct x86_cpu *c = cpu;
    c->tsc_offset = c->tsc - (host >> c->tsc_slow);
}

static gva_t cpu_pc(const void *cpu)
{
    const struct x86_cpu *c = cpu;
    return c->code_mode == 64 ? c->rip : (uint32_t)(c->seg[SEG_CS].base + c->rip);
}

static void cpu_describe(const void *cpu, char *buf, uint32_t len)
{
    const struct x86_cpu *c = cpu;
    snprintf(buf, len,
             "rip %04x:%llx rsp %llx rflags %llx cpl %u %u-bit cr0 %llx cr2 %llx cr3 %llx cr4 %llx",
             c->seg[SEG_CS].sel, (unsigned long long)c->rip, (unsigned long long)c->gpr[RSP],
             (unsigned long long)x86_rflags(c), c->cpl, c->code_mode, (unsigned long long)c->cr0,
             (unsigned long long)c->cr2, (unsigned long long)c->cr3, (unsigned long long)c->cr4);
}

const struct isa_ops isa_x86 = {
    .name = "x86_64",
    .state = &x86_cpu_state,
    .cpu_create = cpu_create,
    .cpu_destroy = cpu_destroy,
    .cpu_reset = cpu_reset,
    .cpu_init = cpu_init,
    .cpu_start = cpu_start,
    .host_counter = host_counter,
    .freeze_time = freeze_time,
    .thaw_time = thaw_time,
    .pc = cpu_pc,
    .describe = cpu_describe,
};
