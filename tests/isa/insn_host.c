/*
 * The child process never returns to normal code between cases: each case ends in a signal, and the
 * handler stores what the signal frame says, writes the next case's registers into the frame and
 * returns into it. So the kernel's IRET enters the tested instruction, with any flags (TF too) and
 * either code segment.
 */
#include "insn_host.h"
#include "insn_vectors.h"

#include <asm/prctl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* uc_flags [linux/arch/x86/include/uapi/asm/ucontext.h]: the frame holds SS, and it counts. */
enum { UC_SS = 2, UC_STRICT_SS = 4 };
enum { HWCAP2_FSGSBASE = 2, HANG_MS = 30000 };

static struct insn_shared *shared;
static uint8_t *code_alias, *data_alias;
static uint64_t own_fs, own_gs;
static bool running;
static greg_t home[NGREG]; /* where the chain of signals began */

static const uint8_t order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};

#define NO_TLS __attribute__((no_stack_protector))

static NO_TLS uint64_t read_fs(void)
{
    uint64_t v;
    __asm__ volatile("rdfsbase %0" : "=r"(v));
    return v;
}

static NO_TLS uint64_t read_gs(void)
{
    uint64_t v;
    __asm__ volatile("rdgsbase %0" : "=r"(v));
    return v;
}

static NO_TLS void set_selectors(const struct insn_regs *r)
{
    __asm__ volatile("mov %w0, %%ds\n\tmov %w1, %%es\n\tmov %w2, %%fs\n\tmov %w3, %%gs"
                     :
                     : "r"(r->ds), "r"(r->es), "r"(r->fs), "r"(r->gs));
}

static NO_TLS void set_bases(uint64_t fs, uint64_t gs)
{
    __asm__ volatile("wrfsbase %0\n\twrgsbase %1" : : "r"(fs), "r"(gs));
}

static NO_TLS void get_selectors(struct insn_regs *r)
{
    __asm__ volatile("mov %%ds, %0\n\tmov %%es, %1\n\tmov %%fs, %2\n\tmov %%gs, %3"
                     : "=m"(r->ds), "=m"(r->es), "=m"(r->fs), "=m"(r->gs));
}

/* NT and ID are not in what sigreturn restores, so they are set here, while the handler runs. */
static NO_TLS void set_live_flags(uint64_t flags)
{
    uint64_t f = (flags & 0x204000) | 0x202;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\tpush %0\n\tpopfq\n\tlea 128(%%rsp), %%rsp"
                     :
                     : "r"(f)
                     : "cc", "memory");
}

static void frame_save(struct insn_end *e, const greg_t *g)
{
    for (unsigned i = 0; i < 16; i++)
        e->regs.gpr[i] = (uint64_t)g[order[i]];
    e->regs.rip = (uint64_t)g[REG_RIP];
    e->regs.rflags = (uint64_t)g[REG_EFL];
    e->regs.cs = (uint16_t)g[REG_CSGSFS];
    e->regs.ss = (uint16_t)(g[REG_CSGSFS] >> 48);
    e->vector = (uint32_t)g[REG_TRAPNO];
    e->error = insn_vector_has_error(e->vector) ? (uint32_t)g[REG_ERR] : 0;
    e->cr2 = e->vector == 14 ? (uint64_t)g[REG_CR2] : 0;
}

static void frame_load(const struct insn_regs *r, greg_t *g)
{
    for (unsigned i = 0; i < 16; i++)
        g[order[i]] = (greg_t)r->gpr[i];
    g[REG_RIP] = (greg_t)r->rip;
    g[REG_EFL] = (greg_t)r->rflags;
    g[REG_CSGSFS] = (greg_t)(r->cs | (uint64_t)r->ss << 48);
}

/* The frame's image, but for what the kernel keeps in it: bytes 464 to 511. */
static void vectors_load(uint64_t seed, uint8_t *xs)
{
    uint8_t image[XS_SIZE];
    uint64_t bv;
    vectors_make(seed, image);
    memcpy(xs, image, XS_MXCSR + 4);
    memcpy(xs + XS_ST, image + XS_ST, XS_XMM + 256 - XS_ST);
    memcpy(xs + XS_YMMH, image + XS_YMMH, XS_SIZE - XS_YMMH);
    memcpy(&bv, xs + XS_XSTATE_BV, 8);
    bv |= XCR0_X87 | XCR0_SSE | XCR0_AVX;
    memcpy(xs + XS_XSTATE_BV, &bv, 8);
}

static void start_case(uint32_t i, greg_t *g, uint8_t *xs)
{
    const struct insn_batch *b = &shared->batch;
    const struct insn_case *t = &b->cases[i];

    shared->at = i;
    if (i == 0 || t->code != b->cases[i - 1].code)
        insn_code_place(code_alias, &b->codes[t->code]);
    insn_memory_prepare(b, t, data_alias);
    frame_load(&t->regs, g);
    if (t->vectors)
        vectors_load(t->vectors, xs);
    set_selectors(&t->regs);
    set_bases(t->regs.fs_base, t->regs.gs_base);
    set_live_flags(t->regs.rflags);
}

static const struct insn_regs own_selectors = {0};

/* The kernel enters with the test's FS and DS: nothing but inline code before they are back. */
static NO_TLS void on_signal(int sig, siginfo_t *si, void *ctx)
{
    struct insn_regs seg = {0};
    ucontext_t *u = ctx;
    greg_t *g = u->uc_mcontext.gregs;
    uint8_t *xs = (uint8_t *)u->uc_mcontext.fpregs;
    uint32_t next = 0;

    (void)sig;
    (void)si;
    set_live_flags(0); /* AC above all */
    get_selectors(&seg);
    seg.fs_base = read_fs();
    seg.gs_base = read_gs();
    if (running) {
        set_selectors(&own_selectors);
        set_bases(own_fs, own_gs);
        struct insn_end *e = &shared->end[shared->at];
        memset(e, 0, sizeof(*e));
        e->regs = seg;
        frame_save(e, g);
        if (shared->batch.cases[shared->at].vectors)
            memcpy(e->xs, xs, XS_SIZE);
        insn_memory_collect(&shared->batch, &shared->batch.cases[shared->at], data_alias, e);
        next = shared->at + 1;
    } else {
        memcpy(home, g, sizeof(home));
        running = true;
    }
    u->uc_flags |= UC_SS | UC_STRICT_SS;
    if (next < shared->batch.ncases) {
        start_case(next, g, xs);
        return;
    }
    running = false;
    memcpy(g, home, sizeof(home));
    g[REG_RIP] += 2; /* behind the UD2 */
    set_live_flags(0);
}

static void *map_at(uint64_t va, size_t len, int prot, int fd, off_t off)
{
    void *p = mmap((void *)(uintptr_t)va, len, prot,
                   MAP_SHARED | MAP_POPULATE | (va ? MAP_FIXED_NOREPLACE : 0), fd, off);
    if (p == MAP_FAILED) {
        perror("insn_host: mmap");
        _exit(1);
    }
    return p;
}

static void map_data_at(uint64_t va, int fd)
{
    size_t rw = DATA_RW_PAGES * PAGE;
    map_at(va, rw, PROT_READ | PROT_WRITE, fd, CODE_SIZE);
    map_at(va + rw, DATA_SIZE - rw, PROT_READ, fd, (off_t)(CODE_SIZE + rw));
}

static void child_map(void)
{
    int fd = memfd_create("insn_test", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, CODE_SIZE + DATA_SIZE)) {
        perror("insn_host: memfd");
        _exit(1);
    }
    code_alias = map_at(0, CODE_SIZE, PROT_READ | PROT_WRITE, fd, 0);
    data_alias = map_at(0, DATA_SIZE, PROT_READ | PROT_WRITE, fd, CODE_SIZE);
    map_at(CODE_VA, CODE_SIZE, PROT_READ | PROT_EXEC, fd, 0);
    map_data_at(DATA_VA, fd);
    map_data_at(HIGH_VA, fd);
    map_at(TOP_VA, PAGE, PROT_READ | PROT_WRITE, fd, CODE_SIZE);
}

static void child_signals(void)
{
    static uint8_t stack[1 << 17];
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    static const int sigs[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS, SIGTRAP};

    sigfillset(&sa.sa_mask);
    sigaltstack(&ss, NULL);
    for (unsigned i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++)
        sigaction(sigs[i], &sa, NULL);
}

static _Noreturn void child(int in, int out)
{
    char byte;
    child_map();
    child_signals();
    own_fs = read_fs();
    own_gs = read_gs();
    while (read(in, &byte, 1) == 1) {
        memcpy(data_alias, shared->batch.pristine, DATA_SIZE);
        __asm__ volatile("ud2" : : : "memory");
        if (write(out, &byte, 1) != 1)
            break;
    }
    _exit(0);
}

/* Both processes stay on this CPU: they take turns, and its number shows in the limit of a segment.
 */
static void bind_to_cpu(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();
    CPU_ZERO(&set);
    if (cpu >= 0)
        CPU_SET(cpu, &set);
    if (cpu < 0 || sched_setaffinity(0, sizeof(set), &set))
        fprintf(stderr, "insn_test: cannot bind to a CPU\n");
}

int insn_host_start(struct insn_host *h)
{
    int to[2], from[2];
    bind_to_cpu();
    if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)) {
        fprintf(stderr, "insn_test needs a kernel that lets programs set the FS and GS base\n");
        return -1;
    }
    h->shared =
        mmap(NULL, sizeof(*h->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (h->shared == MAP_FAILED || pipe(to) || pipe(from)) {
        perror("insn_host");
        return -1;
    }
    shared = h->shared;
    h->pid = fork();
    if (h->pid == 0) {
        close(to[1]);
        close(from[0]);
        child(to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    h->to_child = to[1];
    h->from_child = from[0];
    return h->pid < 0 ? -1 : 0;
}

int insn_host_run(struct insn_host *h)
{
    struct pollfd p = {.fd = h->from_child, .events = POLLIN};
    char byte = 0;
    if (write(h->to_child, &byte, 1) != 1 || poll(&p, 1, HANG_MS) != 1)
        return -1;
    return read(h->from_child, &byte, 1) == 1 ? 0 : -1;
}

void insn_host_stop(struct insn_host *h)
{
    close(h->to_child);
    close(h->from_child);
    kill(h->pid, SIGKILL);
    waitpid(h->pid, NULL, 0);
    munmap(h->shared, sizeof(*h->shared));
}
