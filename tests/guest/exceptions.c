/* Exceptions and their error codes. [SDM 3A 6.15] */
#include "guest.h"

static void plain(void)
{
    TRY("xor %%edx, %%edx; mov $1, %%eax; xor %%ecx, %%ecx; div %%ecx", ::
            : "rax", "rcx", "rdx", "memory");
    CHECK_TRAP(0, 0);
    TRY("mov $0x80000000, %%eax; cltd; mov $-1, %%ecx; idiv %%ecx", ::
            : "rax", "rcx", "rdx", "memory");
    CHECK_TRAP(0, 0);
    TRY("ud2", ::: "memory");
    CHECK_TRAP(6, 0);
    u64 here;
    TRY("lea 2f(%%rip), %0; 2: int3", : "=&r"(here)::"memory");
    CHECK_TRAP(3, 0);
    CHECK_EQ(trap.frame.rip, here + 1);
    TRY("lea 2f(%%rip), %0; 2: .byte 0xf1", : "=&r"(here)::"memory"); /* INT1 */
    if (!on_qemu()) { /* it does not know INT1 in guests */
        CHECK_TRAP(1, 0);
        CHECK_EQ(trap.frame.rip, here + 1);
    }
    TRY("int $0x77", ::: "memory"); /* an interrupt like any other here */
    CHECK_EQ(trap.vector, NO_TRAP);
    CHECK_EQ(taken[0x77], 1);
}

static void general_protection(void)
{
    u64 bad = 0x8000000000000000;
    TRY("mov (%0), %%rax", ::"r"(bad) : "rax", "memory");
    CHECK_TRAP(13, 0);
    TRY("mov %0, %%rcx; wrmsr", ::"r"(0x12345678ull) : "rax", "rcx", "rdx", "memory");
    CHECK_TRAP(13, 0);
    TRY("mov %0, %%rcx; rdmsr", ::"r"(0x12345678ull) : "rax", "rcx", "rdx", "memory");
    CHECK_TRAP(13, 0);
    TRY("mov %w0, %%ds", ::"r"(0x1000 | 4) : "memory"); /* in the LDT, of which there is none */
    CHECK_TRAP(13, 0x1004);
    TRY("mov %w0, %%es", ::"r"(SEL_TSS) : "memory"); /* a system segment */
    CHECK_TRAP(13, SEL_TSS);
    TRY("mov %w0, %%ds", ::"r"(SEL_ABSENT) : "memory");
    CHECK_TRAP(11, SEL_ABSENT);
    TRY("mov %w0, %%ss", ::"r"(SEL_ABSENT) : "memory");
    CHECK_EQ(trap.vector == 12 || trap.vector == 13, 1); /* its DPL is 0: #SS */
    CHECK_TRAP(12, SEL_ABSENT);
    TRY("mov %w0, %%ss", ::"r"(SEL_UDATA) : "memory");
    CHECK_TRAP(13, SEL_UDATA & ~3);
    TRY("mov %0, %%cr0", ::"r"(read_cr0() & ~1ull) : "memory"); /* PG without PE */
    CHECK_TRAP(13, 0);
    TRY("mov %0, %%cr4", ::"r"(read_cr4() & ~0x20ull) : "memory"); /* no PAE in long mode */
    CHECK_TRAP(13, 0);
    TRY("mov %0, %%cr4", ::"r"(read_cr4() | 1ull << 30) : "memory");
    CHECK_TRAP(13, 0);
    if (!on_qemu()) { /* it takes any CR3 and CR8 */
        TRY("mov %0, %%cr3", ::"r"(read_cr3() | 1ull << 60) : "memory");
        CHECK_TRAP(13, 0);
        TRY("mov %0, %%cr8", ::"r"(16ull) : "memory");
        CHECK_TRAP(13, 0);
    }
    TRY("mov %0, %%rbx; xchg %%rbx, %%rbp; movq $3f, trap_resume; mov (%%rbp), %%rax; 3: xchg "
        "%%rbx, %%rbp",
        ::"r"(bad)
        : "rax", "rbx", "memory");
    CHECK_TRAP(on_qemu() ? 13 : 12, 0); /* through rBP it is the stack segment */
}

static void gates(void)
{
    struct gate saved = idt[0x90];
    idt[0x90].type &= 0x7f; /* not present */
    TRY("int $0x90", ::: "memory");
    CHECK_IDT_TRAP(11, 0x90, 0);
    idt[0x90] = saved;
    idt[0x90].type = 0x85; /* no gate of long mode */
    TRY("int $0x90", ::: "memory");
    CHECK_IDT_TRAP(13, 0x90, 0);
    idt[0x90] = saved;
    idt[0x90].sel = 0;
    TRY("int $0x90", ::: "memory");
    CHECK_TRAP(13, 0);
    idt[0x90].sel = SEL_KDATA;
    TRY("int $0x90", ::: "memory");
    CHECK_TRAP(13, SEL_KDATA);
    idt[0x90] = saved;
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) small = {0x80 * 16 - 1, (u64)idt}, full = {4095, (u64)idt};
    __asm__ volatile("lidt %0" ::"m"(small));
    TRY("int $0x90", ::: "memory");
    CHECK_IDT_TRAP(13, 0x90, 0);
    __asm__ volatile("lidt %0" ::"m"(full));
}

/* What becomes of #NP while fault n is delivered; for qemu it is serial, like any. */
static void check_double(unsigned n)
{
    if (on_qemu())
        CHECK_IDT_TRAP(11, n, 0);
    else
        CHECK_TRAP(8, 0);
}

static void double_fault(void)
{
    struct gate saved = idt[6];
    idt[6].type &= 0x7f;
    TRY("ud2", ::: "memory");                 /* #NP on the way to #UD: serial, not double */
    CHECK_IDT_TRAP(11, 6, on_qemu() ? 0 : 1); /* EXT: met while delivering an earlier exception */
    idt[6] = saved;
    saved = idt[13];
    idt[13].type &= 0x7f;
    TRY("mov (%0), %%rax", ::"r"(0x8000000000000000) : "rax", "memory");
    check_double(13); /* #NP on the way to #GP */
    idt[13] = saved;
    saved = idt[14];
    idt[14].type &= 0x7f;
    TRY("mov (%0), %%rax", ::"r"(1ull << 40) : "rax", "memory");
    check_double(14);
    CHECK_EQ(read_cr2(), 1ull << 40);
    idt[14] = saved;
}

static bool count_steps(struct frame *f)
{
    if (f->vector != 1)
        return false;
    CHECK_EQ(read_dr6() & 0xe00f, 0x4000);
    write_dr6(0xffff0ff0);
    return true;
}

static void single_step(void)
{
    trap_hook = count_steps;
    taken[1] = 0;
    __asm__ volatile(
        "pushfq; orq $0x100, (%%rsp); popfq\n\t" /* no trap behind the POPF that sets TF */
        "nop; nop; xor %%eax, %%eax\n\t"
        "mov %%ss, %%ecx; mov %%ecx, %%ss\n\t" /* holds the trap for one instruction */
        "nop\n\t"
        "mov $3, %%ecx; rep lodsb\n\t"             /* a trap for each repetition */
        "pushfq; andq $~0x100, (%%rsp); popfq\n\t" /* three, the last by POPF itself */
        ::"S"(&trap)
        : "rax", "rcx", "cc", "memory");
    trap_hook = NULL;
    /* nop nop xor mov (mov nop) mov lodsb*3 pushf and popf */
    CHECK_EQ(taken[1], 3 + 1 + 1 + 1 + 3 + 3);
}

static void device_not_available(void)
{
    write_cr0(read_cr0() | 8); /* TS */
    TRY("fninit", ::: "memory");
    CHECK_TRAP(7, 0);
    TRY("movups %%xmm0, %%xmm1", ::: "memory");
    CHECK_TRAP(7, 0);
    __asm__ volatile("clts");
    TRY("fninit", ::: "memory");
    CHECK_EQ(trap.vector, NO_TRAP);
    write_cr0(read_cr0() | 4); /* EM */
    TRY("movups %%xmm0, %%xmm1", ::: "memory");
    CHECK_TRAP(6, 0);
    write_cr0(read_cr0() & ~4ull);
    static const u32 all_traps = 0, zero = 0; /* MXCSR: nothing masked */
    TRY("ldmxcsr %0; cvtsi2ss %1, %%xmm0; divss %%xmm0, %%xmm0; divss %%xmm0, %%xmm0",
        ::"m"(all_traps), "m"(zero)
        : "memory");
    if (!on_qemu()) /* it knows no unmasked SIMD exceptions */
        CHECK_TRAP(19, 0);
    static const u16 unmasked = 0x340;
    TRY("fninit; fldcw %0; fldz; fld1; fdivp; fwait", ::"m"(unmasked) : "memory");
    CHECK_TRAP(16, 0);
    __asm__ volatile("fninit");
}

/* Each: rbx = an aligned address, one access, int $0x80. */
extern u8 ac_aligned[], ac_word[], ac_quad[], ac_rmw[], ac_vector[], ac_push[], ac_unmapped[],
    ac_string[];
#define AC_CASE(name, insns)                                                                       \
#name ": mov %rsp, %rbx; and $-64, %rbx; mov $77, %eax; " insns "; int $0x80\n"
__asm__(".pushsection .text\n" //
        AC_CASE(ac_aligned, "mov 8(%rbx), %rcx; mov 4(%rbx), %ecx; mov 2(%rbx), %cx; "
                            "mov 1(%rbx), %cl; lock addl $0, 4(%rbx); push %rcx")               //
        AC_CASE(ac_word, "mov 1(%rbx), %cx")                                                    //
        AC_CASE(ac_quad, "mov %rcx, 4(%rbx)")                                                   //
        AC_CASE(ac_rmw, "lock addl $1, 2(%rbx)")                                                //
        AC_CASE(ac_vector, "movups 1(%rbx), %xmm0")                                             //
        AC_CASE(ac_push, "lea -4(%rbx), %rsp; push %rcx")                                       //
        AC_CASE(ac_unmapped, "mov $1, %eax; shl $40, %rax; mov 1(%rax), %ecx")                  //
        AC_CASE(ac_string, "mov $2, %ecx; lea 1(%rbx), %rsi; mov %rsi, %rdi; rep movsb; movsw") //
        ".popsection");

/* Only CPL 3, CR0.AM and EFLAGS.AC together check [SDM 3A 6.15, #AC]. */
static void alignment_check(void)
{
    static u8 *const wrong[] = {ac_word, ac_quad, ac_rmw, ac_push, ac_unmapped};
    enum { AC = 1 << 18 };
    write_cr0(read_cr0() & ~(u64)AC); /* AM is that bit, too */
    user_call(ac_quad, AC);
    CHECK_EQ(trap.vector, 0x80);
    write_cr0(read_cr0() | AC);
    user_call(ac_quad, 0);
    CHECK_EQ(trap.vector, 0x80);
    CHECK_EQ(user_call(ac_aligned, AC), 77);
    CHECK_EQ(trap.vector, 0x80);
    user_call(ac_vector, AC);
    CHECK_EQ(trap.vector, 0x80);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        user_call(wrong[i], AC);
        CHECK_TRAP(17, 0);
    }
    user_call(ac_string, AC); /* bytes pass, words do not */
    CHECK_TRAP(17, 0);
    CHECK_EQ(trap.frame.rcx, 0);
    u64 at;
    TRY("pushfq; orl %1, (%%rsp); popfq; lea 1(%%rsp), %0; mov (%0), %0; pushfq; andl %2, (%%rsp); "
        "popfq",
        : "=&r"(at)
        : "i"(AC), "i"(~AC)
        : "cc", "memory");
    CHECK_EQ(trap.vector, NO_TRAP); /* the kernel may do as it likes */
    write_cr0(read_cr0() & ~(u64)AC);
}

int main(void)
{
    x2apic_on();
    irq_eoi = false;
    plain();
    general_protection();
    gates();
    double_fault();
    single_step();
    device_not_available();
    if (!on_qemu()) { /* it checks no alignment */
        map_user_alias();
        alignment_check();
    }
    return 0;
}
