/*
 * The first thread's stack, as a program finds it: argument count, arguments, environment,
 * auxiliary vector, and above them what those point at [RISC-V ELF psABI; gABI 5, Process
 * Initialization].
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "process/linux/load.h"

enum { AUXV_MAX = 24 };
#define STACK_MIN (UINT64_C(1) << 20)
#define STACK_MAX (UINT64_C(1) << 30)
/* I, M, A, F, D, C: one bit for each letter. */
#define HWCAP                                                                                      \
    (1 << ('I' - 'A') | 1 << ('M' - 'A') | 1 << ('A' - 'A') | 1 << ('F' - 'A') |                   \
     1 << ('D' - 'A') | 1 << ('C' - 'A'))

struct stack {
    struct arena *arena;
    gva_t sp;
    bool full;
    uint64_t auxv[AUXV_MAX][2];
    unsigned nauxv;
};

int load_map_stack(struct process *p, struct error *err)
{
    struct rlimit limit;
    uint64_t size = STACK_MAX;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < size)
        size = limit.rlim_cur & GUEST_PAGE_MASK;
    size = MAX(size, STACK_MIN);
    p->stack.end = p->trampoline - GUEST_PAGE_SIZE;
    p->stack.start = p->stack.end - size;
    p->arena.mmap_top = p->stack.start - STACK_MIN; /* so that an overflow hits nothing */
    struct arena_source src = {.fd = -1, .flags = MAP_PRIVATE | MAP_NORESERVE | MAP_STACK};
    struct area area = {p->stack.start, p->stack.end, PROT_READ | PROT_WRITE, 0};
    int r = arena_map(&p->arena, area, src);
    return r < 0 ? error_set(err, -r, "cannot map a stack: %s", strerror(-r)) : 0;
}

static gva_t push(struct stack *s, const void *data, size_t len)
{
    if (len > s->sp || guest_write(s->arena, s->sp - len, data, len) < 0) {
        s->full = true;
        return 0;
    }
    s->sp -= len;
    return s->sp;
}

static gva_t push_string(struct stack *s, const char *text)
{
    return push(s, text, strlen(text) + 1);
}

static size_t count(char *const *strings)
{
    size_t n = 0;
    while (strings[n])
        n++;
    return n;
}

/* From the last to the first, so that they lie in order. */
static void push_strings(struct stack *s, char *const *strings, gva_t *at)
{
    for (size_t i = count(strings); i-- > 0;)
        at[i] = push_string(s, strings[i]);
}

static void aux(struct stack *s, uint64_t type, uint64_t value)
{
    s->auxv[s->nauxv][0] = type;
    s->auxv[s->nauxv++][1] = value;
}

static void fill_auxv(struct stack *s, const struct loaded *l, gva_t random, gva_t execfn)
{
    aux(s, AT_PHDR, l->phdr);
    aux(s, AT_PHENT, sizeof(Elf64_Phdr));
    aux(s, AT_PHNUM, l->phnum);
    aux(s, AT_PAGESZ, GUEST_PAGE_SIZE);
    aux(s, AT_BASE, l->interp);
    aux(s, AT_FLAGS, 0);
    aux(s, AT_ENTRY, l->entry);
    aux(s, AT_UID, getuid());
    aux(s, AT_EUID, geteuid());
    aux(s, AT_GID, getgid());
    aux(s, AT_EGID, getegid());
    aux(s, AT_HWCAP, HWCAP);
    aux(s, AT_HWCAP2, 0);
    aux(s, AT_CLKTCK, (uint64_t)sysconf(_SC_CLK_TCK));
    aux(s, AT_RANDOM, random);
    aux(s, AT_SECURE, getauxval(AT_SECURE));
    aux(s, AT_EXECFN, execfn);
    aux(s, AT_NULL, 0);
}

/* argc, argv, NULL, envp, NULL, auxv: at an address that is a multiple of 16. */
static void push_vectors(struct process *p, struct stack *s, const gva_t *args, size_t nargs,
                         size_t nenv)
{
    const uint64_t zero = 0;
    uint64_t argc = nargs;
    size_t words = 1 + nargs + 1 + nenv + 1 + 2 * s->nauxv;
    s->sp = ((s->sp - 8 * words) & ~UINT64_C(15)) + 8 * words;
    p->auxv.end = s->sp;
    p->auxv.start = push(s, s->auxv, sizeof(s->auxv[0]) * s->nauxv);
    push(s, &zero, 8);
    push(s, args + nargs, 8 * nenv);
    push(s, &zero, 8);
    push(s, args, 8 * nargs);
    p->stack_top = push(s, &argc, 8);
}

static int fill(struct process *p, const struct loaded *l, gva_t *at, struct error *err)
{
    const struct process_options *o = p->options;
    struct stack s = {.arena = &p->arena, .sp = p->stack.end};
    uint8_t random[16];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return error_set(err, EIO, "no random numbers for the program");
    size_t nargs = count(o->argv), nenv = count(o->environ);
    gva_t execfn = push_string(&s, o->program);
    push_strings(&s, o->environ, at + nargs);
    p->args.end = s.sp;
    push_strings(&s, o->argv, at);
    p->args.start = s.sp;
    fill_auxv(&s, l, push(&s, random, sizeof(random)), execfn);
    push_vectors(p, &s, at, nargs, nenv);
    return s.full ? error_set(err, E2BIG, "arguments and environment do not fit on the stack") : 0;
}

int load_stack(struct process *p, const struct loaded *l, struct error *err)
{
    size_t n = count(p->options->argv) + count(p->options->environ);
    gva_t *at = calloc(n + 1, sizeof(*at));
    if (!at)
        return error_set(err, ENOMEM, "no memory");
    int r = fill(p, l, at, err);
    free(at);
    return r;
}
