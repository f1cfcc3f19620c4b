/*
 * Every vector, x87 and state instruction: run on the host directly and through x86_native_run(),
 * with random states, operands, alignment, faults and exceptions; all of the state is compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "isa/x86/decode.h"
#include "native_gen.h"
#include "native_guest.h"
#include "native_host.h"

enum { REGION = GEN_PAGE * GEN_PAGES, MAX_NAMES = 2048 };

struct tally {
    const char *name;
    unsigned runs, bad, refused, undecoded;
};

struct test {
    struct guest *g;
    uint8_t *mem;
    uint8_t before[REGION], by_host[REGION];
    struct tally tally[MAX_NAMES];
    unsigned names, shown;
    const char *only;
    unsigned repeat; /* states tried per form */
    uint64_t runs, bad, forms, exceptions[32];
};

static struct tally *tally_of(struct test *t, const char *name)
{
    for (unsigned i = 0; i < t->names; i++)
        if (t->tally[i].name == name)
            return &t->tally[i];
    t->tally[t->names].name = name;
    return &t->tally[t->names++];
}

static bool range_differs(const struct host_state *a, const struct host_state *b, unsigned off,
                          unsigned len)
{
    return memcmp(a->xs + off, b->xs + off, len) != 0;
}

/* The first difference between the host's and our result, or NULL. */
static const char *difference(const struct test *t, const struct host_result *h,
                              const struct host_state *o)
{
    static const struct {
        const char *what;
        unsigned off, len;
    } part[] = {{"FCW", 0, 2},     {"FSW", 2, 2},     {"FTW", 4, 1},    {"FOP", 6, 2},
                {"FIP", 8, 8},     {"FDP", 16, 8},    {"MXCSR", 24, 4}, {"ST", 32, 128},
                {"XMM", 160, 256}, {"YMMH", 576, 256}};

    if (h->vector != t->g->vector)
        return "exception";
    for (unsigned i = 0; i < sizeof(part) / sizeof(part[0]); i++)
        if (range_differs(&h->s, o, part[i].off, part[i].len))
            return part[i].what;
    if (memcmp(h->s.gpr, o->gpr, sizeof(o->gpr)))
        return "GPR";
    if ((h->s.rflags ^ o->rflags) & 0x8d5)
        return "flags";
    return NULL;
}

static void dump(const char *who, const struct host_state *s)
{
    printf("  %s: fcw %04x fsw %04x ftw %02x fop %03x fip %llx fdp %llx mxcsr %04x fl %llx\n", who,
           *(uint16_t *)s->xs, *(uint16_t *)(s->xs + 2), s->xs[4], *(uint16_t *)(s->xs + 6),
           *(unsigned long long *)(s->xs + 8), *(unsigned long long *)(s->xs + 16),
           *(uint32_t *)(s->xs + 24), (unsigned long long)s->rflags & 0x8d5);
}

static void dump_vectors(const struct host_state *in, const struct host_state *h,
                         const struct host_state *o)
{
    const struct host_state *all[3] = {in, h, o};
    for (unsigned off = 32; off < HOST_XSAVE; off += 16)
        if ((off < 416 || off >= 576) && memcmp(h->xs + off, o->xs + off, 16))
            for (unsigned k = 0; k < 3; k++)
                printf("  +%u %s %016llx%016llx\n", off,
                       k == 0   ? "in"
                       : k == 1 ? "host"
                                : "ours",
                       *(unsigned long long *)(all[k]->xs + off + 8),
                       *(unsigned long long *)(all[k]->xs + off));
    for (unsigned i = 0; i < 16; i++)
        if (h->gpr[i] != o->gpr[i])
            printf("  gpr%u in %llx host %llx ours %llx\n", i, (unsigned long long)in->gpr[i],
                   (unsigned long long)h->gpr[i], (unsigned long long)o->gpr[i]);
}

/* One instruction tried. */
struct trial {
    const struct gen_insn *gi;
    struct host_state in, ours;
    struct host_result host;
    uint8_t *ea;
};

static void dump_memory(const struct test *t, const struct trial *r)
{
    for (unsigned i = 0; i < REGION; i++)
        if (t->by_host[i] != t->mem[i]) {
            printf("  mem[%d] %02x host %02x ours %02x\n", (int)(i - (r->ea - t->mem)),
                   t->before[i], t->by_host[i], t->mem[i]);
            return;
        }
}

static void report(struct test *t, const struct trial *r, const char *what)
{
    struct tally *y = tally_of(t, r->gi->name);

    t->bad++;
    if (y->bad++ > 2 || t->shown++ > 60)
        return;
    printf("%s: %s differs (host vector %d, ours %d), ea %p:", r->gi->name, what, r->host.vector,
           t->g->vector, (void *)r->ea);
    for (unsigned i = 0; i < r->gi->len; i++)
        printf(" %02x", r->gi->bytes[i]);
    printf("\n");
    dump("in  ", &r->in);
    dump("host", &r->host.s);
    dump("ours", &r->ours);
    dump_vectors(&r->in, &r->host.s, &r->ours);
    dump_memory(t, r);
}

static uint8_t *choose_ea(struct test *t, bool gather)
{
    static const unsigned align[] = {64, 64, 64, 32, 16, 16, 8, 1};
    unsigned a = align[gen_below(8)], off = GEN_PAGE + (unsigned)gen_below(GEN_PAGE);
    if (gen_below(4) == 0 && !gather)
        off = 2 * GEN_PAGE - (unsigned)gen_below(64);
    return t->mem + (off & ~(a - 1));
}

static void set_fault(struct test *t, bool on)
{
    mprotect(t->mem + 2 * GEN_PAGE, GEN_PAGE, on ? PROT_NONE : PROT_READ | PROT_WRITE);
    t->g->bad_page = on ? (uintptr_t)t->mem + 2 * GEN_PAGE : 0;
}

static void run_host(struct test *t, const struct gen_insn *gi, const struct host_state *in,
                     struct host_result *h, bool fault)
{
    memcpy(t->before, t->mem, REGION);
    set_fault(t, fault);
    host_run(gi->bytes, gi->len, in, h);
    set_fault(t, false);
    memcpy(t->by_host, t->mem, REGION);
    memcpy(t->mem, t->before, REGION);
}

static bool run_ours(struct test *t, const struct x86_insn *in, const struct host_state *s,
                     uint64_t rip, bool fault, struct host_state *o)
{
    guest_set(t->g, s);
    t->g->use_tlb = gen_below(2);
    set_fault(t, fault);
    bool ok = guest_run(t->g, in, rip);
    set_fault(t, false);
    guest_get(t->g, o);
    return ok;
}

/* A restore, gather or store that faults may have done a part already. */
static void forgive_partial(struct test *t, struct trial *r, const struct x86_insn *in)
{
    const char *name = r->gi->name;
    struct host_result *h = &r->host;

    if (!strncmp(name, "xrstor", 6) && h->vector >= 0)
        h->s = r->in;
    if (r->gi->index >= 0 && h->vector >= 12 && h->vector <= 14) {
        memcpy(h->s.xs + 160, r->ours.xs + 160, 256);
        memcpy(h->s.xs + 576, r->ours.xs + 576, 256);
    }
    if (h->vector == 14 && (in->op[0].size == 10 || !strncmp(name, "xsave", 5)))
        memcpy(t->by_host, t->mem, REGION);
    /* MXCSR, too. */
    if (!strcmp(name, "vcvtps2ph") && h->vector == 14)
        memcpy(h->s.xs + 24, r->ours.xs + 24, 4);
}

/* Where the manual leaves a choice, or we have taken one: make the host's result ours. */
static void forgive(struct test *t, struct trial *r, const struct x86_insn *in)
{
    struct host_result *h = &r->host;
    uint32_t *mx = (uint32_t *)(h->s.xs + 24), *ours = (uint32_t *)(r->ours.xs + 24);

    forgive_partial(t, r, in);
    /* The host has more components. */
    if (!strcmp(r->gi->name, "xgetbv") && h->vector < 0)
        h->s.gpr[0] &= 7;
    if (h->vector == 12) /* the segment is not known to the fake memory */
        h->vector = 13;
    /* See call_unmasked(). */
    if (h->vector == 19 && strstr(r->gi->name, "dpp"))
        *mx = *ours;
    if (h->vector == 19 && (*mx & 0x18) && (*ours & 0x20))
        *mx |= 0x20;
}

/* Pages of disabled bytes may fault; here they do not. */
static bool incomparable(const struct test *t, const struct trial *r)
{
    return strstr(r->gi->name, "maskmov") && r->host.vector == 14 && t->g->vector < 0;
}

/* After the fault has been dealt with, going on must give what no fault would have given. */
static const char *resume_gather(struct test *t, struct trial *r, const struct x86_insn *in,
                                 uint64_t rip)
{
    struct host_state half = r->ours;

    run_host(t, r->gi, &r->in, &r->host, false);
    run_ours(t, in, &half, rip, false, &r->ours);
    return r->host.vector < 0 ? difference(t, &r->host, &r->ours) : NULL;
}

static const char *compare(struct test *t, struct trial *r, const struct x86_insn *in)
{
    forgive(t, r, in);
    const char *what = difference(t, &r->host, &r->ours);
    if (!what && memcmp(t->by_host, t->mem, REGION))
        what = "memory";
    return what;
}

static void try_insn(struct test *t, const struct gen_insn *gi, const struct x86_insn *in)
{
    uint64_t rip = host_insn_address(gi->len);
    struct tally *y = tally_of(t, gi->name);
    struct trial r = {.gi = gi, .ea = choose_ea(t, gi->index >= 0)};
    bool fault = gen_below(12) == 0;
    const char *what = NULL;

    gen_state(&r.in, gi, r.ea);
    run_host(t, gi, &r.in, &r.host, fault);
    if (!run_ours(t, in, &r.in, rip, fault, &r.ours)) {
        y->refused += r.host.vector != 6;
        goto out;
    }
    y->runs++;
    t->runs++;
    t->exceptions[r.host.vector & 31]++;
    if (!incomparable(t, &r))
        what = compare(t, &r, in);
    if (!what && gi->index >= 0 && fault && r.host.vector == 14)
        what = resume_gather(t, &r, in, rip);
    if (what)
        report(t, &r, what);
out:
    memcpy(t->mem, t->before, REGION);
}

static void try_once(struct test *t, const struct gen_form *f)
{
    struct gen_insn gi;
    struct x86_insn in;

    if (!gen_encode(f, &gi) || (t->only && strcmp(t->only, gi.name)))
        return;
    t->forms++;
    if (x86_decode(&in, gi.bytes, gi.len, X86_MODE_64))
        tally_of(t, gi.name)->undecoded++;
    else
        try_insn(t, &gi, &in);
}

static void try_form(void *opaque, const struct gen_form *f)
{
    struct test *t = opaque;
    uint64_t before = t->forms;

    try_once(t, f);
    for (unsigned i = 1; i < t->repeat && t->forms != before; i++)
        try_once(t, f);
}

/* Integer and ordering instructions of the vector extensions: executed elsewhere. */
static bool integer(const char *name)
{
    return !strncmp(name, "prefetch", 8) || strstr(name, "fence") || !strcmp(name, "popcnt") ||
           !strcmp(name, "movnti") || !strcmp(name, "crc32");
}

static bool passed(const struct test *t)
{
    for (unsigned i = 0; i < t->names; i++)
        if (t->tally[i].undecoded || (t->tally[i].refused && !integer(t->tally[i].name)))
            return false;
    return !t->bad;
}

static void summary(const struct test *t)
{
    unsigned names = 0;

    printf("refused:");
    for (unsigned i = 0; i < t->names; i++)
        if (t->tally[i].refused)
            printf(" %s", t->tally[i].name);
    printf("\nnot decoded:");
    for (unsigned i = 0; i < t->names; i++)
        if (t->tally[i].undecoded)
            printf(" %s(%u)", t->tally[i].name, t->tally[i].undecoded);
    printf("\nwrong:");
    for (unsigned i = 0; i < t->names; i++) {
        names += t->tally[i].runs != 0;
        if (t->tally[i].bad)
            printf(" %s(%u/%u)", t->tally[i].name, t->tally[i].bad, t->tally[i].runs);
    }
    printf("\n%u mnemonics, %llu forms tried, %llu runs, %llu wrong; exceptions:", names,
           (unsigned long long)t->forms, (unsigned long long)t->runs, (unsigned long long)t->bad);
    for (unsigned i = 0; i < 31; i++)
        if (t->exceptions[i])
            printf(" #%u %llu", i, (unsigned long long)t->exceptions[i]);
    printf("\n");
}

/* native_test [STATES-PER-FORM [SEED [MNEMONIC]]] */
int main(int argc, char **argv)
{
    struct test *t = calloc(1, sizeof(*t));

    if (!t)
        return 1;
    if (!__builtin_cpu_supports("avx")) {
        puts("the host has no AVX state to compare");
        return 77;
    }
    t->repeat = argc > 1 ? (unsigned)atoi(argv[1]) : 2;
    gen_seed(argc > 2 ? (uint64_t)atoll(argv[2]) : 1);
    t->only = argc > 3 ? argv[3] : NULL;
    host_init();
    t->g = guest_create();
    t->mem = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    t->g->mem = (uintptr_t)t->mem;
    t->g->mem_size = REGION;
    gen_walk(try_form, t);
    summary(t);
    bool ok = passed(t);
    guest_destroy(t->g);
    munmap(t->mem, REGION);
    free(t);
    return !ok;
}
