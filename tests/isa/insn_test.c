/*
 * Each user-mode integer instruction form (with --vectors 1: vector and x87 forms), run natively in
 * a child process and by an engine in a small machine, with the same random registers,
 * flags and memory: everything that a program or its kernel can see afterwards must be equal.
 *
 * insn_test [--engine interp|dbt] [--seconds N | --passes N] [--seed N] [--class NAME]
 *           [--mode 64|32] [--vectors 1]
 * insn_test --form MODE/MAP/OPCODE/PREFIX/REG --group SEED        (what a failure prints)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/engine.h"
#include "insn_forms.h"
#include "insn_guest.h"
#include "insn_host.h"
#include "insn_pardon.h"
#include "insn_report.h"
#include "insn_state.h"
#include "isa/x86/decode.h"

enum { CASES_PER_CODE = 6, PRISTINE_SEED = 7, SKIPPED = 77 };

struct options {
    const struct engine_ops *engine;
    double seconds;
    unsigned passes;
    uint64_t seed;
    const char *class;
    unsigned mode;
    bool vectors;
    bool single;
    struct form form;
    uint64_t group;
};

struct test {
    struct options opt;
    struct insn_host host;
    struct insn_guest *guest;
    struct insn_batch *batch;
    struct form forms[BATCH_CODES]; /* of the batch's codes */
    struct report report;
};

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static int flush(struct test *t)
{
    struct insn_batch *b = t->batch;
    if (b->ncases == 0)
        return 0;
    if (insn_host_run(&t->host) < 0) {
        const struct insn_case *at = &b->cases[t->host.shared->at];
        fprintf(stderr, "the host process died or hangs\n");
        report_case(stderr, &t->forms[at->code], b, at);
        return -1;
    }
    insn_guest_begin(t->guest, b);
    for (uint32_t i = 0; i < b->ncases; i++) {
        struct insn_end end;
        insn_guest_run(t->guest, b, i, &end);
        if (t->opt.engine == &engine_dbt)
            pardon_translation(&b->codes[b->cases[i].code], &t->host.shared->end[i], &end);
        report_judge(&t->report, &t->forms[b->cases[i].code], b, &b->cases[i],
                     &t->host.shared->end[i], &end);
    }
    b->ncodes = b->ncases = 0;
    return 0;
}

/* Everything about a group follows from its seed and form. */
static int run_form(struct test *t, const struct form *f, uint64_t group)
{
    struct rng r = {group};
    struct insn_batch *b = t->batch;
    struct insn_code *code = &b->codes[b->ncodes];
    enum form_kind kind = form_complete(f, &r, t->opt.vectors, code);
    if (kind == FORM_SKIP)
        return 0;
    if (kind == FORM_EXECUTES && t->opt.class &&
        strcmp(t->opt.class, x86_iclass_name(code->insn.iclass)))
        return 0;
    if (kind == FORM_UNDEFINED && t->opt.class && strcmp(t->opt.class, "UD"))
        return 0;
    if (kind == FORM_EXECUTES && !insn_guest_offers(t->guest, &code->insn))
        return 0;
    state_place(&r, code);
    report_form(&t->report, code);
    unsigned n = kind == FORM_EXECUTES ? CASES_PER_CODE : 1;
    t->forms[b->ncodes] = *f;
    for (unsigned i = 0; i < n; i++) {
        struct insn_case *c = &b->cases[b->ncases++];
        state_make(&r, code, c);
        c->code = b->ncodes;
        c->seed = group;
        c->vectors = t->opt.vectors ? rng_next(&r) | 1 : 0;
    }
    b->ncodes++;
    if (b->ncodes == BATCH_CODES || b->ncases + CASES_PER_CODE > BATCH_CASES)
        return flush(t);
    return 0;
}

static uint64_t group_seed(const struct test *t, unsigned pass, const struct form *f)
{
    struct rng r = {t->opt.seed * 1000003 + pass};
    uint64_t id = (uint64_t)f->mode << 32 | (uint64_t)f->map << 24 | (uint64_t)f->opcode << 16 |
                  (uint64_t)f->prefix << 8 | f->reg;
    r.state ^= rng_next(&r) ^ id * UINT64_C(0x100000001b3);
    return rng_next(&r);
}

static int run_pass(struct test *t, unsigned pass)
{
    static const unsigned modes[] = {64, 32};
    for (unsigned m = 0; m < 2; m++) {
        struct form f;
        if (t->opt.mode && t->opt.mode != modes[m])
            continue;
        form_first(&f, modes[m]);
        do {
            if (run_form(t, &f, group_seed(t, pass, &f)) < 0)
                return -1;
        } while (form_next(&f));
    }
    return flush(t);
}

static int run_all(struct test *t)
{
    if (t->opt.single)
        return run_form(t, &t->opt.form, t->opt.group) < 0 ? -1 : flush(t);
    double until = cpu_seconds() + t->opt.seconds;
    for (unsigned pass = 0; pass < t->opt.passes || cpu_seconds() < until; pass++) {
        if (run_pass(t, pass) < 0)
            return -1;
    }
    return 0;
}

static bool parse_form(const char *s, struct form *f)
{
    unsigned v[5];
    if (sscanf(s, "%u/%u/%x/%u/%u", &v[0], &v[1], &v[2], &v[3], &v[4]) != 5)
        return false;
    *f = (struct form){.mode = (uint8_t)v[0],
                       .map = (uint8_t)v[1],
                       .opcode = (uint8_t)v[2],
                       .prefix = (uint8_t)v[3],
                       .reg = (uint8_t)v[4]};
    return true;
}

static bool parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){.engine = &engine_interp, .passes = 1, .seed = 1};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *key = argv[i], *v = argv[i + 1];
        if (!strcmp(key, "--engine"))
            o->engine = strcmp(v, "dbt") ? &engine_interp : &engine_dbt;
        else if (!strcmp(key, "--seconds"))
            o->seconds = atof(v);
        else if (!strcmp(key, "--passes"))
            o->passes = (unsigned)atoi(v);
        else if (!strcmp(key, "--seed"))
            o->seed = strtoull(v, NULL, 0);
        else if (!strcmp(key, "--class"))
            o->class = v;
        else if (!strcmp(key, "--mode"))
            o->mode = (unsigned)atoi(v);
        else if (!strcmp(key, "--vectors"))
            o->vectors = atoi(v) != 0;
        else if (!strcmp(key, "--group"))
            o->group = strtoull(v, NULL, 0);
        else if (!strcmp(key, "--form"))
            o->single = parse_form(v, &o->form);
        else
            return false;
    }
    return argc % 2 == 1;
}

int main(int argc, char **argv)
{
    static struct test t;
    struct rng r = {PRISTINE_SEED};
    struct error err = {0};
    if (!parse(&t.opt, argc, argv)) {
        fprintf(stderr,
                "usage: insn_test [--engine interp|dbt] [--seconds N] [--passes N] [--seed N]"
                " [--class NAME] [--mode 64|32] [--vectors 1] [--form F --group SEED]\n");
        return 2;
    }
    if (t.opt.engine->probe(&err) < 0) {
        printf("skipped: %s\n", err.text);
        return SKIPPED;
    }
    if (insn_host_start(&t.host) < 0 || !(t.guest = insn_guest_create(t.opt.engine)))
        return 1;
    t.batch = &t.host.shared->batch;
    state_pristine(&r, t.batch->pristine);
    int r2 = run_all(&t);
    report_summary(&t.report);
    insn_host_stop(&t.host);
    insn_guest_destroy(t.guest);
    return r2 < 0 || t.report.failures;
}
