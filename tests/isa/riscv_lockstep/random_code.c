#include "random_code.h"

#include <stdbool.h>

#include "isa/riscv/insn.h"
#include "isa/riscv/op_info.h"

enum { DATA_REG = 9, STACK_REG = 2, COUNT_REG = 28, ECALL = 0x73 };

uint64_t random_next(struct random_code *r)
{
    r->seed += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = r->seed;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t random_value(struct random_code *r)
{
    static const uint64_t special[] = {
        0,
        1,
        UINT64_MAX,
        INT64_MAX,
        (uint64_t)INT64_MIN,
        INT32_MAX,
        0x80000000,
        0xffffffff,
        0xffffffff80000000,
        0x3ff0000000000000,
        0x7ff0000000000000,
        0x7ff8000000000000,
        0x7ff0000000000001,
        0xfff0000000000000,
        0x0000000000000001,
        0x000fffffffffffff,
        0xffffffff3f800000,
        0xffffffff7f800000,
        0xffffffff7fc00000,
        0xffffffff7f800001,
        0xffffffff00000001,
        0xffffffff80000000,
        0x43e0000000000000,
        0xc3e0000000000000,
        0x41dfffffffc00000,
        0xffffffff4f000000,
        0xffffffff5f000000,
        0x7fefffffffffffff,
        0xffffffff7f7fffff,
        0x0010000000000000,
        0xffffffff00800000,
        0x3ca0000000000000,
    };
    uint64_t v = random_next(r), kind = random_next(r) % 8;
    if (kind < 3)
        return special[v % (sizeof(special) / sizeof(special[0]))];
    if (kind == 3)
        return v | UINT64_C(0xffffffff00000000);
    if (kind == 4)
        return (uint64_t)(int64_t)(int8_t)v;
    return v;
}

static bool is_fp_csr(unsigned csr)
{
    return csr >= 1 && csr <= 3;
}

/* Memory operands only behind the two pointers, which nothing writes. */
static bool allowed(const struct riscv_insn *in)
{
    uint32_t flags = riscv_op_info[in->op].flags;
    bool system = (in->raw & 0x7f) == 0x73 && in->len == 4;
    if (system)
        return in->op >= RISCV_OP_CSRRW && in->op <= RISCV_OP_CSRRCI && is_fp_csr(in->csr) &&
               in->rd != DATA_REG && in->rd != STACK_REG && in->rd != COUNT_REG;
    if (flags & RISCV_F_END || in->op == RISCV_OP_EBREAK)
        return false;
    if (!(flags & RISCV_F_FD) &&
        (in->rd == DATA_REG || in->rd == STACK_REG || in->rd == COUNT_REG) &&
        !(flags & RISCV_F_STORE && !(flags & RISCV_F_LOAD)))
        return false;
    if (flags & (RISCV_F_LOAD | RISCV_F_STORE))
        return in->rs1 == DATA_REG || (in->rs1 == STACK_REG && in->imm % 8 == 0);
    return in->op < RISCV_OP_CBO_INVAL || in->op > RISCV_OP_CBO_ZERO;
}

static void put(struct random_code *r, uint32_t bits)
{
    r->code[r->n++] = (uint16_t)bits;
    if ((bits & 3) == 3)
        r->code[r->n++] = (uint16_t)(bits >> 16);
}

/* One random instruction of any length that is allowed. */
static void any(struct random_code *r)
{
    static const uint8_t majors[] = {0x03, 0x07, 0x0f, 0x13, 0x17, 0x1b, 0x23, 0x27,
                                     0x2f, 0x33, 0x37, 0x3b, 0x43, 0x47, 0x4b, 0x4f,
                                     0x53, 0x53, 0x53, 0x73, 0x13, 0x33, 0x33, 0x3b};
    for (;;) {
        uint64_t v = random_next(r);
        uint32_t bits = (uint32_t)v;
        struct riscv_insn in;
        if (v >> 62 == 0) {
            bits &= 0xffff;
            if ((bits & 3) == 3)
                continue;
        } else {
            uint8_t major = majors[(v >> 32) % sizeof(majors)];
            bits = (bits & ~0x7fu) | major;
            if (major == 0x33 || major == 0x3b || major == 0x13 || major == 0x1b) {
                static const uint8_t tops[] = {0x00, 0x20, 0x01, 0x04, 0x05, 0x07,
                                               0x10, 0x14, 0x24, 0x30, 0x34, 0x35};
                bits = (bits & 0x01ffffff) | (uint32_t)(tops[(v >> 40) % sizeof(tops)] & 0x7f)
                                                 << 25;
            }
            if (major == 0x53 && v >> 61 & 1) /* rs2 of conversions */
                bits &= ~(0x1cu << 20);
            if (major == 0x03 || major == 0x07 || major == 0x23 || major == 0x27 || major == 0x2f)
                bits = (bits & ~(31u << 15)) | DATA_REG << 15;
        }
        if (riscv_decode(&in, bits) < 0 || !allowed(&in))
            continue;
        put(r, bits);
        return;
    }
}

static uint32_t branch(unsigned funct3, unsigned rs1, unsigned rs2, int off)
{
    uint32_t o = (uint32_t)off;
    return 0x63 | funct3 << 12 | rs1 << 15 | rs2 << 20 | (o >> 11 & 1) << 7 | (o >> 1 & 15) << 8 |
           (o >> 5 & 63) << 25 | (o >> 12 & 1) << 31;
}

/* A branch over some instructions. */
static void skip(struct random_code *r)
{
    static const uint8_t conditions[] = {0, 1, 4, 5, 6, 7};
    unsigned at = r->n, count = 1 + (unsigned)(random_next(r) % 5);
    uint64_t v = random_next(r);
    r->n += 2;
    for (unsigned i = 0; i < count; i++)
        any(r);
    unsigned end = r->n;
    r->n = at;
    put(r, branch(conditions[v % 6], v >> 8 & 31, v >> 16 & 31, (int)(end - at) * 2));
    r->n = end;
}

/* Some instructions a few times. */
static void loop(struct random_code *r)
{
    unsigned rounds = 1 + (unsigned)(random_next(r) % 4),
             count = 1 + (unsigned)(random_next(r) % 8);
    put(r, 0x13 | COUNT_REG << 7 | rounds << 20); /* li */
    unsigned top = r->n;
    for (unsigned i = 0; i < count; i++) {
        if (random_next(r) % 4)
            any(r);
        else
            skip(r);
    }
    put(r, 0x13 | COUNT_REG << 7 | COUNT_REG << 15 | 0xfffu << 20); /* addi -1 */
    put(r, branch(1, COUNT_REG, 0, ((int)top - (int)r->n) * 2));
}

/* Constants in two steps, and a call over an instruction by them. */
static void constant(struct random_code *r)
{
    uint32_t v = (uint32_t)random_next(r);
    static const uint8_t regs[] = {5, 10, 15, 31};
    unsigned rd = regs[v & 3];
    if (v & 4) {
        put(r, 0x37 | rd << 7 | (v & ~0xfffu));
        put(r, (v & 8 ? 0x1bu : 0x13u) | rd << 7 | rd << 15 | v << 20);
        return;
    }
    put(r, 0x17 | rd << 7);                                        /* auipc rd, 0 */
    put(r, 0x67 | (v & 16 ? 1u : rd) << 7 | rd << 15 | 12u << 20); /* jalr 12(rd) */
    put(r, 0xffffffff);                                            /* skipped */
}

static uint32_t itype(uint32_t opcode, unsigned funct3, unsigned rd, unsigned rs1, uint32_t imm)
{
    return opcode | funct3 << 12 | rd << 7 | rs1 << 15 | imm << 20;
}

/* An element of an array, whose address the register had first; now and then beyond memory. */
static void element(struct random_code *r)
{
    static const uint8_t regs[] = {5, 10, 15, 31, 1, 18};
    uint64_t v = random_next(r);
    unsigned t = regs[v % 6], index = regs[(v >> 8) % 6], base = v >> 16 & 1 ? DATA_REG : STACK_REG;
    unsigned mask = (v >> 20) % 16 ? 0xff : 0x7ff, shift = v >> 24 & 3;
    static const uint8_t widths[] = {0, 1, 2, 3, 4, 5, 6};
    put(r, itype(0x13, 7, index, index, mask));
    if (shift)
        put(r, itype(0x13, 1, t, index, shift));
    unsigned first = shift ? t : index, swap = v >> 28 & 1;
    put(r, 0x33 | t << 7 | (swap ? base : first) << 15 | (swap ? first : base) << 20);
    unsigned rd = (v >> 32) % 4 ? t : regs[(v >> 36) % 6];
    put(r, itype(0x03, widths[(v >> 40) % 7], rd, t, (uint32_t)(v >> 44 & 63)));
}

/* Zero-extension, and other parts of 64 bits. */
static void part(struct random_code *r)
{
    static const uint8_t regs[] = {5, 10, 15, 31};
    uint64_t v = random_next(r);
    unsigned t = regs[v & 3], s = regs[v >> 2 & 3];
    put(r, itype(0x13, 1, t, s, v >> 8 & 1 ? 32 : v >> 12 & 63));
    put(r, itype(0x13, 5, t, t, v >> 20 & 63));
}

void random_program(struct random_code *r)
{
    enum { LONGEST = 160 };
    r->n = 0;
    while (r->n + LONGEST < r->max) {
        switch (random_next(r) % 10) {
        case 8:
            element(r);
            break;
        case 9:
            part(r);
            break;
        case 0:
            skip(r);
            break;
        case 1:
            loop(r);
            break;
        case 2:
            constant(r);
            break;
        default:
            any(r);
            break;
        }
    }
    put(r, ECALL);
}
