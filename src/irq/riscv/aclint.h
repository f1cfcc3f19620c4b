/*
 * The core-local interruptor: machine timer and software interrupts where the SiFive CLINT has
 * them, and the device that raises supervisor software interrupts. [RISC-V ACLINT 1.0-rc4]
 */
#ifndef DOPPEL_IRQ_RISCV_ACLINT_H
#define DOPPEL_IRQ_RISCV_ACLINT_H

#include "dev/dev.h"

enum {
    ACLINT_HARTS = 8,
    ACLINT_HZ = 10000000,
    ACLINT_LEN = 0x10000, /* MSWI at 0, MTIMER at 0x4000, mtime at 0xbff8 */
    ACLINT_SSWI_LEN = 0x4000,
};

#define ACLINT_STATE(S, A, B, N)                                                                   \
    A(uint8_t, msip, ACLINT_HARTS)                                                                 \
    A(uint64_t, mtimecmp, ACLINT_HARTS)                                                            \
    S(uint64_t, mtime_offset) /* what writes to mtime added to the guest clock's ticks */

/* Wires into one hart. `ssip` is an edge: it is only ever raised, the hart clears it. */
struct aclint_hart {
    struct irq_line msip, mtip, ssip;
};

struct aclint;

struct aclint_timer {
    struct evloop_timer timer;
    struct aclint *aclint;
    unsigned hart;
};

struct aclint {
    struct dev dev;
    STATE_MEMBERS(ACLINT_STATE)
    struct aclint_hart hart[ACLINT_HARTS];
    struct aclint_timer timer[ACLINT_HARTS];
    unsigned nharts;
};

extern const struct state_desc aclint_state;

/* At most ACLINT_HARTS harts. */
int aclint_create(struct aclint **out, const struct dev_host *host, gpa_t base, gpa_t sswi_base,
                  const struct aclint_hart *harts, unsigned nharts) must_check;
/* What mtime and the `time` CSR show. Any thread, no lock. */
uint64_t aclint_mtime(const struct aclint *a);
/* The host's CLOCK_MONOTONIC time when mtime will have reached `ticks`; UINT64_MAX: never. */
uint64_t aclint_deadline(const struct aclint *a, uint64_t ticks);

#endif
