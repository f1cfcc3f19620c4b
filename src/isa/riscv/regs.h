/*
 * Bits of the control and status registers. [RISC-V priv 3.1, 4.1]
 */
#ifndef DOPPEL_ISA_RISCV_REGS_H
#define DOPPEL_ISA_RISCV_REGS_H

#include <stdbool.h>
#include <stdint.h>

#include "isa/riscv/cpu.h"

#define MSTATUS_SIE  (UINT64_C(1) << 1)
#define MSTATUS_MIE  (UINT64_C(1) << 3)
#define MSTATUS_SPIE (UINT64_C(1) << 5)
#define MSTATUS_MPIE (UINT64_C(1) << 7)
#define MSTATUS_SPP  (UINT64_C(1) << 8)
#define MSTATUS_MPP  (UINT64_C(3) << 11)
#define MSTATUS_FS   (UINT64_C(3) << 13)
#define MSTATUS_MPRV (UINT64_C(1) << 17)
#define MSTATUS_SUM  (UINT64_C(1) << 18)
#define MSTATUS_MXR  (UINT64_C(1) << 19)
#define MSTATUS_TVM  (UINT64_C(1) << 20)
#define MSTATUS_TW   (UINT64_C(1) << 21)
#define MSTATUS_TSR  (UINT64_C(1) << 22)
#define MSTATUS_UXL  (UINT64_C(2) << 32) /* 64 bits, read-only */
#define MSTATUS_SXL  (UINT64_C(2) << 34)
#define MSTATUS_SD   (UINT64_C(1) << 63) /* FS is Dirty; made when read */

enum { MSTATUS_MPP_SHIFT = 11 };

#define SSTATUS_WRITABLE                                                                           \
    (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR)
#define MSTATUS_WRITABLE                                                                           \
    (SSTATUS_WRITABLE | MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP | MSTATUS_MPRV | MSTATUS_TVM |    \
     MSTATUS_TW | MSTATUS_TSR)

/* Interrupts: bits of mip, mie, mideleg. */
#define RISCV_SSI            (UINT64_C(1) << RISCV_LINE_SSIP)
#define RISCV_MSI            (UINT64_C(1) << RISCV_LINE_MSIP)
#define RISCV_STI            (UINT64_C(1) << RISCV_LINE_STIP)
#define RISCV_MTI            (UINT64_C(1) << RISCV_LINE_MTIP)
#define RISCV_SEI            (UINT64_C(1) << RISCV_LINE_SEIP)
#define RISCV_MEI            (UINT64_C(1) << RISCV_LINE_MEIP)
#define RISCV_S_INTERRUPTS   (RISCV_SSI | RISCV_STI | RISCV_SEI)
#define RISCV_ALL_INTERRUPTS (RISCV_S_INTERRUPTS | RISCV_MSI | RISCV_MTI | RISCV_MEI)

/* menvcfg and senvcfg */
#define ENVCFG_FIOM  (UINT64_C(1) << 0)
#define ENVCFG_CBIE  (UINT64_C(3) << 4)
#define ENVCFG_CBCFE (UINT64_C(1) << 6)
#define ENVCFG_CBZE  (UINT64_C(1) << 7)
#define ENVCFG_ADUE  (UINT64_C(1) << 61) /* Svadu: hardware sets A and D */
#define ENVCFG_PBMTE (UINT64_C(1) << 62)
#define ENVCFG_STCE  (UINT64_C(1) << 63) /* Sstc */

#define MENVCFG_WRITABLE                                                                           \
    (ENVCFG_FIOM | ENVCFG_CBIE | ENVCFG_CBCFE | ENVCFG_CBZE | ENVCFG_ADUE | ENVCFG_PBMTE |         \
     ENVCFG_STCE)

/* satp */
enum { SATP_BARE = 0, SATP_SV39 = 8, SATP_SV48 = 9 };
#define SATP_MODE(satp) ((unsigned)((satp) >> 60))
#define SATP_ASID(satp) ((uint16_t)((satp) >> 44))
#define SATP_PPN(satp)  ((satp) & ((UINT64_C(1) << 44) - 1))

enum { RISCV_CACHE_BLOCK = 64 }; /* bytes of Zicbom's and Zicboz's blocks */

/* May the current mode use a cache-block instruction that this field of menvcfg and senvcfg
 * enables? A process VM's harts may all. */
static inline bool riscv_envcfg_allows(const struct riscv_cpu *c, uint64_t field)
{
    if (c->priv == RISCV_M || c->flat_size)
        return true;
    if (!(c->menvcfg & field))
        return false;
    return c->priv == RISCV_S || (c->senvcfg & field);
}

#endif
