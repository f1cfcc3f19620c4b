/*
 * What the translator makes of some guest code, as assembly:
 *
 *     xlat_dump [--user] [--offset N] BYTE...        xlat_dump 8b 47 08 01 c3 75 f9
 *
 * BYTEs are hexadecimal and stand at N (default 0x100) in a page of RETs. Each guest instruction is
 * followed by its host code; behind the block come the tails, taken rarely.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "engine/dbt/x86/xlat.h"

enum { DEFAULT_OFFSET = 0x100, TSC_HZ = 1000000000, RET = 0xc3 };

struct dump {
    uint8_t page[GUEST_PAGE_SIZE];
    unsigned off;
    struct x86_cpu cpu;
    struct xlat xlat;
    struct code_draft draft;
    ZydisDecoder decoder;
    ZydisFormatter formatter;
};

static void usage(void)
{
    fputs("usage: xlat_dump [--user] [--offset N] BYTE...\n", stderr);
    exit(2);
}

static void parse(struct dump *d, int argc, char **argv)
{
    unsigned at = 0;
    memset(d->page, RET, sizeof(d->page));
    d->off = DEFAULT_OFFSET;
    d->xlat.ctx = CTX_X87 | CTX_SSE | CTX_AVX | CTX_MXCSR;
    for (int i = 1; i < argc; i++) {
        char *end;
        if (strcmp(argv[i], "--user") == 0) {
            d->xlat.ctx |= CTX_USER;
        } else if (strcmp(argv[i], "--offset") == 0 && i + 1 < argc) {
            d->off = (unsigned)strtoul(argv[++i], NULL, 0) % GUEST_PAGE_SIZE;
        } else {
            unsigned long v = strtoul(argv[i], &end, 16);
            if (*end || v > 0xff || d->off + at >= GUEST_PAGE_SIZE)
                usage();
            d->page[d->off + at++] = (uint8_t)v;
        }
    }
    if (!at)
        usage();
}

/* One instruction, at `address` in some view; its length. */
static unsigned print_insn(const struct dump *d, const char *indent, const uint8_t *bytes,
                           size_t len, uint64_t address)
{
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    char text[128];
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d->decoder, bytes, len, &in, op))) {
        printf("%s%04llx  ?\n", indent, (unsigned long long)address);
        return 1;
    }
    ZydisFormatterFormatInstruction(&d->formatter, &in, op, in.operand_count_visible, text,
                                    sizeof(text), address, NULL);
    printf("%s%04llx  %s\n", indent, (unsigned long long)address, text);
    return in.length;
}

static void print_host(const struct dump *d, uint32_t from, uint32_t to)
{
    while (from < to)
        from += print_insn(d, "        ", d->xlat.bytes + from, to - from, from);
}

/* Where the tails start: behind the last instruction's code. */
static uint32_t first_tail(const struct dump *d)
{
    uint32_t first = d->draft.len;
    for (uint32_t i = 0; i < d->xlat.ntails; i++) {
        const struct xlat_tail *t = &d->xlat.tails[i];
        uint32_t rel;
        memcpy(&rel, d->xlat.bytes + t->from, 4);
        uint32_t at = t->from + 4 + rel;
        first = at > t->from && at < first ? at : first;
    }
    return first;
}

static void print_block(const struct dump *d)
{
    const struct xlat *x = &d->xlat;
    uint32_t tails = first_tail(d);
    puts("entry");
    print_host(d, 0, x->n ? x->insns[0].label : tails);
    for (unsigned i = 0; i < x->n; i++) {
        const struct xlat_insn *xi = &x->insns[i];
        print_insn(d, "", xi->raw, xi->in.len, xi->off);
        print_host(d, xi->label, i + 1 < x->n ? x->insns[i + 1].label : tails);
    }
    puts("tails");
    print_host(d, tails, d->draft.len);
}

int main(int argc, char **argv)
{
    struct dump *d = calloc(1, sizeof(*d));
    struct cpuid_model model;
    if (!d)
        return 1;
    parse(d, argc, argv);
    cpuid_model_build(&model, 1, TSC_HZ);
    d->cpu.model = &model;
    d->xlat.c = &d->cpu;
    xlat_load_page(&d->xlat, d->page);
    ZydisDecoderInit(&d->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisFormatterInit(&d->formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    ZydisFormatterSetProperty(&d->formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE,
                              ZYDIS_PADDING_DISABLED);
    ZydisFormatterSetProperty(&d->formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
    xlat_block(&d->xlat, &d->draft, d->off, NULL);
    print_block(d);
    free(d);
    return 0;
}
