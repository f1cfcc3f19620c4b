/*
 * What a translation depends on beyond the guest's bytes and their address.
 */
#ifndef DOPPEL_ENGINE_DBT_RISCV_CTX_H
#define DOPPEL_ENGINE_DBT_RISCV_CTX_H

#include <stdbool.h>
#include <stdint.h>

#include "isa/riscv/csr.h"
#include "isa/riscv/fp_state.h"
#include "isa/riscv/regs.h"

enum rvx_ctx {
    RVX_CTX_FLAT = 1 << 0,   /* memory is direct, code addresses are constants */
    RVX_CTX_PRIV = 1,        /* from this bit on, two: the privilege level */
    RVX_CTX_ZERO = 1 << 3,   /* CBO.ZERO is allowed */
    RVX_CTX_PLAIN = 1 << 30, /* every access is checked by itself */
    RVX_CTX_FP = 4,          /* and from this one on, riscv_cpu.fp_modes */
};

/* A kernel only saves floating-point registers, between long stretches of code without: it shall
 * not need another context for that. */
static inline uint32_t rvx_ctx_of(const struct riscv_cpu *c)
{
    return (c->flat_size ? RVX_CTX_FLAT : 0) | (uint32_t)c->priv << RVX_CTX_PRIV |
           (riscv_envcfg_allows(c, ENVCFG_CBZE) ? RVX_CTX_ZERO : 0) |
           (c->priv == RISCV_S ? 0 : (uint32_t)c->fp_modes << RVX_CTX_FP);
}

/* Does the host's FPU hold the guest's mode, and registers? */
static inline bool rvx_ctx_fp(uint32_t ctx)
{
    return ctx >> RVX_CTX_FP & RISCV_FP_HOST;
}

#endif
