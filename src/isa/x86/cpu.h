/*
 * One x86-64 CPU: its architectural state, declared once, and the execution context around it.
 *
 * Register numbers are the instruction set's: rAX rCX rDX rBX rSP rBP rSI rDI r8..r15; segments
 * ES CS SS DS FS GS = 0..5.
 */
#ifndef DOPPEL_ISA_X86_CPU_H
#define DOPPEL_ISA_X86_CPU_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "isa/tlb.h"
#include "isa/x86/cpuid.h"
#include "isa/x86/regs.h"
#include "state/state.h"

/*
 * A segment register with its hidden part. `attr` is bits 8-23 of the descriptor's high dword with
 * the limit bits cleared (type, S, DPL, P, AVL, L, DB, G as in VMX access rights); `limit` is in
 * bytes, already scaled.
 */
#define X86_SEG_STATE(S, A, B, N)                                                                  \
    S(uint16_t, sel)                                                                               \
    S(uint16_t, attr)                                                                              \
    S(uint32_t, limit)                                                                             \
    S(uint64_t, base)                                                                              \
    S(bool, unusable)

struct x86_segment {
    STATE_MEMBERS(X86_SEG_STATE)
};
extern const struct state_desc x86_segment_state;

/*
 * The arithmetic flags live apart from rflags in the form that LAHF and SETO deliver, because the
 * host computes them: bits 15-8 = SF ZF 0 AF 0 PF 1 CF, bits 7-0 = OF (0 or 1).
 */
#define X86_CPU_STATE(S, A, B, N)                                                                  \
    A(uint64_t, gpr, 16)                                                                           \
    S(uint64_t, rip)                                                                               \
    S(uint64_t, rflags) /* all but CF PF AF ZF SF OF */                                            \
    S(uint16_t, arith)  /* CF PF AF ZF SF OF, see above */                                         \
    N(struct x86_segment, seg, 6, x86_segment_state)                                               \
    N(struct x86_segment, ldtr, 1, x86_segment_state)                                              \
    N(struct x86_segment, tr, 1, x86_segment_state)                                                \
    S(uint64_t, gdt_base)                                                                          \
    S(uint64_t, idt_base)                                                                          \
    S(uint16_t, gdt_limit)                                                                         \
    S(uint16_t, idt_limit)                                                                         \
    S(uint64_t, cr0)                                                                               \
    S(uint64_t, cr2)                                                                               \
    S(uint64_t, cr3)                                                                               \
    S(uint64_t, cr4)                                                                               \
    S(uint64_t, efer)                                                                              \
    A(uint64_t, dr, 8)                                                                             \
    S(uint64_t, xcr0)                                                                              \
    B(xsave, 1024) /* standard (non-compacted) XSAVE image; YMM_Hi128 at 576 */                    \
    S(uint64_t, star)                                                                              \
    S(uint64_t, lstar)                                                                             \
    S(uint64_t, cstar)                                                                             \
    S(uint64_t, fmask)                                                                             \
    S(uint64_t, kernel_gs_base)                                                                    \
    S(uint64_t, sysenter_cs)                                                                       \
    S(uint64_t, sysenter_esp)                                                                      \
    S(uint64_t, sysenter_eip)                                                                      \
    S(uint64_t, tsc) /* the time stamp counter while the machine stands still */                   \
    S(uint64_t, tsc_adjust)                                                                        \
    S(uint64_t, tsc_aux)                                                                           \
    S(uint64_t, tsc_deadline)                                                                      \
    S(uint64_t, apic_base)                                                                         \
    S(uint64_t, pat)                                                                               \
    S(uint64_t, misc_enable)                                                                       \
    S(uint64_t, mtrr_def_type)                                                                     \
    A(uint64_t, mtrr_fixed, 11)                                                                    \
    A(uint64_t, mtrr_var, 16)                                                                      \
    S(uint64_t, spec_ctrl)                                                                         \
    S(uint8_t, run_state)      /* enum x86_run_state */                                            \
    S(uint8_t, inhibit)        /* enum x86_shadow: interrupts held for one instruction */          \
    S(uint32_t, pending_debug) /* DR6 causes of a #DB due before the next instruction */           \
    S(bool, nmi_pending)                                                                           \
    S(bool, nmi_masked)                                                                            \
    S(bool, event_pending) /* delivery of event_vector was under way (KVM hand-over) */            \
    S(uint8_t, event_vector)                                                                       \
    S(uint8_t, event_kind)                                                                         \
    S(bool, event_has_error)                                                                       \
    S(uint32_t, event_error)

enum x86_run_state { X86_RUNNING, X86_HALTED, X86_WAIT_SIPI };
/* What holds interrupts; a stack segment load holds single-step traps too [SDM 3A 6.8.3]. */
enum x86_shadow { X86_SHADOW_NONE, X86_SHADOW_STI, X86_SHADOW_SS };

struct x86_cpu;

/* The instruction being executed, in executable form. See isa/x86/op.h. */
struct x86_op;

/*
 * How an executing CPU reaches the rest of the machine. Filled by the engine and board; all run on
 * the vCPU's thread.
 */
struct x86_env {
    void *machine;
    /* MMIO and ports. Unclaimed reads give all ones. */
    uint64_t (*mmio_read)(void *machine, gpa_t gpa, unsigned size);
    void (*mmio_write)(void *machine, gpa_t gpa, unsigned size, uint64_t val);
    uint64_t (*pio_read)(void *machine, uint16_t port, unsigned size);
    void (*pio_write)(void *machine, uint16_t port, unsigned size, uint64_t val);
    /* Interrupt controller of this CPU. */
    void *irq;
    bool (*irq_pending)(void *irq); /* a deliverable vector, by priority; cheap */
    int (*irq_ack)(void *irq);      /* take it: vector, or -1 when it went away */
    uint64_t (*cr8_get)(void *irq);
    void (*cr8_set)(void *irq, uint64_t v);
    /* Local APIC MSRs: IA32_APIC_BASE, x2APIC range, TSC deadline. false: #GP. */
    bool (*apic_msr_read)(void *irq, uint32_t msr, uint64_t *val);
    bool (*apic_msr_write)(void *irq, uint32_t msr, uint64_t val);
    void (*tsc_changed)(void *irq); /* the guest moved its time stamp counter */
};

/* Guest-physical memory as page walks and descriptor loads need it; false: not RAM. */
struct x86_phys {
    bool (*load)(void *engine, gpa_t gpa, unsigned size, uint64_t *val);
    /* 1 swapped, 0 lost the race, -1 not RAM. size 4 or 8. */
    int (*cas)(void *engine, gpa_t gpa, unsigned size, uint64_t old, uint64_t val);
};

/* Which of the TLBs applies: by privilege and, in the kernel, SMAP override. */
enum x86_mmu_ctx { X86_MMU_USER, X86_MMU_KERNEL, X86_MMU_KERNEL_AC, X86_MMU_CTXS };

/* Memory slow paths, provided by the engine (engine/softmmu). They raise guest faults themselves
 * and then do not return. */
struct x86_mem_slow {
    uint64_t (*load)(struct x86_cpu *c, gva_t va, unsigned size);
    void (*store)(struct x86_cpu *c, gva_t va, unsigned size, uint64_t val);
    /* Host pointer for a read-modify-write of `size` bytes within one page, writable RAM; NULL: not
     * plain RAM or page-crossing - the caller then does load and store under x86_mem_slow.lock. */
    void *(*rmw_ptr)(struct x86_cpu *c, gva_t va, unsigned size);
    /* Bracket a locked access that rmw_ptr refused: stops the other vCPUs. */
    void (*lock)(struct x86_cpu *c);
    void (*unlock)(struct x86_cpu *c);
    /* Copy `len` (<= 4096) bytes; all pages are checked before the first byte is written. */
    void (*read)(struct x86_cpu *c, gva_t va, void *buf, unsigned len);
    void (*write)(struct x86_cpu *c, gva_t va, const void *buf, unsigned len);
    /* The translation context changed. */
    void (*flush_all)(struct x86_cpu *c, bool keep_global);
    /* Entries of one PCID, or of all of them (X86_ALL_PCIDS). */
    void (*flush_pcid)(struct x86_cpu *c, uint16_t pcid, bool keep_global);
    void (*flush_page)(struct x86_cpu *c, gva_t va);
    void (*context_changed)(struct x86_cpu *c); /* CPL, AC, CR0, CR3, CR4, EFER */
};

enum { X86_ALL_PCIDS = 0xffff };

/* Checking the alignment of user accesses, see isa/x86/align.h. */
struct x86_align {
    bool on;
    const struct x86_mem_slow *engine; /* behind `checked` */
    struct x86_mem_slow checked;       /* c->slow while it is on */
};

/* Bits of exec_ctx above code_mode. */
enum { X86_CTX_PE = 1 << 8, X86_CTX_VM = 1 << 9, X86_CTX_USER = 1 << 10, X86_CTX_ALIGN = 1 << 11 };

struct x86_native; /* isa/x86/native.h: thunks for SIMD and x87 */

struct x86_cpu {
    /* Hot, in the order the fast path wants them. */
    const struct tlb *tlb;      /* of the current mmu context */
    uint64_t asid;              /* TLB_ASID of the current address space */
    const struct x86_op *op;    /* executing; its address gives the precise rip */
    uint64_t code_base;         /* rip of the current block's page start (rip - page offset) */
    uint64_t zero;              /* base/index register "none" reads this: gpr-relative, see op.h */
    _Atomic uint32_t attention; /* non-zero: leave at the next block boundary */
    uint32_t exec_ctx;          /* derived: what decoding and fetching depend on, see trap.c */

    STATE_MEMBERS(X86_CPU_STATE) /* wire state */

    struct tlb *tlbs[X86_MMU_CTXS]; /* the engine's; `tlb` is one of them */
    void *slow_opaque;              /* for phys */
    uint64_t tsc_offset; /* guest TSC = (host TSC >> tsc_slow) + offset; 0 from reset on */
    uint8_t tsc_slow;    /* as the guest's clock */
    /* What x86_raise() left for x86_deliver_pending(). */
    uint8_t exc_vector;
    bool exc_has_error;
    uint32_t exc_error;
    uint64_t exc_cr2;
    bool exclusive;    /* slow->lock is held: a fault in between must release it */
    bool single_step;  /* #DB behind this instruction; set by the engine, changed by some */
    uint8_t watching;  /* derived from DR7: enum x86_watching */
    uint8_t cpl;       /* derived: SS.DPL */
    uint8_t code_mode; /* derived: 16, 32 or 64 */
    uint8_t mmu_ctx;   /* derived: enum x86_mmu_ctx */
    unsigned id;
    uint64_t native_count; /* of these, run as native thunks */
    uint64_t icount;       /* instructions retired */
    const struct x86_mem_slow *slow;
    struct x86_align align;
    const struct x86_phys *phys;
    struct x86_env env;
    struct x86_native *native;
    const struct cpuid_model *model;
    jmp_buf unwind; /* x86_raise() lands here, in the engine's loop */
    void *vcpu;     /* the engine's */
};

#endif
