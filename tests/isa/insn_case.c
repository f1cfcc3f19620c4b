#include "insn_case.h"

#include <string.h>

void insn_memory_prepare(const struct insn_batch *b, const struct insn_case *t, uint8_t *data)
{
    (void)b;
    memcpy(data + t->patch_off, t->patch, t->patch_len);
}

static uint64_t quad(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* What stood in the quadword at `off` when the case began. */
static uint64_t initial(const struct insn_batch *b, const struct insn_case *t, uint32_t off)
{
    uint8_t bytes[8];
    memcpy(bytes, b->pristine + off, 8);
    for (uint32_t i = 0; i < 8; i++) {
        if (off + i >= t->patch_off && off + i < (uint32_t)t->patch_off + t->patch_len)
            bytes[i] = t->patch[off + i - t->patch_off];
    }
    return quad(bytes);
}

static void note(struct insn_end *end, uint32_t off, uint64_t v)
{
    if (end->nchanges < CHANGES_MAX)
        end->change[end->nchanges] = (struct insn_change){off, v};
    end->nchanges++;
    end->hash = (end->hash ^ v ^ off) * UINT64_C(0x100000001b3);
}

void insn_memory_collect(const struct insn_batch *b, const struct insn_case *t, uint8_t *data,
                         struct insn_end *end)
{
    for (uint32_t block = 0; block < DATA_RW_PAGES * PAGE; block += 256) {
        if (!memcmp(data + block, b->pristine + block, 256))
            continue;
        for (uint32_t off = block; off < block + 256; off += 8) {
            uint64_t v = quad(data + off);
            if (v != initial(b, t, off))
                note(end, off, v);
        }
        memcpy(data + block, b->pristine + block, 256);
    }
}

void insn_code_place(uint8_t *area, const struct insn_code *code)
{
    unsigned room = CODE_SIZE - code->offset;
    memset(area, 0xcc, CODE_SIZE);
    memcpy(area + code->offset, code->bytes, code->len < room ? code->len : room);
}

bool insn_vector_has_error(unsigned vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}
