/*
 * Bit tests, scans and counts; BMI1, BMI2, ADX; CRC32; RDRAND.
 */
#include "isa/x86/exec.h"

/* BT BTS BTR BTC. A register bit offset into memory reaches beyond the operand [SDM 2 BT]. */
static u64 bit_change(u64 v, u64 mask, unsigned kind)
{
    switch (kind) {
    case 1:
        return v | mask;
    case 2:
        return v & ~mask;
    case 3:
        return v ^ mask;
    default:
        return v;
    }
}

static gva_t bit_ea(struct x86_cpu *c, const struct x86_op *op, unsigned kind)
{
    u64 offset = op_offset(c, op);
    if (!(op->flags & OP_IMM)) {
        int64_t bit = (int64_t)sext(get_reg(c, op->src, op->size), op->size);
        unsigned shift = 3 + __builtin_ctz(op->size);
        offset = (offset + (u64)(bit >> shift) * op->size) & op->ea_mask;
    }
    return seg_addr(c, op, offset, op->size, kind ? ACCESS_WRITE : ACCESS_READ);
}

static u64 bit_mem(struct x86_cpu *c, const struct x86_op *op, u64 mask, unsigned kind)
{
    gva_t va = bit_ea(c, op, kind);
    unsigned size = op->size;
    if (kind == 0)
        return load_n(c, va, size);
    bool locked = op->flags & OP_LOCK;
    /* Every form writes, so a fault says so even where only the read would fault. */
    void *p = locked || !tlb_write_ptr(c, va, size) ? c->slow->rmw_ptr(c, va, size) : NULL;
    if (locked && p && size == 8)
        return kind == 1   ? __atomic_fetch_or((u64 *)p, mask, __ATOMIC_SEQ_CST)
               : kind == 2 ? __atomic_fetch_and((u64 *)p, ~mask, __ATOMIC_SEQ_CST)
                           : __atomic_fetch_xor((u64 *)p, mask, __ATOMIC_SEQ_CST);
    if (locked && p && size == 4)
        return kind == 1   ? __atomic_fetch_or((u32 *)p, (u32)mask, __ATOMIC_SEQ_CST)
               : kind == 2 ? __atomic_fetch_and((u32 *)p, (u32)~mask, __ATOMIC_SEQ_CST)
                           : __atomic_fetch_xor((u32 *)p, (u32)mask, __ATOMIC_SEQ_CST);
    if (locked)
        c->slow->lock(c);
    u64 v = load_n(c, va, size);
    store_n(c, va, size, bit_change(v, mask, kind));
    if (locked)
        c->slow->unlock(c);
    return v;
}

static const struct x86_op *bit_op(struct x86_cpu *c, const struct x86_op *op, unsigned kind)
{
    u64 n = op->flags & OP_IMM ? op->imm : get_reg(c, op->src, op->size);
    u64 mask = UINT64_C(1) << (n & (8u * op->size - 1)), v;
    if (op->flags & OP_MEM0) {
        v = bit_mem(c, op, mask, kind);
    } else {
        v = get_reg(c, op->dst, op->size);
        if (kind)
            put_reg(c, op->dst, op->size, bit_change(v, mask, kind));
    }
    c->arith = (c->arith & ~ARITH_CF) | (v & mask ? ARITH_CF : 0);
    return op + 1;
}

EXEC(bt)
{
    return bit_op(c, op, 0);
}
EXEC(bts)
{
    return bit_op(c, op, 1);
}
EXEC(btr)
{
    return bit_op(c, op, 2);
}
EXEC(btc)
{
    return bit_op(c, op, 3);
}
EXEC_ANY(BT, bt);
EXEC_ANY(BTS, bts);
EXEC_ANY(BTR, btr);
EXEC_ANY(BTC, btc);

/*
 * r <- f(r/m): BSF BSR keep the destination, all 64 bits of it, when the source is zero.
 */
#define UNARY_ASM_T(T, name, text)                                                                 \
    static T name##_##T(T dst, T src, u16 *fl)                                                     \
    {                                                                                              \
        u16 f = *fl;                                                                               \
        __asm__(ASM_FLAGS_LOAD text " %[s], %[d]" ASM_FLAGS_KEEP                                   \
                : [d] "+r"(dst), "+a"(f)                                                           \
                : [s] "r"(src)                                                                     \
                : "cc");                                                                           \
        *fl = f;                                                                                   \
        return dst;                                                                                \
    }
#define SCAN(NAME, name, text)                                                                     \
    UNARY_ASM_T(u16, name, text)                                                                   \
    UNARY_ASM_T(u32, name, text)                                                                   \
    UNARY_ASM_T(u64, name, text)                                                                   \
    EXEC(name)                                                                                     \
    {                                                                                              \
        u64 s = second_op(c, op, op->size), d = get_reg(c, op->dst, op->size);                     \
        bool keep = s == 0 && (X86_I_##NAME == X86_I_BSF || X86_I_##NAME == X86_I_BSR);            \
        if (op->size == 8)                                                                         \
            d = name##_u64(d, s, &c->arith);                                                       \
        else if (op->size == 4)                                                                    \
            d = name##_u32(d, s, &c->arith);                                                       \
        else                                                                                       \
            d = name##_u16(d, s, &c->arith);                                                       \
        if (!keep)                                                                                 \
            put_reg(c, op->dst, op->size, d);                                                      \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC_ANY(NAME, name);
SCAN(BSF, bsf, "bsf")
SCAN(BSR, bsr, "bsr")
SCAN(TZCNT, tzcnt, "tzcnt")
SCAN(LZCNT, lzcnt, "lzcnt")
SCAN(POPCNT, popcnt, "popcnt")

/* BMI: VEX, 32 or 64 bits. BLS* have their destination first and one source. */
#define BMI2OP(NAME, name)                                                                         \
    UNARY_ASM_T(u32, name, #name)                                                                  \
    UNARY_ASM_T(u64, name, #name)                                                                  \
    EXEC(name)                                                                                     \
    {                                                                                              \
        u64 s = second_op(c, op, op->size);                                                        \
        u64 r = op->size == 8 ? name##_u64(0, s, &c->arith) : name##_u32(0, (u32)s, &c->arith);    \
        put_reg(c, op->dst, op->size, r);                                                          \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC_ANY(NAME, name);
BMI2OP(BLSI, blsi)
BMI2OP(BLSMSK, blsmsk)
BMI2OP(BLSR, blsr)

/* Three operands, d <- a op b in Intel's order. */
#define BMI3_T(T, name)                                                                            \
    static T name##_##T(T a, T b, u16 *fl)                                                         \
    {                                                                                              \
        T d;                                                                                       \
        u16 f = *fl;                                                                               \
        __asm__(ASM_FLAGS_LOAD #name " %[b], %[a], %[d]" ASM_FLAGS_KEEP                            \
                : [d] "=&r"(d), "+a"(f)                                                            \
                : [a] "r"(a), [b] "r"(b)                                                           \
                : "cc");                                                                           \
        *fl = f;                                                                                   \
        return d;                                                                                  \
    }
/* A and B: Intel's second and third operand. */
#define BMI3(NAME, name, A, B)                                                                     \
    BMI3_T(u32, name)                                                                              \
    BMI3_T(u64, name)                                                                              \
    EXEC(name)                                                                                     \
    {                                                                                              \
        u64 a = A, b = B;                                                                          \
        u64 r =                                                                                    \
            op->size == 8 ? name##_u64(a, b, &c->arith) : name##_u32((u32)a, (u32)b, &c->arith);   \
        put_reg(c, op->dst, op->size, r);                                                          \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC_ANY(NAME, name);

/* The r/m operand may be second (BEXTR BZHI SARX SHLX SHRX) or third (ANDN PDEP PEXT). */
static u64 third_rm(struct x86_cpu *c, const struct x86_op *op)
{
    bool mem = op->flags & OP_MEM1;
    return get_op(c, op->third, mem, mem ? op_ea(c, op, op->size, ACCESS_READ) : 0, op->size);
}
#define SECOND_REG get_reg(c, op->src, op->size)
#define SECOND_RM  second_op(c, op, op->size)
#define THIRD_REG  get_reg(c, op->third, op->size)
#define THIRD_RM   third_rm(c, op)
BMI3(ANDN, andn, SECOND_REG, THIRD_RM)
BMI3(PDEP, pdep, SECOND_REG, THIRD_RM)
BMI3(PEXT, pext, SECOND_REG, THIRD_RM)
BMI3(BEXTR, bextr, SECOND_RM, THIRD_REG)
BMI3(BZHI, bzhi, SECOND_RM, THIRD_REG)
BMI3(SARX, sarx, SECOND_RM, THIRD_REG)
BMI3(SHLX, shlx, SECOND_RM, THIRD_REG)
BMI3(SHRX, shrx, SECOND_RM, THIRD_REG)

EXEC(rorx)
{
    u64 s = second_op(c, op, op->size);
    unsigned bits = 8u * op->size, n = op->imm & (bits - 1);
    put_reg(c, op->dst, op->size, n ? s >> n | s << (bits - n) : s);
    return op + 1;
}
EXEC_ANY(RORX, rorx);

/* MULX hi, lo, r/m: the high half wins when both destinations are one register. */
EXEC(mulx)
{
    unsigned __int128 p =
        (unsigned __int128)get_reg(c, X86_REG_OFF(RDX), op->size) * third_rm(c, op);
    put_reg(c, op->src, op->size, (u64)p);
    put_reg(c, op->dst, op->size, (u64)(p >> (8 * op->size)));
    return op + 1;
}
EXEC_ANY(MULX, mulx);

/* ADCX and ADOX: one carry each, in CF and OF; no other flag moves. */
static u64 add_carry(struct x86_cpu *c, const struct x86_op *op, bool in, bool *out)
{
    u64 a = get_reg(c, op->dst, op->size);
    unsigned __int128 s = (unsigned __int128)a + second_op(c, op, op->size) + in;
    *out = (s >> (8 * op->size)) & 1;
    return (u64)s;
}

EXEC(adcx)
{
    bool carry;
    u64 r = add_carry(c, op, c->arith & ARITH_CF, &carry);
    put_reg(c, op->dst, op->size, r);
    c->arith = (c->arith & ~ARITH_CF) | (carry ? ARITH_CF : 0);
    return op + 1;
}
EXEC(adox)
{
    bool carry;
    u64 r = add_carry(c, op, c->arith & ARITH_OF, &carry);
    put_reg(c, op->dst, op->size, r);
    c->arith = (c->arith & ~ARITH_OF) | carry;
    return op + 1;
}
EXEC_ANY(ADCX, adcx);
EXEC_ANY(ADOX, adox);

static u32 crc32c(u32 crc, u64 v, unsigned bytes)
{
    while (bytes--) {
        __asm__("crc32b %b[v], %[crc]" : [crc] "+r"(crc) : [v] "q"(v));
        v >>= 8;
    }
    return crc;
}

EXEC(crc32)
{
    u32 crc = crc32c(REG(c, op->dst, u32), second_op(c, op, op->src_size), op->src_size);
    REG(c, op->dst, u64) = crc;
    return op + 1;
}
EXEC_ANY(CRC32, crc32);

/* CF says whether a number was there; all other flags are cleared [SDM 2 RDRAND]. */
#define RANDOM(NAME, name)                                                                         \
    EXEC(name)                                                                                     \
    {                                                                                              \
        u64 v = 0;                                                                                 \
        u8 ok = 0;                                                                                 \
        __asm__ volatile(#name " %[v]\n\tsetc %[ok]" : [v] "=r"(v), [ok] "=q"(ok) : : "cc");       \
        put_reg(c, op->dst, op->size, v);                                                          \
        c->arith = 0x200 | (ok ? ARITH_CF : 0);                                                    \
        return op + 1;                                                                             \
    }                                                                                              \
    EXEC_ANY(NAME, name);
RANDOM(RDRAND, rdrand)
RANDOM(RDSEED, rdseed)
