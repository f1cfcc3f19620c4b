/*
 * The host's FPU at a hart's service.
 *
 * Invariants
 * 1. While c->fp_live, the MXCSR of the vCPU's thread is the guest's: it rounds as frm says (to the
 *    nearest where the host has no such mode), masks all exceptions, and its sticky flags are the
 *    guest's, yet to be added to c->fflags. Else c->fflags is all there is.
 * 2. c->fp_modes says at one glance what may run on the host straight away. An instruction whose
 * bit is not set takes the long way (exec_fp.c: checks mstatus.FS, enters, or computes without the
 *    host). So nothing is paid by programs without floating point.
 * 3. Guest code is left with riscv_fp_leave(): by engines when their run() returns. Code of ours
 *    that a running guest calls (devices, page walks) does no floating point.
 * 4. A host signal handler starts with an MXCSR of its own. One that does not return to where it
 * came from must put the interrupted one (uc_mcontext.fpregs->mxcsr) back by riscv_fp_recover().
 */
#ifndef DOPPEL_ISA_RISCV_FP_STATE_H
#define DOPPEL_ISA_RISCV_FP_STATE_H

#include "isa/riscv/cpu.h"
#include "isa/riscv/fp.h"

/* Of c->fp_modes. Bits 0 to 7: instructions with that rounding mode (bit 7: dynamic). */
enum {
    RISCV_FP_DYNAMIC = 1 << RISCV_RM_DYN,
    RISCV_FP_DIRTY = 1 << 8, /* mstatus.FS is Dirty: f[] may be read and written */
    RISCV_FP_HOST = 1 << 9,  /* and MXCSR is the guest's */
};

enum { RISCV_MXCSR_STICKY = 0x3f }; /* its flags */
/* By those flags: what they are in fflags. */
extern const uint8_t riscv_fp_flags_of_mxcsr[RISCV_MXCSR_STICKY + 1];
/* MXCSR for c->fp_modes with RISCV_FP_HOST set, no flags. */
uint32_t riscv_fp_mxcsr(uint32_t modes);

/* Make MXCSR the guest's. FS need not be anything. */
void riscv_fp_enter(struct riscv_cpu *c);
/* Give MXCSR back, the flags to c->fflags. May be called at any time on the vCPU's thread. */
void riscv_fp_leave(struct riscv_cpu *c);
/* Make c->fflags current; MXCSR stays whose it is. Before fflags is read or written. */
void riscv_fp_collect(struct riscv_cpu *c);
/* frm, mstatus.FS or the whole state has been changed. */
void riscv_fp_changed(struct riscv_cpu *c);
/* See invariant 4. */
void riscv_fp_recover(struct riscv_cpu *c, uint32_t mxcsr);

/* The CSRs fflags, frm and fcsr; writes make FS Dirty. The caller has checked that FS is not Off.
 */
uint64_t riscv_fp_csr_read(struct riscv_cpu *c, unsigned csr);
void riscv_fp_csr_write(struct riscv_cpu *c, unsigned csr, uint64_t val);

#endif
