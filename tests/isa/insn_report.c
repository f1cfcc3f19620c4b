#include "insn_report.h"
#include "insn_pardon.h"
#include "insn_vectors.h"

#include <stddef.h>
#include <string.h>

#include "isa/x86/decode.h"
#include "isa/x86/exec_table.h"
#include "isa/x86/regs.h"

enum { PRINT_PER_CLASS = 2, PRINT_IN_ALL = 40 };

static unsigned class_of(const struct insn_code *code)
{
    return code->decoded ? code->insn.iclass : X86_I_INVALID;
}

static const char *class_name(unsigned iclass)
{
    return iclass == X86_I_INVALID ? "UD" : x86_iclass_name(iclass);
}

void report_form(struct report *rep, const struct insn_code *code)
{
    rep->class[class_of(code)].forms++;
}

/* ---- telling ---- */

static const char *const gpr_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

static void print_regs(FILE *f, const struct insn_regs *r)
{
    for (unsigned i = 0; i < 16; i++)
        fprintf(f, "%s%s=%llx", i % 8 ? " " : "\n    ", gpr_names[i],
                (unsigned long long)r->gpr[i]);
    fprintf(f, "\n    rip=%llx rflags=%llx fs_base=%llx gs_base=%llx cs=%x ss=%x ds=%x\n",
            (unsigned long long)r->rip, (unsigned long long)r->rflags,
            (unsigned long long)r->fs_base, (unsigned long long)r->gs_base, r->cs, r->ss, r->ds);
}

void report_case(FILE *f, const struct form *form, const struct insn_batch *b,
                 const struct insn_case *t)
{
    const struct insn_code *code = &b->codes[t->code];
    fprintf(f, "%s, %u-bit:", class_name(class_of(code)), code->mode);
    for (unsigned i = 0; i < code->len; i++)
        fprintf(f, " %02x", code->bytes[i]);
    fprintf(f, "\n    --form %u/%u/%02x/%u/%u --group 0x%llx", form->mode, form->map, form->opcode,
            form->prefix, form->reg, (unsigned long long)t->seed);
    print_regs(f, &t->regs);
    if (t->patch_len) {
        fprintf(f, "    data+%x:", t->patch_off);
        for (unsigned i = 0; i < t->patch_len; i++)
            fprintf(f, " %02x", t->patch[i]);
        fprintf(f, "\n");
    }
}

static void differ(FILE *f, unsigned *n, const char *what, uint64_t host, uint64_t guest)
{
    if (host == guest)
        return;
    ++*n;
    if (f)
        fprintf(f, "    %s: host %llx, guest %llx\n", what, (unsigned long long)host,
                (unsigned long long)guest);
}

static void differ_memory(FILE *f, unsigned *n, const struct insn_end *h, const struct insn_end *g)
{
    if (h->nchanges == g->nchanges && h->hash == g->hash)
        return;
    ++*n;
    for (unsigned i = 0; f && i < CHANGES_MAX; i++) {
        if (i < h->nchanges)
            fprintf(f, "    host  data+%x = %016llx\n", h->change[i].offset,
                    (unsigned long long)h->change[i].value);
        if (i < g->nchanges)
            fprintf(f, "    guest data+%x = %016llx\n", g->change[i].offset,
                    (unsigned long long)g->change[i].value);
    }
}

/* Number of differences; told to `f` unless NULL. */
static unsigned compare(FILE *f, const struct insn_end *h, const struct insn_end *g)
{
    unsigned n = 0;
    differ(f, &n, "vector", h->vector, g->vector);
    differ(f, &n, "error code", h->error, g->error);
    differ(f, &n, "cr2", h->cr2, g->cr2);
    for (unsigned i = 0; i < 16; i++)
        differ(f, &n, gpr_names[i], h->regs.gpr[i], g->regs.gpr[i]);
    differ(f, &n, "rip", h->regs.rip, g->regs.rip);
    differ(f, &n, "rflags", h->regs.rflags, g->regs.rflags);
    differ(f, &n, "fs base", h->regs.fs_base, g->regs.fs_base);
    differ(f, &n, "gs base", h->regs.gs_base, g->regs.gs_base);
    differ(f, &n, "cs", h->regs.cs, g->regs.cs);
    differ(f, &n, "ss", h->regs.ss, g->regs.ss);
    differ(f, &n, "ds", h->regs.ds, g->regs.ds);
    differ(f, &n, "es", h->regs.es, g->regs.es);
    differ(f, &n, "fs", h->regs.fs, g->regs.fs);
    differ(f, &n, "gs", h->regs.gs, g->regs.gs);
    differ_memory(f, &n, h, g);
    return n + vectors_compare(f, h->xs, g->xs);
}

void report_judge(struct report *rep, const struct form *form, const struct insn_batch *b,
                  const struct insn_case *t, const struct insn_end *host,
                  const struct insn_end *guest)
{
    const struct insn_code *code = &b->codes[t->code];
    struct class_count *count = &rep->class[class_of(code)];
    struct insn_end h = *host, g = *guest;
    rep->cases++;
    count->cases++;
    count->faults += h.vector != VEC_BP;
    if (!pardon(code, t->vectors != 0, &h, &g))
        return;
    if (!compare(NULL, &h, &g))
        return;
    count->failures++;
    rep->failures++;
    if (count->failures > PRINT_PER_CLASS || rep->printed == PRINT_IN_ALL)
        return;
    rep->printed++;
    report_case(stdout, form, b, t);
    compare(stdout, &h, &g);
}

void report_summary(const struct report *rep)
{
    unsigned covered = 0;
    uint64_t forms = 0;
    printf("class: forms, cases, of these ended in a fault, failures\n");
    for (unsigned i = 0; i < X86_I_COUNT; i++) {
        const struct class_count *c = &rep->class[i];
        if (!c->cases)
            continue;
        covered++;
        forms += c->forms;
        printf("  %-14s %6u %8u %8u %6u\n", class_name(i), c->forms, c->cases, c->faults,
               c->failures);
    }
    printf("not covered:");
    for (unsigned i = 1; i < X86_I_COUNT; i++) {
        if (!rep->class[i].cases && x86_exec_of(i))
            printf(" %s", class_name(i));
    }
    printf("\n%u classes, %llu forms, %llu cases\n", covered, (unsigned long long)forms,
           (unsigned long long)rep->cases);
}
