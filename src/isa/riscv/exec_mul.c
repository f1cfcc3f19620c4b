/*
 * Extension M. Divisions by zero and the one overflow have defined results. [RISC-V unpriv 7.2]
 */
#include "isa/riscv/exec.h"

static uint64_t mulh(uint64_t a, uint64_t b)
{
    return (uint64_t)((__int128)(int64_t)a * (int64_t)b >> 64);
}

static uint64_t mulhsu(uint64_t a, uint64_t b)
{
    return (uint64_t)((__int128)(int64_t)a * (unsigned __int128)b >> 64);
}

static uint64_t mulhu(uint64_t a, uint64_t b)
{
    return (uint64_t)((unsigned __int128)a * b >> 64);
}

static int64_t div64(int64_t a, int64_t b)
{
    if (b == 0)
        return -1;
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b; /* the host traps on overflow */
}

static int64_t rem64(int64_t a, int64_t b)
{
    if (b == 0)
        return a;
    return b == -1 ? 0 : a % b;
}

static int32_t div32(int32_t a, int32_t b)
{
    if (b == 0)
        return -1;
    return b == -1 ? (int32_t)(0 - (uint32_t)a) : a / b;
}

static int32_t rem32(int32_t a, int32_t b)
{
    if (b == 0)
        return a;
    return b == -1 ? 0 : a % b;
}

static uint64_t divu32(uint32_t a, uint32_t b)
{
    return b ? riscv_sext32(a / b) : UINT64_MAX;
}

static uint64_t remu32(uint32_t a, uint32_t b)
{
    return riscv_sext32(b ? a % b : a);
}

RISCV_EXEC_RR(mul, a *b)
RISCV_EXEC_RR(mulh, mulh(a, b))
RISCV_EXEC_RR(mulhsu, mulhsu(a, b))
RISCV_EXEC_RR(mulhu, mulhu(a, b))
RISCV_EXEC_RR(div, div64((int64_t)a, (int64_t)b))
RISCV_EXEC_RR(divu, b ? a / b : UINT64_MAX)
RISCV_EXEC_RR(rem, rem64((int64_t)a, (int64_t)b))
RISCV_EXEC_RR(remu, b ? a % b : a)
RISCV_EXEC_RR(mulw, riscv_sext32(a *b))
RISCV_EXEC_RR(divw, (int64_t)div32((int32_t)a, (int32_t)b))
RISCV_EXEC_RR(divuw, divu32((uint32_t)a, (uint32_t)b))
RISCV_EXEC_RR(remw, (int64_t)rem32((int32_t)a, (int32_t)b))
RISCV_EXEC_RR(remuw, remu32((uint32_t)a, (uint32_t)b))
