/*
 * Zba, Zbb, Zbs and Zicond. [RISC-V unpriv 28.4, 12]
 */
#include "isa/riscv/exec.h"

static unsigned clz64(uint64_t v)
{
    return v ? (unsigned)__builtin_clzll(v) : 64;
}

static unsigned ctz64(uint64_t v)
{
    return v ? (unsigned)__builtin_ctzll(v) : 64;
}

static unsigned clz32(uint32_t v)
{
    return v ? (unsigned)__builtin_clz(v) : 32;
}

static unsigned ctz32(uint32_t v)
{
    return v ? (unsigned)__builtin_ctz(v) : 32;
}

static uint64_t rotate_right64(uint64_t v, unsigned n)
{
    return v >> (n & 63) | v << (-n & 63);
}

static uint64_t rotate_right32(uint32_t v, unsigned n)
{
    return riscv_sext32(v >> (n & 31) | v << (-n & 31));
}

/* Every byte that is not zero becomes all ones. */
static uint64_t or_combine(uint64_t v)
{
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t any = (((v & low7) + low7) | v) & ~low7; /* each byte's bit 7 */
    return (any >> 7) * 255;
}

RISCV_EXEC_RR(add_uw, (uint32_t)a + b)
RISCV_EXEC_RR(sh1add, (a << 1) + b)
RISCV_EXEC_RR(sh2add, (a << 2) + b)
RISCV_EXEC_RR(sh3add, (a << 3) + b)
RISCV_EXEC_RR(sh1add_uw, ((uint64_t)(uint32_t)a << 1) + b)
RISCV_EXEC_RR(sh2add_uw, ((uint64_t)(uint32_t)a << 2) + b)
RISCV_EXEC_RR(sh3add_uw, ((uint64_t)(uint32_t)a << 3) + b)
RISCV_EXEC_RI(slli_uw, (uint64_t)(uint32_t)a << (b & 63))

RISCV_EXEC_RR(andn, a & ~b)
RISCV_EXEC_RR(orn, a | ~b)
RISCV_EXEC_RR(xnor, ~(a ^ b))
RISCV_EXEC_R(clz, clz64(a))
RISCV_EXEC_R(ctz, ctz64(a))
RISCV_EXEC_R(cpop, __builtin_popcountll(a))
RISCV_EXEC_R(clzw, clz32((uint32_t)a))
RISCV_EXEC_R(ctzw, ctz32((uint32_t)a))
RISCV_EXEC_R(cpopw, __builtin_popcount((uint32_t)a))
RISCV_EXEC_R(sext_b, (int64_t)(int8_t)a)
RISCV_EXEC_R(sext_h, (int64_t)(int16_t)a)
RISCV_EXEC_R(zext_h, (uint16_t)a)
RISCV_EXEC_RR(min, (int64_t)a < (int64_t)b ? a : b)
RISCV_EXEC_RR(minu, a < b ? a : b)
RISCV_EXEC_RR(max, (int64_t)a > (int64_t)b ? a : b)
RISCV_EXEC_RR(maxu, a > b ? a : b)
RISCV_EXEC_RR(rol, rotate_right64(a, -(unsigned)b))
RISCV_EXEC_RR(ror, rotate_right64(a, (unsigned)b))
RISCV_EXEC_RI(rori, rotate_right64(a, (unsigned)b))
RISCV_EXEC_RR(rolw, rotate_right32((uint32_t)a, -(unsigned)b))
RISCV_EXEC_RR(rorw, rotate_right32((uint32_t)a, (unsigned)b))
RISCV_EXEC_RI(roriw, rotate_right32((uint32_t)a, (unsigned)b))
RISCV_EXEC_R(orc_b, or_combine(a))
RISCV_EXEC_R(rev8, __builtin_bswap64(a))

RISCV_EXEC_RR(bclr, a & ~(UINT64_C(1) << (b & 63)))
RISCV_EXEC_RR(bext, a >> (b & 63) & 1)
RISCV_EXEC_RR(binv, a ^ UINT64_C(1) << (b & 63))
RISCV_EXEC_RR(bset, a | UINT64_C(1) << (b & 63))
RISCV_EXEC_RI(bclri, a & ~(UINT64_C(1) << (b & 63)))
RISCV_EXEC_RI(bexti, a >> (b & 63) & 1)
RISCV_EXEC_RI(binvi, a ^ UINT64_C(1) << (b & 63))
RISCV_EXEC_RI(bseti, a | UINT64_C(1) << (b & 63))

RISCV_EXEC_RR(czero_eqz, b ? a : 0)
RISCV_EXEC_RR(czero_nez, b ? 0 : a)
