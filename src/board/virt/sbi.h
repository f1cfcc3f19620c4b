/*
 * The supervisor binary interface, built in: what kernels ask of M-mode firmware, when there is
 * none. [RISC-V SBI 2.0]
 */
#ifndef DOPPEL_BOARD_VIRT_SBI_H
#define DOPPEL_BOARD_VIRT_SBI_H

#include "board/virt/virt_impl.h"

/* [SBI 2.0 table 1] */
enum sbi_error {
    SBI_SUCCESS = 0,
    SBI_ERR_FAILED = -1,
    SBI_ERR_NOT_SUPPORTED = -2,
    SBI_ERR_INVALID_PARAM = -3,
    SBI_ERR_INVALID_ADDRESS = -5,
    SBI_ERR_ALREADY_AVAILABLE = -6,
};

struct sbi_ret {
    int64_t error;
    uint64_t value;
};

/* One call: function `fid` of an extension with arguments a0 to a5. On the hart's thread. */
struct sbi_call {
    struct virt *virt;
    struct virt_hart *hart;
    struct riscv_cpu *cpu;
    uint64_t fid;
    const uint64_t *arg;
};

static inline struct sbi_ret sbi_error(enum sbi_error e)
{
    return (struct sbi_ret){.error = e};
}

static inline struct sbi_ret sbi_value(uint64_t value)
{
    return (struct sbi_ret){.value = value};
}

/*
 * The harts that the pair (mask, base) names, as bits; false: one of them does not exist.
 * [SBI 2.0 3.1]
 */
bool sbi_harts(const struct virt *v, uint64_t mask, uint64_t base, uint32_t *harts);

/* The extensions; sbi_base.c knows the list. */
struct sbi_ret sbi_time(const struct sbi_call *call);
struct sbi_ret sbi_ipi(const struct sbi_call *call);
struct sbi_ret sbi_rfence(const struct sbi_call *call);
struct sbi_ret sbi_hsm(const struct sbi_call *call);
struct sbi_ret sbi_reset(const struct sbi_call *call);
struct sbi_ret sbi_console(const struct sbi_call *call);
/* Version 0.1's calls, whose extension number is the function: the result is a0 alone. */
int64_t sbi_legacy(const struct sbi_call *call, uint64_t eid);

/* One byte to the console; one that was typed, or -1. */
void sbi_put(struct virt *v, uint8_t byte);
int sbi_get(struct virt *v);

#endif
