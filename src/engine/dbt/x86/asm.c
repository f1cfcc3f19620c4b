/*
 * Host instruction encoding. [SDM 2 2.1-2.3]
 */
#include "engine/dbt/x86/asm.h"

#include <string.h>

enum { REX = 0x40, REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1, PREFIX_GS = 0x65 };

void asm_8(struct asm_buf *a, unsigned v)
{
    if (a->len < a->size)
        a->bytes[a->len++] = (uint8_t)v;
    else
        a->full = true;
}

void asm_bytes(struct asm_buf *a, const uint8_t *p, unsigned n)
{
    if (a->size - a->len < n) {
        a->full = true;
        return;
    }
    memcpy(a->bytes + a->len, p, n);
    a->len += n;
}

void asm_32(struct asm_buf *a, uint32_t v)
{
    asm_bytes(a, (const uint8_t *)&v, 4);
}

void asm_64(struct asm_buf *a, uint64_t v)
{
    asm_bytes(a, (const uint8_t *)&v, 8);
}

static bool fits8(int32_t v)
{
    return v >= -128 && v < 128;
}

static unsigned sib(const struct asm_mem *m)
{
    unsigned index = m->index == ASM_NONE ? 4 : m->index & 7u;
    unsigned base = m->base == ASM_NONE ? 5 : m->base & 7u;
    return (unsigned)m->scale << 6 | index << 3 | base;
}

void asm_modrm_mem(struct asm_buf *a, unsigned reg, const struct asm_mem *m)
{
    unsigned r = (reg & 7) << 3;
    bool with_sib = m->base == ASM_NONE || m->index != ASM_NONE || (m->base & 7) == H_RSP;
    unsigned rm = with_sib ? 4 : m->base & 7u;
    unsigned mod = 2;
    if (m->base == ASM_NONE)
        mod = 0;
    else if (m->disp == 0 && (m->base & 7) != H_RBP)
        mod = 0;
    else if (fits8(m->disp))
        mod = 1;
    asm_8(a, mod << 6 | r | rm);
    if (with_sib)
        asm_8(a, sib(m));
    if (mod == 1)
        asm_8(a, (uint8_t)m->disp);
    else if (mod == 2 || m->base == ASM_NONE)
        asm_32(a, (uint32_t)m->disp);
}

unsigned asm_rex_bits(unsigned reg, const struct asm_mem *m)
{
    return (reg & 8 ? REX_R : 0) | (m->index != ASM_NONE && (m->index & 8) ? REX_X : 0) |
           (m->base != ASM_NONE && (m->base & 8) ? REX_B : 0);
}

static void opcode_bytes(struct asm_buf *a, unsigned opcode)
{
    if (opcode > 0xff)
        asm_8(a, opcode >> 8);
    asm_8(a, opcode & 0xff);
}

void asm_op_mem(struct asm_buf *a, bool w, unsigned opcode, unsigned reg, struct asm_mem m)
{
    unsigned rex = (w ? REX_W : 0) | asm_rex_bits(reg, &m);
    if (m.gs)
        asm_8(a, PREFIX_GS);
    if (rex)
        asm_8(a, REX | rex);
    opcode_bytes(a, opcode);
    asm_modrm_mem(a, reg, &m);
}

void asm_op_reg(struct asm_buf *a, bool w, unsigned opcode, unsigned reg, unsigned rm)
{
    unsigned rex = (w ? REX_W : 0) | (reg & 8 ? REX_R : 0) | (rm & 8 ? REX_B : 0);
    if (rex)
        asm_8(a, REX | rex);
    opcode_bytes(a, opcode);
    asm_8(a, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

void asm_lea(struct asm_buf *a, unsigned dst, struct asm_mem m)
{
    asm_op_mem(a, true, 0x8d, dst, m);
}

void asm_lea_wide(struct asm_buf *a, unsigned dst, unsigned base, int32_t disp)
{
    asm_8(a, REX | REX_W | (dst & 8 ? REX_R : 0) | (base & 8 ? REX_B : 0));
    asm_8(a, 0x8d);
    asm_8(a, 0x80 | (dst & 7) << 3 | (base & 7));
    asm_32(a, (uint32_t)disp);
}

void asm_lea32(struct asm_buf *a, unsigned dst, struct asm_mem m)
{
    asm_op_mem(a, false, 0x8d, dst, m);
}

void asm_load(struct asm_buf *a, unsigned dst, struct asm_mem m)
{
    asm_op_mem(a, true, 0x8b, dst, m);
}

void asm_store(struct asm_buf *a, struct asm_mem m, unsigned src)
{
    asm_op_mem(a, true, 0x89, src, m);
}

void asm_load32(struct asm_buf *a, unsigned dst, struct asm_mem m)
{
    asm_op_mem(a, false, 0x8b, dst, m);
}

void asm_store32(struct asm_buf *a, struct asm_mem m, unsigned src)
{
    asm_op_mem(a, false, 0x89, src, m);
}

void asm_mov(struct asm_buf *a, unsigned dst, unsigned src)
{
    asm_op_reg(a, true, 0x89, src, dst);
}

void asm_mov_imm32(struct asm_buf *a, unsigned dst, uint32_t v)
{
    if (dst & 8)
        asm_8(a, REX | REX_B);
    asm_8(a, 0xb8 | (dst & 7));
    asm_32(a, v);
}

void asm_mov_imm64(struct asm_buf *a, unsigned dst, uint64_t v)
{
    if (v <= UINT32_MAX) {
        asm_mov_imm32(a, dst, (uint32_t)v);
        return;
    }
    asm_8(a, REX | REX_W | (dst & 8 ? REX_B : 0));
    if ((uint64_t)(int64_t)(int32_t)v == v) {
        asm_8(a, 0xc7);
        asm_8(a, 0xc0 | (dst & 7));
        asm_32(a, (uint32_t)v);
        return;
    }
    asm_8(a, 0xb8 | (dst & 7));
    asm_64(a, v);
}

/* VEX with map and pp; `r` and `b` are register numbers, `v` is vvvv, W = 1. */
static void vex3(struct asm_buf *a, unsigned r, unsigned b, unsigned map, unsigned v_pp)
{
    asm_8(a, 0xc4);
    asm_8(a, (r & 8 ? 0 : 0x80) | 0x40 | (b & 8 ? 0 : 0x20) | map);
    asm_8(a, 0x80 | v_pp);
}

void asm_rorx(struct asm_buf *a, unsigned dst, unsigned src, unsigned count)
{
    vex3(a, dst, src, 3, 0x78 | 3); /* VEX.LZ.F2.0F3A.W1 F0 /r ib */
    asm_8(a, 0xf0);
    asm_8(a, 0xc0 | (dst & 7) << 3 | (src & 7));
    asm_8(a, count);
}

void asm_pext_gs(struct asm_buf *a, unsigned dst, unsigned src, uint32_t gs_off)
{
    struct asm_mem m = MEM_GS(gs_off);
    asm_8(a, PREFIX_GS);
    vex3(a, dst, 0, 2, (~src & 15) << 3 | 2); /* VEX.LZ.F3.0F38.W1 F5 /r */
    asm_8(a, 0xf5);
    asm_modrm_mem(a, dst, &m);
}

/* 64 bits */
void asm_crc32(struct asm_buf *a, unsigned dst, unsigned src)
{
    static const uint8_t opcode[] = {0x0f, 0x38, 0xf1};
    asm_8(a, 0xf2);
    asm_8(a, REX | REX_W | (dst & 8 ? REX_R : 0) | (src & 8 ? REX_B : 0));
    asm_bytes(a, opcode, sizeof(opcode));
    asm_8(a, 0xc0 | (dst & 7) << 3 | (src & 7));
}

void asm_test8_imm(struct asm_buf *a, unsigned reg, unsigned imm)
{
    if (reg >= H_RSP)
        asm_8(a, REX | (reg & 8 ? REX_B : 0));
    asm_8(a, 0xf6);
    asm_8(a, 0xc0 | (reg & 7));
    asm_8(a, imm);
}

void asm_flags_keep(struct asm_buf *a)
{
    static const uint8_t code[] = {0x9f, 0x0f, 0x90, 0xc0}; /* lahf; seto al */
    asm_bytes(a, code, sizeof(code));
}

void asm_flags_load(struct asm_buf *a)
{
    static const uint8_t code[] = {0x04, 0x7f, 0x9e}; /* add al, 7fh; sahf */
    asm_bytes(a, code, sizeof(code));
}

uint32_t asm_jcc(struct asm_buf *a, unsigned cc)
{
    asm_8(a, 0x0f);
    asm_8(a, 0x80 | cc);
    asm_32(a, 0);
    return a->len - 4;
}

uint32_t asm_jmp(struct asm_buf *a)
{
    asm_8(a, 0xe9);
    asm_32(a, 0);
    return a->len - 4;
}

uint32_t asm_jcc8(struct asm_buf *a, unsigned cc)
{
    asm_8(a, 0x70 | cc);
    asm_8(a, 0);
    return a->len - 1;
}

uint32_t asm_jrcxz(struct asm_buf *a)
{
    asm_8(a, 0xe3);
    asm_8(a, 0);
    return a->len - 1;
}

void asm_to(struct asm_buf *a, uint32_t at, uint32_t to)
{
    uint32_t rel = to - (at + 4);
    if (!a->full)
        memcpy(a->bytes + at, &rel, 4);
}

void asm_here(struct asm_buf *a, uint32_t at)
{
    asm_to(a, at, a->len);
}

void asm_here8(struct asm_buf *a, uint32_t at)
{
    if (!a->full)
        a->bytes[at] = (uint8_t)(a->len - (at + 1));
}

void asm_jmp_to(struct asm_buf *a, uint32_t to)
{
    asm_to(a, asm_jmp(a), to);
}

void asm_jmp_mem(struct asm_buf *a, struct asm_mem m)
{
    asm_op_mem(a, false, 0xff, 4, m);
}

void asm_align_field(struct asm_buf *a, unsigned before)
{
    while (((a->len + before) & 7) > 4)
        asm_8(a, 0x90);
}
