/*
 * The decoder against the host CPU: decode_host [--seed N] [--count N]
 *
 * Whether bytes are an instruction, and how long, the processor itself says: they are put at the
 * end of an executable page, a byte more each time, and run. A fetch fault beyond the page means it
 * wants more bytes, or, with RIP there too, that it has run; SIGILL means there is no such
 * instruction; anything else, that there is. (No trap flag: some hypervisors step before the first
 * instruction.) All happens in a child: what the bytes do to it does not matter. The loop lives in
 * the signal handler, which leaves for the next candidate by changing the context it returns to.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "decode_judge.h"

enum { PAGE = 4096, MAX_PROBES = 1 << 20 };

enum verdict { UNKNOWN, INVALID, VALID, TOO_LONG };

struct probe {
    uint8_t bytes[16];
    uint8_t verdict, len;
};

/* Shared with the child. */
struct probes {
    unsigned count, at;
    struct probe probe[];
};

static struct {
    struct probes *probes;
    uint8_t *code_end; /* where the page without access begins */
    uint8_t *scratch;  /* what general registers point to */
    unsigned len;      /* bytes offered of the present candidate */
    unsigned long fs_base;
    greg_t selectors;
} host;

static void offer(gregset_t regs, const struct probe *p)
{
    static const int general[] = {REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14,
                                  REG_R15, REG_RDI, REG_RSI, REG_RBP, REG_RBX, REG_RSP};
    uint8_t *start = host.code_end - host.len;

    for (unsigned i = 0; i < host.len; i++)
        start[i] = p->bytes[i];
    for (unsigned i = 0; i < sizeof(general) / sizeof(general[0]); i++)
        regs[general[i]] = (greg_t)host.scratch;
    regs[REG_RAX] = -1; /* no such system call */
    regs[REG_RCX] = regs[REG_RDX] = 0;
    regs[REG_RIP] = (greg_t)start;
    regs[REG_EFL] = 0x202;
    regs[REG_CSGSFS] = host.selectors; /* SYSENTER returns to 32-bit code */
}

static bool at_start(const gregset_t regs)
{
    return regs[REG_RIP] == (greg_t)(host.code_end - host.len);
}

/* UNKNOWN: offer another byte. */
static enum verdict judge_signal(const siginfo_t *info, const gregset_t regs)
{
    /* Not every hypervisor passes the error code's I/D bit on. */
    if (info->si_signo == SIGSEGV && at_start(regs) && info->si_addr == host.code_end)
        return host.len == 15 ? TOO_LONG : UNKNOWN;
    return info->si_signo == SIGILL && at_start(regs) ? INVALID : VALID;
}

/* Runs on the alternate stack; the candidate may have changed everything but memory it cannot
 * reach. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    struct probe *p = &host.probes->probe[host.probes->at];

    (void)sig;
    syscall(SYS_arch_prctl, ARCH_SET_FS, host.fs_base);
    if (host.len != 0) {
        p->verdict = judge_signal(info, uc->uc_mcontext.gregs);
        p->len = (uint8_t)host.len;
    }
    if (p->verdict != UNKNOWN) {
        host.len = 0;
        if (++host.probes->at == host.probes->count)
            _exit(0);
        p++;
    }
    if (host.selectors == 0)
        host.selectors = uc->uc_mcontext.gregs[REG_CSGSFS];
    host.len++;
    offer(uc->uc_mcontext.gregs, p);
}

static uint8_t *map(size_t size, int prot)
{
    uint8_t *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static void child(void)
{
    static const int signals[] = {SIGSEGV, SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSYS};
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    stack_t stack = {.ss_size = 64 << 10};

    host.code_end = map(2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) + PAGE;
    mprotect(host.code_end, PAGE, PROT_NONE);
    host.scratch = map(4 * PAGE, PROT_READ | PROT_WRITE) + 2 * PAGE;
    stack.ss_sp = map(stack.ss_size, PROT_READ | PROT_WRITE);
    sigaltstack(&stack, NULL);
    syscall(SYS_arch_prctl, ARCH_GET_FS, &host.fs_base);
    host.len = 0;
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, NULL);
    alarm(20);
    raise(SIGTRAP);
    _exit(1);
}

/* A candidate that kills or hangs the child is passed over. */
static void run_all(struct probes *probes)
{
    fflush(stdout);
    while (probes->at < probes->count) {
        unsigned before = probes->at;
        pid_t pid = fork();

        if (pid == 0)
            child();
        if (pid < 0 || waitpid(pid, NULL, 0) < 0) {
            perror("fork");
            exit(1);
        }
        if (probes->at < probes->count && probes->at >= before)
            probes->probe[probes->at++].verdict = UNKNOWN;
    }
}

static uint64_t random64(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 0x2545f4914f6cdd1dull;
}

static void make_bytes(struct probe *p, uint64_t *seed)
{
    static const uint8_t prefix[] = {0x66, 0xf2, 0xf3, 0x67, 0xf0, 0x2e, 0x65, 0x48, 0x41, 0x44};
    static const uint8_t lead[8][3] = {{0},          {0},    {0x0f},       {0x0f},
                                       {0x0f, 0x38}, {0x0f}, {0x0f, 0x3a}, {0xc4, 0xe2}};
    uint64_t r[2] = {random64(seed), random64(seed)}, shape = random64(seed) >> 20;
    const uint8_t *map = lead[shape & 7];
    unsigned n = 0;

    memcpy(p->bytes, r, sizeof(r));
    for (unsigned i = shape >> 3 & 3; i > 1; i--, shape >>= 4)
        p->bytes[n++] = prefix[(shape >> 8) % sizeof(prefix)];
    for (unsigned i = 0; i < 2 && map[i]; i++)
        p->bytes[n++] = map[i];
    if (map[0] == 0xc4)
        p->bytes[n++] |= 0x78;
}

/* Branches are left out that may lead into code: relative ones. */
static void make_probe(struct probe *p, uint64_t *seed)
{
    struct x86_insn in;

    do
        make_bytes(p, seed);
    while (x86_decode(&in, p->bytes, 15, X86_MODE_64) == 0 && in.op[0].kind == X86_OP_REL);
}

/* What the host does not have, or refuses at CPL 3 with #UD, tells nothing. */
static bool host_cannot_tell(const struct x86_insn *in)
{
    unsigned a, b, c, d;

    __cpuid_count(7, 0, a, b, c, d);
    switch (in->desc->feature) {
    case X86_FEAT_SHA:
        return !(b & 1u << 29);
    case X86_FEAT_CLWB:
        return !(b & 1u << 24);
    case X86_FEAT_CLFLUSHOPT:
        return !(b & 1u << 23);
    case X86_FEAT_RDSEED:
        return !(b & 1u << 18);
    case X86_FEAT_ADX:
        return !(b & 1u << 19);
    case X86_FEAT_RDPID:
        return !(c & 1u << 22);
    case X86_FEAT_FSGSBASE:
    case X86_FEAT_XSAVES:
    case X86_FEAT_XSAVEC:
    case X86_FEAT_INVPCID:
    case X86_FEAT_VMX:
    case X86_FEAT_SVM:
    case X86_FEAT_SMAP:
    case X86_FEAT_MONITOR:
        return true;
    default:
        break;
    }
    return in->iclass == X86_I_UD0 || in->iclass == X86_I_UD1 || in->iclass == X86_I_UD2 ||
           in->iclass == X86_I_RSM || in->iclass == X86_I_SYSENTER || in->iclass == X86_I_SYSEXIT ||
           in->iclass == X86_I_SYSRET;
}

/* Extensions the host has and no guest is offered. */
static bool not_offered(const struct judge *j, const uint8_t *bytes)
{
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction z;

    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&j->zydis[2], bytes, 15, &z, op)) &&
           difference_not_offered(&z);
}

/* An Ice Lake runs VEX.66.0F AE /6, which no manual has, as if it were CLWB. */
static bool is_quirk(const uint8_t *bytes)
{
    unsigned n = 0;

    while (bytes[n] != 0xc4 && bytes[n] != 0xc5 && n < 8)
        n++;
    return bytes[n] == 0xc5 ? bytes[n + 2] == 0xae : bytes[n] == 0xc4 && bytes[n + 3] == 0xae;
}

/* True if the verdict is the decoder's. */
static bool agrees(const struct judge *j, const struct probe *p)
{
    struct x86_insn in;
    int r = x86_decode(&in, p->bytes, 15, X86_MODE_64);

    if (p->verdict == UNKNOWN)
        return true;
    if (r == 0 && host_cannot_tell(&in))
        return true;
    if (p->verdict == VALID)
        return r == 0 ? in.len == p->len : not_offered(j, p->bytes) || is_quirk(p->bytes);
    return r != 0;
}

static void show(const struct probe *p)
{
    static const char *const verdicts[] = {"unknown", "invalid", "valid", "too long"};
    struct x86_insn in;
    int r = x86_decode(&in, p->bytes, 15, X86_MODE_64);

    for (unsigned i = 0; i < 15; i++)
        printf("%02x ", p->bytes[i]);
    printf(": host %s after %u, decoder %s %u\n", verdicts[p->verdict], p->len,
           r == 0           ? x86_iclass_name(in.iclass)
           : r == -X86_D_UD ? "UD"
                            : "GP",
           r == 0 ? in.len : 0);
}

/* Counts and shows what differs. A candidate that a write of another has hit is passed over. */
static unsigned judge_all(const struct judge *judge, const struct probes *probes,
                          const struct probe *made)
{
    unsigned failed = 0, told[4] = {0};

    for (unsigned i = 0; i < probes->count; i++) {
        const struct probe *p = &probes->probe[i];

        if (memcmp(p->bytes, made[i].bytes, sizeof(p->bytes)) != 0)
            continue;
        told[p->verdict & 3]++;
        if (!agrees(judge, p) && failed++ < 40)
            show(p);
    }
    printf("%u probes: %u valid, %u invalid, %u too long, %u unknown; %u different\n",
           probes->count, told[VALID], told[INVALID], told[TOO_LONG], told[UNKNOWN], failed);
    return failed;
}

/* Makers differ at the edges (3DNow!, LOCK MOV CR0, prefixes of SSE): x86_decode() follows Intel.
 */
static bool host_is_judge(void)
{
    unsigned a, b, c, d;

    __cpuid(0, a, b, c, d);
    return b == signature_INTEL_ebx;
}

int main(int argc, char **argv)
{
    static struct judge judge;
    uint64_t seed = 1;
    unsigned count = 30000, failed;
    struct probe *made;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 0) | 1;
        else if (strcmp(argv[i], "--count") == 0)
            count = (unsigned)strtoul(argv[i + 1], NULL, 0);
    }
    count = count < MAX_PROBES ? count : MAX_PROBES;
    made = calloc(count, sizeof(*made));
    host.probes = mmap(NULL, sizeof(*host.probes) + count * sizeof(*made), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!made || host.probes == MAP_FAILED)
        return 1;
    judge_init(&judge);
    for (unsigned i = 0; i < count; i++)
        make_probe(&made[i], &seed);
    host.probes->count = count;
    memcpy(host.probes->probe, made, count * sizeof(*made));
    run_all(host.probes);
    failed = judge_all(&judge, host.probes, made);
    free(made);
    if (!host_is_judge()) {
        printf("not an Intel processor: differences do not count\n");
        return 77;
    }
    return failed != 0;
}
