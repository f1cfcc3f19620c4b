/*
 * One RISC-V hart: its architectural state, declared once, and the execution context around it.
 */
#ifndef DOPPEL_ISA_RISCV_CPU_H
#define DOPPEL_ISA_RISCV_CPU_H

#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "isa/tlb.h"
#include "state/state.h"

enum { RISCV_PMP_ENTRIES = 16, RISCV_ENGINE_HOT = 16 };
enum riscv_priv { RISCV_U = 0, RISCV_S = 1, RISCV_M = 3 };
enum riscv_run_state { RISCV_RUNNING, RISCV_WAITING, RISCV_STOPPED };

/* x[0] is never written. f[] is NaN-boxed where it holds a float. */
#define RISCV_CPU_STATE(S, A, B, N)                                                                \
    A(uint64_t, x, 32)                                                                             \
    S(uint64_t, pc)                                                                                \
    A(uint64_t, f, 32)                                                                             \
    S(uint8_t, fflags)                                                                             \
    S(uint8_t, frm)                                                                                \
    S(uint8_t, priv)      /* enum riscv_priv */                                                    \
    S(uint8_t, run_state) /* enum riscv_run_state */                                               \
    S(uint64_t, mstatus)  /* sstatus is a part of it */                                            \
    S(uint64_t, misa)                                                                              \
    S(uint64_t, medeleg)                                                                           \
    S(uint64_t, mideleg)                                                                           \
    S(uint64_t, mie)                                                                               \
    S(uint64_t, mip) /* the bits that software sets; lines are in `lines` */                       \
    S(uint64_t, mtvec)                                                                             \
    S(uint64_t, mepc)                                                                              \
    S(uint64_t, mcause)                                                                            \
    S(uint64_t, mtval)                                                                             \
    S(uint64_t, mscratch)                                                                          \
    S(uint64_t, mcounteren)                                                                        \
    S(uint64_t, mcountinhibit)                                                                     \
    S(uint64_t, menvcfg)                                                                           \
    S(uint64_t, stvec)                                                                             \
    S(uint64_t, sepc)                                                                              \
    S(uint64_t, scause)                                                                            \
    S(uint64_t, stval)                                                                             \
    S(uint64_t, sscratch)                                                                          \
    S(uint64_t, scounteren)                                                                        \
    S(uint64_t, senvcfg)                                                                           \
    S(uint64_t, satp)                                                                              \
    S(uint64_t, stimecmp)                                                                          \
    A(uint64_t, pmpaddr, RISCV_PMP_ENTRIES)                                                        \
    A(uint8_t, pmpcfg, RISCV_PMP_ENTRIES)                                                          \
    S(uint64_t, cycle) /* the counter CSRs, when the state was last saved or loaded */             \
    S(uint64_t, instret)                                                                           \
    S(uint64_t, reserved_addr) /* of LR, virtual; RISCV_NO_RESERVATION: none */                    \
    S(uint64_t, reserved_value)

#define RISCV_NO_RESERVATION UINT64_MAX

/* Wires into the hart: bits of mip, set and cleared by interrupt controllers on any thread. */
enum riscv_line {
    RISCV_LINE_SSIP = 1, /* supervisor software (of a built-in SBI), machine software, ... */
    RISCV_LINE_MSIP = 3,
    RISCV_LINE_STIP = 5,
    RISCV_LINE_MTIP = 7,
    RISCV_LINE_SEIP = 9,
    RISCV_LINE_MEIP = 11,
};

/* Why the engine's loop should leave translated or decoded code. */
enum riscv_attention {
    RISCV_ATTN_REQUEST = 1 << 0, /* vcpu->requests; set by kick */
    RISCV_ATTN_STATE = 1 << 1, /* interrupts may have become deliverable: lines, mie, mstatus ... */
};

struct riscv_cpu;
struct riscv_op; /* the instruction in executable form: isa/riscv/op.h */

/* How an executing hart reaches the rest of the machine; filled by engine and board. All run on the
 * vCPU's thread. */
struct riscv_env {
    void *machine;
    uint64_t (*mmio_read)(void *machine, gpa_t gpa, unsigned size);
    void (*mmio_write)(void *machine, gpa_t gpa, unsigned size, uint64_t val);
    void *platform;                   /* the board's, for those below */
    uint64_t (*time)(void *platform); /* the `time` CSR, in ticks of 10 MHz */
    void (*stimecmp_changed)(void *platform, struct riscv_cpu *c); /* Sstc: set or clear STIP */
    /*
     * ECALL from S-mode: true, it was done (registers changed, pc NOT advanced: the caller does);
     * false: the guest traps. NULL: always traps.
     */
    bool (*ecall)(void *platform, struct riscv_cpu *c);
};

/* Guest-physical memory as page walks need it; false: not RAM. */
struct riscv_phys {
    bool (*load)(void *engine, gpa_t gpa, uint64_t *val); /* 8 bytes, aligned */
    int (*cas)(void *engine, gpa_t gpa, uint64_t old,
               uint64_t val); /* 1 swapped 0 lost -1 no RAM */
};

/* Slow paths of memory, the engine's (engine/softmmu). They raise the guest's faults themselves and
 * then do not return. */
struct riscv_mem_slow {
    uint64_t (*load)(struct riscv_cpu *c, gva_t va, unsigned size);
    void (*store)(struct riscv_cpu *c, gva_t va, unsigned size, uint64_t val);
    /* Host pointer to `size` bytes, aligned, of writable RAM, for AMO and SC; NULL: writes there
     * must not go unnoticed, use load and cas. Raises an access fault where there is no RAM. */
    void *(*rmw_ptr)(struct riscv_cpu *c, gva_t va, unsigned size);
    /* Where rmw_ptr gave NULL: compare and swap. */
    bool (*cas)(struct riscv_cpu *c, gva_t va, unsigned size, uint64_t old, uint64_t val);
    /* SFENCE.VMA; of everything also where other state that cached translations rest on changed:
     * PMP, MXR, Svpbmt's enable. */
    void (*sfence)(struct riscv_cpu *c, bool all_addresses, gva_t va, bool all_spaces,
                   uint16_t asid);
    void (*context_changed)(struct riscv_cpu *c); /* satp was written */
    void (*fence_i)(struct riscv_cpu *c);
};

/* Which of the TLBs applies: effective privilege of data accesses, and SUM in S-mode. */
enum riscv_mmu_ctx { RISCV_MMU_U, RISCV_MMU_S, RISCV_MMU_S_SUM, RISCV_MMU_M, RISCV_MMU_CTXS };

struct riscv_cpu {
    /* Hot, in the order the fast path wants them. */
    const struct tlb *tlb; /* of data accesses in the current context */
    uint64_t asid;         /* TLB_ASID of the current address space */
    /* A process VM has no TLB: guest address a is at host address flat_base + a for a < flat_size.
     * 0: there is a TLB. */
    uint64_t flat_base, flat_size;
    const struct riscv_op *op;  /* executing; its address gives the precise pc */
    uint64_t code_base;         /* pc of the current block's page start */
    _Atomic uint32_t attention; /* non-zero: leave at the next block boundary */
    uint32_t fp_modes;          /* what may run on the host's FPU: isa/riscv/fp_state.h */
    bool fp_live;               /* MXCSR is the guest's */
    uint64_t engine_hot[RISCV_ENGINE_HOT]; /* words that translated code reaches like registers */

    STATE_MEMBERS(RISCV_CPU_STATE) /* wire state */

    uint64_t sink;                    /* writes to x0 */
    _Atomic uint64_t lines;           /* bits 1 << enum riscv_line that controllers hold up */
    unsigned id;                      /* hart number */
    struct tlb *tlbs[RISCV_MMU_CTXS]; /* the engine's; `tlb` is one of them */
    uint8_t mmu_ctx;                  /* derived: of data accesses */
    uint64_t icount;                  /* instructions retired */
    bool icount_exact;                /* the engine counts every instruction in icount */
    uint64_t cycle_offset;            /* mcycle less the host's counter */
    uint64_t instret_offset;          /* minstret less icount */
    uint64_t mip_read; /* by the executing CSR instruction; all ones: it did not read mip or sip */
    /* What riscv_raise() left for riscv_deliver_pending(). */
    uint64_t exc_cause, exc_tval;
    const struct riscv_mem_slow *slow;
    const struct riscv_phys *phys;
    void *slow_opaque; /* for phys */
    struct riscv_env env;
    jmp_buf unwind; /* riscv_raise() lands here, in the engine's loop */
    void *vcpu;     /* the engine's */
};

/* Any thread: an interrupt controller raises or lowers a wire; wakes nobody by itself, the caller
 * (board) kicks the vCPU with VCPU_REQ_INTERRUPT when a wire rises. */
void riscv_set_line(struct riscv_cpu *c, enum riscv_line line, bool level);
/* Any thread. */
void riscv_want_attention(struct riscv_cpu *c, uint32_t why);
/* Is an enabled interrupt pending, whether or not it is deliverable now? WFI ends then. */
bool riscv_wakes(const struct riscv_cpu *c);

#endif
