/*
 * rvx_block() on any bytes: it must not look beyond them, and what it makes must be sound - whole
 * host instructions, jumps that lead to one, sites and links where an instruction begins, nothing
 * that could call the host's kernel.
 *
 * Input: offset in the page (2 bytes), translation context (2), options (OPT_*), the guest's code.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/dbt/riscv/xlat.h"
#include "isa/x86/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 5, OPT_FLAT = 1, OPT_STRADDLES = 2, OPT_SINGLE = 4 };

struct made {
    const struct rvx *x;
    struct code_draft d;
    uint8_t start[RVX_BYTES + 1]; /* an instruction begins there */
};

/* Only our own inconsistency gets here, and a fuzzer wants to see it die. */
static void must(bool condition)
{
    if (!condition)
        abort();
}

static void decode_all(struct made *m)
{
    uint32_t at = 0;
    while (at < m->d.len) {
        struct x86_insn in;
        m->start[at] = 1;
        must(x86_decode(&in, m->d.bytes + at, m->d.len - at, X86_MODE_64) >= 0);
        must(in.iclass != X86_I_SYSCALL && in.iclass != X86_I_INT && in.iclass != X86_I_RET);
        at += in.len;
    }
    must(at == m->d.len);
    m->start[at] = 1;
}

/* Links' jumps are patched later; all others arrive at an instruction. */
static void jumps_arrive(const struct made *m)
{
    struct x86_insn in;
    for (uint32_t at = 0; at < m->d.len; at += in.len) {
        must(x86_decode(&in, m->d.bytes + at, m->d.len - at, X86_MODE_64) >= 0);
        if (in.iclass != X86_I_JCC && !(in.iclass == X86_I_JMP && in.op[0].kind == X86_OP_REL))
            continue;
        int64_t to = (int64_t)at + in.len + (int64_t)in.imm;
        must(to > 0 && to < (int64_t)m->d.len && m->start[to]);
    }
}

static void sites_are_right(const struct made *m)
{
    for (uint32_t i = 0; i < m->d.nsites; i++) {
        const struct code_site *s = &m->d.sites[i];
        must(s->off < GUEST_PAGE_SIZE && s->len <= RVX_LONGEST);
        must(s->access < m->d.len && m->start[s->access]);
        must(s->resume <= m->d.len && m->start[s->resume]);
        must(m->d.site_fix[i] == 0 || m->start[m->d.site_fix[i] - 2]);
    }
    for (uint32_t i = 0; i < m->d.nlinks; i++) {
        const struct code_link *l = &m->d.links[i];
        must((m->x->ctx & RVX_CTX_FLAT) || (l->off >= 0 && l->off < (int)GUEST_PAGE_SIZE));
        must(l->patch + 4 <= m->d.len && (l->patch & 7) <= 4); /* one aligned store changes it */
        must(m->start[m->d.link_fix[i] - 2]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rvx x;
    static struct made m;
    uint8_t more[RVX_LONGEST] = {0};
    if (size < HEAD)
        return 0;
    unsigned off = (data[0] | data[1] << 8) % GUEST_PAGE_SIZE & ~1u, options = data[4];
    if (options & OPT_STRADDLES)
        off = GUEST_PAGE_SIZE - 2;
    memset(x.page, 0x13, sizeof(x.page));
    memcpy(x.page + off, data + HEAD, MIN(size - HEAD, GUEST_PAGE_SIZE - off));
    memcpy(more, data, HEAD - 1);
    memset(&m, 0, sizeof(m));
    m.x = &x;
    x.page_va = (gva_t)(data[2] | data[3] << 8) << 22;
    x.ctx = (uint32_t)(data[2] | data[3] << 8) & ~(uint32_t)RVX_CTX_FLAT;
    x.ctx |= options & OPT_FLAT ? RVX_CTX_FLAT : 0;
    x.single = options & OPT_SINGLE;
    x.has_fma = true;
    rvx_block(&x, &m.d, off, options & OPT_STRADDLES ? more : NULL);
    must(!x.a.full && m.d.len <= RVX_BYTES && m.d.len > RVX_PROLOGUE &&
         m.d.bytes[0] == CODE_ENTRY_OPEN);
    must(x.nsites <= RVX_SITES && x.nlinks <= RVX_LINKS && x.ntails <= RVX_TAILS);
    decode_all(&m);
    jumps_arrive(&m);
    sites_are_right(&m);
    return 0;
}
