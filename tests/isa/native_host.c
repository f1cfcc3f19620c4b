#include "native_host.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

/* One region: data the code reaches by RIP-relative addresses, then the code. */
struct area {
    struct host_state in, out;
    uint64_t rsp;
    uint32_t mxcsr;
    _Alignas(4096) uint8_t code[4096];
};

static struct area *area;
static unsigned code_len, insn_off;
static uint8_t *resume;
static volatile int vector;

static void emit(const void *bytes, unsigned len)
{
    memcpy(area->code + code_len, bytes, len);
    code_len += len;
}

/* An instruction whose ModRM gets a RIP-relative address of `target`. */
static void emit_rip(const char *op, unsigned len, const void *target)
{
    emit(op, len);
    int32_t rel = (int32_t)((const uint8_t *)target - (area->code + code_len + 4));
    emit(&rel, 4);
}

static void emit_gpr(unsigned opcode, unsigned reg, const void *target)
{
    char op[3] = {(char)(0x48 | (reg & 8) >> 1), (char)opcode, (char)(0x05 | (reg & 7) << 3)};
    emit_rip(op, 3, target);
}

static void on_signal(int sig, siginfo_t *si, void *ctx)
{
    static const uint8_t order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                      REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                      REG_R12, REG_R13, REG_R14, REG_R15};
    ucontext_t *u = ctx;
    greg_t *r = u->uc_mcontext.gregs;

    (void)si;
    if (!area || r[REG_RIP] != (greg_t)(uintptr_t)(area->code + insn_off)) {
        signal(sig, SIG_DFL);
        return;
    }
    vector = (int)r[REG_TRAPNO];
    for (unsigned i = 0; i < 16; i++)
        area->out.gpr[i] = (uint64_t)r[order[i]];
    area->out.rflags = (uint64_t)r[REG_EFL];
    memcpy(area->out.xs, u->uc_mcontext.fpregs, HOST_XSAVE);
    r[REG_RIP] = (greg_t)(uintptr_t)resume;
}

void host_init(void)
{
    static uint8_t stack[65536];
    stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    int sigs[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS};

    area = mmap(NULL, sizeof(*area), PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED || sigaltstack(&ss, NULL)) {
        perror("native_host");
        exit(1);
    }
    for (unsigned i = 0; i < 4; i++)
        sigaction(sigs[i], &sa, NULL);
}

static void emit_prologue(void)
{
    code_len = 0;
    emit("\x53\x55\x41\x54\x41\x55\x41\x56\x41\x57", 10); /* push rbx rbp r12-r15 */
    emit_gpr(0x89, 4, &area->rsp);
    emit("\xb8\x07\x00\x00\x00\x31\xd2", 7);      /* mov eax, 7; xor edx, edx */
    emit_rip("\x48\x0f\xae\x2d", 4, area->in.xs); /* xrstor64 */
    emit_rip("\xff\x35", 2, &area->in.rflags);    /* push; popfq */
    emit("\x9d", 1);
    for (unsigned i = 0; i < 16; i++)
        emit_gpr(0x8b, i, &area->in.gpr[i]);
}

static void emit_epilogue(void)
{
    for (unsigned i = 0; i < 16; i++)
        emit_gpr(0x89, i, &area->out.gpr[i]);
    emit_gpr(0x8b, 4, &area->rsp);
    emit("\x9c", 1); /* pushfq; pop */
    emit_rip("\x8f\x05", 2, &area->out.rflags);
    emit("\xb8\x07\x00\x00\x00\x31\xd2", 7);
    emit_rip("\x48\x0f\xae\x25", 4, area->out.xs); /* xsave64 */
    resume = area->code + code_len;
    emit_gpr(0x8b, 4, &area->rsp);
    emit("\xdb\xe3", 2);                       /* fninit */
    emit_rip("\x0f\xae\x15", 3, &area->mxcsr); /* ldmxcsr */
    emit("\xc5\xf8\x77\xfc", 4);               /* vzeroupper; cld */
    emit("\x41\x5f\x41\x5e\x41\x5d\x41\x5c\x5d\x5b\xc3", 11);
}

uint64_t host_insn_address(unsigned len)
{
    (void)len;
    emit_prologue();
    return (uintptr_t)(area->code + code_len);
}

void host_run(const uint8_t *insn, unsigned len, const struct host_state *in,
              struct host_result *out)
{
    area->in = *in;
    area->in.rflags = (in->rflags & 0x8d5) | 0x202;
    memset(&area->out, 0, sizeof(area->out));
    area->mxcsr = 0x1f80;
    emit_prologue();
    insn_off = code_len;
    emit(insn, len);
    emit_epilogue();
    vector = -1;
    ((void (*)(void))(uintptr_t)area->code)();
    out->s = area->out;
    out->vector = vector;
}
