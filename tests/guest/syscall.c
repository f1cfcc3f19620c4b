/* Ways into the kernel and back: SYSCALL, SYSENTER, INT, IRET, from 64-bit and 32-bit code. */
#include "guest.h"

enum { MSR_STAR = 0xc0000081, MSR_LSTAR, MSR_CSTAR, MSR_FMASK, MSR_SYSENTER_CS = 0x174 };

extern u8 user_syscall[], user_syscall32[], user_sysenter[], user_int[], user_hlt[], user_iopl[],
    user_int_denied[], user_compat[], syscall_entry[], sysenter_entry[];
extern volatile u64 seen[8];

__asm__(".pushsection .text\n"
        ".code64\n"
        "user_syscall:\n"
        "   mov $7, %edi\n"
        "   stc\n"
        "   syscall\n"
        "after_syscall:\n"
        "   mov %rcx, %rbx\n"
        "   int $0x80\n"
        "syscall_entry:\n"
        "   mov %rcx, seen\n"
        "   mov %r11, seen + 8\n"
        "   mov %cs, seen + 16\n"
        "   mov %ss, seen + 24\n"
        "   pushfq\n" /* still the user's stack, through the alias */
        "   popq seen + 32\n"
        "   mov $1234, %eax\n"
        "   sysretq\n"
        "user_sysenter:\n"
        "   mov %rsp, %rcx\n"
        "   lea after_sysenter(%rip), %rdx\n"
        "   sysenter\n"
        "after_sysenter:\n"
        "   int $0x80\n"
        "sysenter_entry:\n"
        "   mov %rsp, seen\n"
        "   mov %cs, seen + 16\n"
        "   mov %ss, seen + 24\n"
        "   mov $4321, %eax\n"
        "   rex.w sysexit\n"
        "user_int: mov $55, %eax; int $0x80\n"
        "user_int_denied: int $0x81\n"
        "user_hlt: hlt\n"
        "user_iopl: cli\n"
        ".code32\n"
        "user_compat: mov $0x12345678, %eax; dec %eax; int $0x80\n"
        ".code64\n"
        ".popsection\n"
        ".pushsection .bss; .globl seen; .align 8; seen: .skip 64; .popsection\n");

static void by_syscall(void)
{
    wrmsr(MSR_STAR, (u64)SEL_KCODE << 32 | (u64)(SEL_UCODE32) << 48);
    wrmsr(MSR_LSTAR, (u64)syscall_entry);
    wrmsr(MSR_FMASK, 0x600 | 1); /* IF, DF, CF */
    trap.vector = NO_TRAP;
    CHECK_EQ(user_call(user_syscall, 0x200), 1234);
    CHECK_EQ(trap.vector, 0x80);
    CHECK_EQ(seen[0], (u64)user_syscall + USER_ALIAS + 8);
    CHECK_EQ(seen[1] & 0x201, 0x201); /* RFLAGS as it was */
    CHECK_EQ(seen[2] & 0xffff, SEL_KCODE);
    CHECK_EQ(seen[3] & 0xffff, SEL_KCODE + 8);
    CHECK_EQ(seen[4] & 0x201, 0);               /* masked */
    CHECK_EQ(trap.frame.rflags & 0x201, 0x201); /* SYSRET gave it back */
    CHECK_EQ(trap.frame.cs, SEL_UCODE32 + 16);
    CHECK_EQ(trap.frame.ss, SEL_UCODE32 + 8);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~1ull); /* SCE off */
    user_call(user_syscall, 0);
    CHECK_TRAP(6, 0);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);
}

static void by_sysenter(void)
{
    static u8 stack[256] __attribute__((aligned(16)));
    /* SYSEXIT to 64-bit code takes CS from here + 32 and SS from + 40. */
    wrmsr(MSR_SYSENTER_CS, SEL_KCODE);
    wrmsr(MSR_SYSENTER_CS + 1, (u64)stack + sizeof(stack));
    wrmsr(MSR_SYSENTER_CS + 2, (u64)sysenter_entry);
    u64 v = user_call(user_sysenter, 0x200);
    if (trap.vector == 6) { /* KVM on AMD's processors emulates Intel's for 32-bit code only */
        say("no SYSENTER in 64-bit code\n");
        return;
    }
    CHECK_EQ(trap.vector, 0x80);
    CHECK_EQ(v, 4321);
    CHECK_EQ(seen[0], (u64)stack + sizeof(stack));
    CHECK_EQ(seen[2] & 0xffff, SEL_KCODE);
    CHECK_EQ(seen[3] & 0xffff, SEL_KDATA);
    CHECK_EQ(trap.frame.cs, SEL_UCODE);
    wrmsr(MSR_SYSENTER_CS, 0);
    user_call(user_sysenter, 0);
    CHECK_TRAP(13, 0);
}

int main(void)
{
    map_user_alias();
    by_syscall();
    u32 r[4];
    cpuid(0, 0, r);
    if (r[1] == 0x756e6547) /* "Genu": Intel's has SYSENTER in 64-bit code */
        by_sysenter();
    CHECK_EQ(user_call(user_int, 0), 55);
    CHECK_EQ(trap.frame.rip, (u64)user_int + USER_ALIAS + 7);
    CHECK_EQ(trap.frame.ss, SEL_UDATA);
    user_call(user_int_denied, 0);
    CHECK_IDT_TRAP(13, 0x81, 0);
    user_call(user_hlt, 0);
    CHECK_TRAP(13, 0);
    user_call(user_iopl, 0);
    CHECK_TRAP(13, 0);
    user_call(user_iopl, 0x3000); /* IOPL 3: CLI is allowed, what follows is not code for us */
    CHECK(trap.frame.rip > (u64)user_iopl + USER_ALIAS);
    /* 32-bit user code sees 4 GiB only: a mapping for it below. */
    u64 va = 0x7f000000;
    extern u64 pdpt[];
    u64 *pd = (u64 *)(pdpt[1] & ~0xfffull);
    pml4[0] |= PTE_U;
    pdpt[1] |= PTE_U;
    pd[va >> 21 & 511] = PTE_P | PTE_W | PTE_U | PTE_PS;
    write_cr3(read_cr3());
    u64 v = user_run(va + (u64)user_compat, va + (u64)user_stack + 4000, 2, SEL_UCODE32, SEL_UDATA);
    CHECK_EQ(v, 0x12345677);
    CHECK_EQ(trap.frame.cs, SEL_UCODE32);
    return 0;
}
