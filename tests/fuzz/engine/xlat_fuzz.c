/*
 * xlat_block() on any bytes: it must not touch memory beyond them, and the host code that it makes
 * must be sound - whole instructions, jumps that lead to one, slow paths that know their site,
 * nothing that could call the host's kernel.
 *
 * Input: offset in the page (2 bytes), translation context, options (OPT_*), the guest's code.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/dbt/x86/stubs.h"
#include "engine/dbt/x86/xlat.h"
#include "isa/isa.h"
#include "isa/x86/cpu.h"
#include "isa/x86/cpuid.h"
#include "isa/x86/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 4, LONGEST = 15, MOV_R11_LEN = 6, LOAD_FLAGS_LEN = 29 };
enum { OPT_LOCKSTEP = 1, OPT_STRICT = 2, OPT_STRADDLES = 4 };

/* What is known of one translation. */
struct made {
    const struct xlat *x;
    struct code_draft d;
    uint8_t start[XLAT_BYTES + 1]; /* an instruction begins there */
};

/* Only our own inconsistency gets here, and a fuzzer wants to see it die. */
static void must(bool condition)
{
    if (!condition)
        abort();
}

static bool has(const uint32_t *list, uint32_t n, uint32_t v)
{
    for (uint32_t i = 0; i < n; i++) {
        if (list[i] == v)
            return true;
    }
    return false;
}

static bool jumps_through(const struct x86_insn *in, size_t hot_field)
{
    return in->iclass == X86_I_JMP && x86_is_mem(in) && in->seg == X86_SEG_GS &&
           in->index == X86_REG_NONE && in->disp == (int64_t)hot_field;
}

/* Does `mov r11d, number` end at `at`, with a number that the cache will write? */
static bool site_before(const struct made *m, uint32_t at)
{
    return m->start[at - MOV_R11_LEN] && has(m->x->site_fix, m->x->nsites, at - 4);
}

/* What jumps to a stub knows its number; flags may be loaded in between. */
static void stub_knows_its_number(const struct made *m, const struct x86_insn *in, uint32_t at)
{
    uint32_t field = at - 4;
    if (jumps_through(in, offsetof(struct dbt_hot, slow)))
        must(site_before(m, at) || site_before(m, at - LOAD_FLAGS_LEN));
    if (jumps_through(in, offsetof(struct dbt_hot, link)))
        must(m->start[at - MOV_R11_LEN] && has(m->x->link_fix, m->x->nlinks, field));
}

/* Guest code may ask for anything; none of it runs as it is but what is harmless. */
static void is_harmless(const struct x86_insn *in)
{
    must(!(in->desc->flags & X86_F_PRIV));
    must(!x86_is_mem(in) || in->seg != X86_SEG_FS);
    switch (in->iclass) {
    case X86_I_CALL:
    case X86_I_CALLF:
    case X86_I_CPUID:
    case X86_I_IN:
    case X86_I_INT:
    case X86_I_INT1:
    case X86_I_INT3:
    case X86_I_JMPF:
    case X86_I_MOV_SEG:
    case X86_I_OUT:
    case X86_I_POP:
    case X86_I_POP_SEG:
    case X86_I_POPF:
    case X86_I_PUSH:
    case X86_I_PUSHF:
    case X86_I_RET:
    case X86_I_RETF:
    case X86_I_STD:
    case X86_I_SYSCALL:
    case X86_I_SYSENTER:
    case X86_I_WRFSBASE:
    case X86_I_WRGSBASE:
    case X86_I_XSETBV:
        must(false);
        break;
    default:
        break;
    }
}

static void decode_all(struct made *m)
{
    struct x86_insn in;
    for (uint32_t at = 0; at < m->d.len; at += in.len) {
        m->start[at] = 1;
        must(x86_decode(&in, m->d.bytes + at, m->d.len - at, X86_MODE_64) == 0);
        is_harmless(&in);
        stub_knows_its_number(m, &in, at);
    }
    m->start[m->d.len] = 1;
}

static void jumps_arrive(const struct made *m)
{
    struct x86_insn in;
    for (uint32_t at = 0; at < m->d.len; at += in.len) {
        if (x86_decode(&in, m->d.bytes + at, m->d.len - at, X86_MODE_64) < 0)
            return;
        if (in.nops == 0 || in.op[0].kind != X86_OP_REL)
            continue;
        uint64_t to = at + in.len + in.imm;
        must(to < m->d.len && m->start[to]);
    }
}

static void sites_are_right(const struct made *m)
{
    for (uint32_t i = 0; i < m->d.nsites; i++) {
        const struct code_site *s = &m->d.sites[i];
        must(s->off < GUEST_PAGE_SIZE && s->len <= LONGEST);
        must(s->access < m->d.len && m->start[s->access]);
        must(s->resume <= m->d.len && m->start[s->resume]);
        uint32_t fix = m->d.site_fix[i]; /* 0: only the host's fault leads there */
        must(fix == 0 || (fix >= 2 && fix + 4 <= m->d.len));
    }
    for (uint32_t i = 0; i < m->d.nlinks; i++) {
        must(m->d.links[i].off >= 0 && m->d.links[i].off < (int)GUEST_PAGE_SIZE);
        must(m->d.links[i].patch + 4 <= m->d.len);
        must((m->d.links[i].patch & 7) <= 4); /* one aligned store can change it */
    }
}

/* A page of its own for the sanitizer to guard. */
static uint8_t *page_of(const uint8_t *code, size_t n, unsigned off)
{
    uint8_t *page = malloc(GUEST_PAGE_SIZE);
    size_t room = GUEST_PAGE_SIZE - off;
    must(page != NULL);
    memset(page, 0x90, GUEST_PAGE_SIZE);
    memcpy(page + off, code, n < room ? n : room);
    return page;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct xlat x;
    static struct made m;
    static struct cpuid_model model;
    static struct x86_cpu cpu = {.model = &model};
    if (size < HEAD)
        return 0;
    if (!model.xcr0_mask)
        cpuid_model_build(&model, 1, 2000000000);
    unsigned off = (data[0] | data[1] << 8) % GUEST_PAGE_SIZE, options = data[3];
    uint8_t *page = page_of(data + HEAD, size - HEAD, off), *more = NULL;
    if (options & OPT_STRADDLES) {
        off = off % LONGEST + GUEST_PAGE_SIZE - LONGEST;
        more = page_of(data + HEAD, size - HEAD, 0);
    }
    memset(&m, 0, sizeof(m));
    m.x = &x;
    x.c = &cpu;
    x.ctx = data[2];
    xlat_load_page(&x, page);
    x.lockstep = options & OPT_LOCKSTEP;
    x.strict = options & OPT_STRICT;
    xlat_block(&x, &m.d, off, more);
    must(!x.a.full && m.d.len <= XLAT_BYTES && CODE_PROLOGUE < m.d.len &&
         m.d.bytes[0] == CODE_ENTRY_OPEN);
    must(x.nsites <= XLAT_SITES && x.nlinks <= XLAT_LINKS && x.ntails <= XLAT_TAILS);
    decode_all(&m);
    jumps_arrive(&m);
    sites_are_right(&m);
    free(page);
    free(more);
    return 0;
}
