/*
 * Random programs of a process VM, once by the interpreter's functions, one instruction after
 * another, and once translated: registers, flags and memory must agree at the end.
 *
 *     riscv_lockstep_flat [--seed N] [--programs N] [--size N] [--print 1]
 *
 * A failing program is told by its seed; run it alone with --seed N --programs 1 --print 1.
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "engine/flat.h"
#include "isa/riscv/disasm.h"
#include "isa/riscv/fp_state.h"
#include "isa/riscv/op.h"
#include "isa/riscv/trap.h"
#include "random_code.h"

#define ARENA (UINT64_C(1) << 38)
enum { CODE = 0x10000, CODE_SIZE = 0x4000, DATA = 0x20000, DATA_SIZE = 0x3000 };
enum { DATA_AT = DATA + 0x1000, STACK_AT = DATA + 0x2000, MSTATUS_FS_DIRTY = 3 << 13 };

struct bench {
    struct flat_space space;
    uint8_t *base;
    uint8_t before[DATA_SIZE], after[DATA_SIZE];
    struct riscv_cpu start, ref, dbt;
};

static _Thread_local struct riscv_cpu *running;

static bool executable(void *opaque, gva_t va)
{
    (void)opaque;
    return va >= CODE && va < CODE + CODE_SIZE;
}

static void on_fault(int signo, siginfo_t *info, void *uc)
{
    struct flat_space *s = running->env.platform;
    uint64_t va = (uintptr_t)info->si_addr - s->base;
    if (!running->vcpu) { /* the reference */
        riscv_fp_recover(running, ((ucontext_t *)uc)->uc_mcontext.fpregs->mxcsr);
        riscv_raise(running, RISCV_EXC_LOAD_PAGE, va);
    }
    if (!flat_dbt_riscv.host_fault(running, RISCV_EXC_LOAD_PAGE, va, uc))
        signal(signo, SIG_DFL);
}

static void set_signals(void)
{
    static uint8_t stack[64 << 10];
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction sa = {.sa_sigaction = on_fault,
                           .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    sigaltstack(&ss, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
}

static void no_fence(struct riscv_cpu *c)
{
    (void)c;
}

/* The reference: until something is raised. */
static void interpret(struct riscv_cpu *c)
{
    static const struct riscv_mem_slow slow = {.fence_i = no_fence};
    c->slow = &slow;
    if (setjmp(c->unwind)) {
        riscv_fp_leave(c);
        return;
    }
    for (;;) {
        struct riscv_insn in;
        struct riscv_op op[2];
        uint32_t bits;
        memcpy(&bits, (void *)(c->flat_base + c->pc), sizeof(bits));
        (void)riscv_decode(&in, bits);
        unsigned off = c->pc & (GUEST_PAGE_SIZE - 1);
        c->code_base = c->pc - off;
        riscv_lower(&op[0], &in, off);
        riscv_lower_end(&op[1], off + in.len);
        c->op = op;
        op[0].fn(c, op);
    }
}

static void random_start(struct bench *b, struct random_code *r, gva_t pc)
{
    struct riscv_cpu *c = &b->start;
    memset(c, 0, sizeof(*c));
    for (unsigned i = 1; i < 32; i++)
        c->x[i] = random_value(r);
    for (unsigned i = 0; i < 32; i++)
        c->f[i] = random_value(r);
    c->x[2] = STACK_AT;
    c->x[9] = DATA_AT;
    c->frm = random_next(r) % 8 < 6 ? 0 : random_next(r) % 5;
    c->mstatus = MSTATUS_FS_DIRTY;
    c->pc = pc;
    c->flat_base = b->space.base;
    c->flat_size = b->space.size;
    c->reserved_addr = RISCV_NO_RESERVATION;
    c->env.platform = &b->space;
    for (unsigned i = 0; i < DATA_SIZE; i += 8) {
        uint64_t v = random_value(r);
        memcpy(b->before + i, &v, 8);
    }
}

static bool differ(const char *what, unsigned i, uint64_t want, uint64_t got)
{
    if (want == got)
        return false;
    printf("%s%u: interpreted %016" PRIx64 ", translated %016" PRIx64 "\n", what, i, want, got);
    return true;
}

static bool compare(struct bench *b)
{
    const struct riscv_cpu *w = &b->ref, *g = &b->dbt;
    bool bad = false;
    for (unsigned i = 0; i < 32; i++)
        bad |= differ("x", i, w->x[i], g->x[i]) | differ("f", i, w->f[i], g->f[i]);
    bad |= differ("pc", 0, w->pc, g->pc) | differ("cause", 0, w->exc_cause, g->exc_cause);
    bad |= differ("tval", 0, w->exc_tval, g->exc_tval);
    bad |= differ("fflags", 0, w->fflags, g->fflags) | differ("frm", 0, w->frm, g->frm);
    for (unsigned i = 0; i < DATA_SIZE; i++)
        bad |= differ("memory ", i, b->after[i], b->base[DATA + i]);
    return bad;
}

static void print_program(const struct random_code *r)
{
    for (unsigned i = 0; i < r->n;) {
        struct riscv_insn in;
        char text[80];
        (void)riscv_decode(&in, r->code[i] | (uint32_t)r->code[i + 1] << 16);
        riscv_disasm(text, sizeof(text), &in, CODE + 2 * i);
        printf("%6x: %08x  %s\n", 2 * i, in.raw, text);
        i += in.len / 2;
    }
}

static bool run_one(struct bench *b, uint64_t seed, unsigned size, bool print)
{
    struct error err;
    struct random_code r = {.seed = seed, .max = size};
    gva_t pc = CODE + 2 * (random_next(&r) % 0x800);
    r.code = (uint16_t *)(b->base + pc);
    random_program(&r);
    random_start(b, &r, pc);
    if (print)
        print_program(&r);
    b->ref = b->dbt = b->start;
    memcpy(b->base + DATA, b->before, DATA_SIZE);
    running = &b->ref;
    interpret(&b->ref);
    memcpy(b->after, b->base + DATA, DATA_SIZE);
    memcpy(b->base + DATA, b->before, DATA_SIZE);
    if (flat_dbt_riscv.hart_init(&b->space, &b->dbt, &err) < 0) {
        printf("%s\n", err.text);
        return false;
    }
    running = &b->dbt;
    flat_dbt_riscv.drop_code(&b->dbt, CODE, CODE + CODE_SIZE);
    enum flat_exit exit = flat_dbt_riscv.run(&b->dbt);
    flat_dbt_riscv.hart_destroy(&b->dbt);
    bool bad = compare(b) | differ("exit", 0, FLAT_EXCEPTION, exit);
    if (bad)
        printf("seed %" PRIu64 ": %u halfwords at %" PRIx64 "\n", seed, r.n, pc);
    return !bad;
}

static uint64_t option(int argc, char **argv, const char *name, uint64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], name) == 0)
            return strtoull(argv[i + 1], NULL, 0);
    }
    return otherwise;
}

static int prepare(struct bench *b)
{
    struct error err;
    void *p = mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED || mprotect((char *)p + CODE, CODE_SIZE, PROT_READ | PROT_WRITE) < 0 ||
        mprotect((char *)p + DATA, DATA_SIZE, PROT_READ | PROT_WRITE) < 0)
        return -errno;
    b->base = p;
    b->space = (struct flat_space){
        .base = (hva_t)p, .size = ARENA, .code_cache = 4 << 20, .executable = executable};
    int rc = flat_dbt_riscv.init(&b->space, &err);
    if (rc == -ENOTSUP) {
        printf("%s\n", err.text);
        exit(77);
    }
    return rc;
}

int main(int argc, char **argv)
{
    static struct bench b;
    uint64_t seed = option(argc, argv, "--seed", 1);
    uint64_t programs = option(argc, argv, "--programs", 2000);
    unsigned size = (unsigned)option(argc, argv, "--size", 300);
    unsigned failures = 0;
    if (prepare(&b) < 0)
        return EXIT_FAILURE;
    set_signals();
    for (uint64_t i = 0; i < programs && failures < 5; i++)
        failures += !run_one(&b, seed + i, size, option(argc, argv, "--print", 0));
    flat_dbt_riscv.destroy(&b.space);
    printf("%u failures\n", failures);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
