/*
 * SYSCALL, SYSRET and IRET without C. [SDM 2, SDM 3A 5.8.8]
 *
 * Host code of the site loads what the stub needs and jumps here. A stub looks at everything that
 * would make the change of privilege more than the usual one, before it changes anything; then the
 * site's slow path does it. The usual one: both spaces of this address space are made (hot->side),
 * nothing wants to happen behind the instruction (trap flag, alignment checks, an interrupt that
 * was held back), and CS and SS are flat ones as STAR names them.
 *
 * CS, SS, CPL and what derives from them stay in struct x86_cpu as they were: hot->level says what
 * they are to be, and dbt_handle() catches up.
 */
#include <stddef.h>

#include "engine/dbt/asm.h"
#include "engine/dbt/code.h"
#include "engine/dbt/space.h"
#include "engine/dbt/x86/stubs.h"
#include "isa/x86/regs.h"

#define HOT(field) MEM_GS(offsetof(struct dbt_hot, field))
#define CPU(field) MEM_BASE(H_R15, offsetof(struct x86_cpu, field))

/* What SYSRET and IRET may change in RFLAGS, of what the hot page keeps. */
#define SYSTEM_FLAGS (FL_DF | FL_IOPL | FL_NT | FL_AC | FL_VIF | FL_VIP | FL_ID)

/* Present 64-bit code, accessed, with a scaled limit, as in struct x86_segment. */
#define FLAT_KERNEL_ATTR UINT64_C(0xa09b)
_Static_assert(offsetof(struct x86_segment, sel) == 0 && offsetof(struct x86_segment, attr) == 2 &&
                   offsetof(struct x86_segment, limit) == 4,
               "compared as one");

enum { FRAME_RIP = 0, FRAME_CS = 8, FRAME_FLAGS = 16, FRAME_RSP = 24, FRAME_SS = 32, FRAME = 40 };

static void op_imm(struct asm_buf *a, bool w, unsigned op, unsigned reg, uint32_t imm)
{
    asm_op_reg(a, w, 0x81, op, reg);
    asm_32(a, imm);
}

enum { OP_AND = 4, OP_CMP = 7 };

static void shift(struct asm_buf *a, bool w, unsigned op, unsigned reg, unsigned by)
{
    asm_op_reg(a, w, 0xc1, op, reg);
    asm_8(a, by);
}

enum { SHIFT_LEFT = 4, SHIFT_RIGHT = 5, SHIFT_SIGNED = 7 };

/* Jump to the slow path if the bits of a 32-bit register or field are not as they should be. */
static uint32_t slow_if_any(struct asm_buf *a, unsigned reg, uint32_t bits, uint32_t slow)
{
    asm_op_reg(a, false, 0xf7, 0, reg); /* test reg32, imm32 */
    asm_32(a, bits);
    return asm_jcc_also(a, CC_NE, slow);
}

static uint32_t slow_if_bits(struct asm_buf *a, struct asm_mem m, uint32_t bits, unsigned cc,
                             uint32_t slow)
{
    asm_op_mem(a, false, 0xf7, 0, m); /* test dword [m], imm32 */
    asm_32(a, bits);
    return asm_jcc_also(a, cc, slow);
}

static uint32_t compare_byte(struct asm_buf *a, struct asm_mem m, unsigned v, unsigned cc,
                             uint32_t slow)
{
    asm_op_mem(a, false, 0x80, 7, m); /* cmp byte [m], v */
    asm_8(a, v);
    return asm_jcc_also(a, cc, slow);
}

static uint32_t slow_if_null(struct asm_buf *a, struct asm_mem m, uint32_t slow)
{
    asm_op_mem(a, true, 0x83, 7, m); /* cmp qword [m], 0 */
    asm_8(a, 0);
    return asm_jcc_also(a, CC_E, slow);
}

/* The value in `reg` is an address. Destroys rax. */
static uint32_t slow_if_noncanonical(struct asm_buf *a, unsigned reg, uint32_t slow)
{
    asm_mov(a, H_RAX, reg);
    shift(a, true, SHIFT_LEFT, H_RAX, 16);
    shift(a, true, SHIFT_SIGNED, H_RAX, 16);
    asm_op_reg(a, true, 0x39, reg, H_RAX);
    return asm_jcc_also(a, CC_NE, slow);
}

/* A byte of the hot page = bit n of `flags`, by way of `scratch`. */
static void put_bit(struct asm_buf *a, unsigned flags, unsigned n, unsigned scratch,
                    struct asm_mem byte)
{
    asm_op_reg(a, false, 0x89, flags, scratch);
    shift(a, false, SHIFT_RIGHT, scratch, n);
    asm_op_reg(a, false, 0x83, OP_AND, scratch);
    asm_8(a, 1);
    asm_op_mem(a, false, 0x88, scratch, byte);
}

/* RFLAGS in `flags` become the guest's, but for the arithmetic ones. */
static void set_system_flags(struct asm_buf *a, unsigned flags, unsigned scratch)
{
    put_bit(a, flags, 9, scratch, HOT(iflag));
    put_bit(a, flags, 10, scratch, HOT(dflag));
    asm_op_reg(a, false, 0x89, flags, scratch);
    op_imm(a, false, OP_AND, scratch, SYSTEM_FLAGS);
    asm_store32(a, HOT(rflags), scratch);
}

/* The arithmetic flags of the image in eax become the host's. Destroys rax and `scratch`. */
static void set_arithmetic_flags(struct asm_buf *a, unsigned scratch)
{
    asm_op_reg(a, false, 0x89, H_RAX, scratch);
    shift(a, false, SHIFT_RIGHT, scratch, 11);
    asm_op_reg(a, false, 0x83, OP_AND, scratch);
    asm_8(a, 1);
    asm_op_reg(a, false, 0x88, H_RAX, 4);       /* mov ah, al */
    asm_op_reg(a, false, 0x88, scratch, H_RAX); /* mov al, scratch8 */
    asm_flags_load(a);
}

static void enter_level(struct asm_buf *a, enum dbt_level level, unsigned scratch)
{
    asm_op_mem(a, false, 0xc6, 0, HOT(level)); /* mov byte [level], level */
    asm_8(a, level);
    asm_load(a, scratch, HOT(side[level].space));
    asm_store(a, HOT(space), scratch);
    asm_load32(a, scratch, HOT(side[level].sel));
    asm_store32(a, HOT(sel), scratch);
}

/* The new space shows the same hot page. */
static void switch_space(struct asm_buf *a, enum dbt_level level)
{
    static const uint8_t wrgsbase_r15[] = {0xf3, 0x49, 0x0f, 0xae, 0xdf};
    asm_load(a, H_R15, HOT(side[level].base));
    asm_bytes(a, wrgsbase_r15, sizeof(wrgsbase_r15));
}

/* On at r11, with rax from where it was kept. */
static void go(struct asm_buf *a)
{
    asm_load(a, H_RAX, HOT(tmp[0]));
    asm_jmp_mem(a, HOT(go));
}

/* RFLAGS as the guest would push them, into eax; rcx is scratch. The flags are gone then. */
static void flags_image(struct asm_buf *a)
{
    static const uint8_t movzx_ecx_ah[] = {0x0f, 0xb6, 0xcc};
    asm_flags_keep(a);
    asm_bytes(a, movzx_ecx_ah, sizeof(movzx_ecx_ah)); /* bit 1 is set, as it is to be */
    asm_op_reg(a, false, 0x0fb6, H_RAX, H_RAX);       /* movzx eax, al */
    shift(a, false, SHIFT_LEFT, H_RAX, 11);
    asm_op_reg(a, false, 0x09, H_RCX, H_RAX);
    asm_op_mem(a, false, 0x0fb6, H_RCX, HOT(iflag));
    shift(a, false, SHIFT_LEFT, H_RCX, 9);
    asm_op_reg(a, false, 0x09, H_RCX, H_RAX);
    asm_op_mem(a, false, 0x0b, H_RAX, HOT(rflags)); /* or eax, [rflags] */
}

static void to_slow(struct asm_buf *a)
{
    asm_load(a, H_RAX, HOT(tmp[0]));
    asm_load32(a, H_R11, HOT(tmp[2]));
    asm_jmp_mem(a, HOT(slow));
}

/* r11 = guest address behind the instruction, r15 = site. */
uint32_t stub_syscall(struct asm_buf *a)
{
    uint32_t at = a->len, slow = 0;
    asm_store(a, HOT(tmp[0]), H_RAX);
    asm_store(a, HOT(tmp[3]), H_RCX);
    asm_store(a, HOT(tmp[2]), H_R15);
    flags_image(a);
    asm_load(a, H_R15, HOT(cpu));
    asm_op_mem(a, false, 0x8b, H_RCX, CPU(fmask));
    asm_op_reg(a, false, 0xf7, 2, H_RCX); /* not ecx */
    asm_op_reg(a, false, 0x21, H_RAX, H_RCX);
    slow = slow_if_any(a, H_RCX, FL_AC | FL_TF, slow);
    slow = slow_if_bits(a, CPU(efer), EFER_SCE, CC_E, slow);
    slow = slow_if_null(a, HOT(side[DBT_LEVEL_KERNEL].base), slow);
    asm_store(a, HOT(reg[0]), H_RAX);
    set_system_flags(a, H_RCX, H_RAX);
    enter_level(a, DBT_LEVEL_KERNEL, H_RAX);
    asm_load(a, H_R15, CPU(lstar));
    asm_op_reg(a, false, 0x89, H_RCX, H_RAX);
    asm_mov(a, H_RCX, H_R11); /* the guest's */
    set_arithmetic_flags(a, H_R11);
    asm_mov(a, H_R11, H_R15);
    switch_space(a, DBT_LEVEL_KERNEL);
    go(a);
    asm_here_all(a, slow);
    set_arithmetic_flags(a, H_RCX);
    asm_load(a, H_RCX, HOT(tmp[3]));
    to_slow(a);
    return at;
}

/* RFLAGS in eax, rip in tmp[1], rax in tmp[0]: all that is left of SYSRET and IRET. */
static void return_to(struct asm_buf *a, enum dbt_level level)
{
    set_system_flags(a, H_RAX, H_R15);
    if (level != DBT_LEVEL_SAME)
        enter_level(a, level, H_R15);
    set_arithmetic_flags(a, H_R15);
    asm_load(a, H_R11, HOT(tmp[1]));
    if (level != DBT_LEVEL_SAME)
        switch_space(a, level);
    go(a);
}

/* May these flags (in eax) be loaded just so? */
static uint32_t check_flags(struct asm_buf *a, uint32_t slow)
{
    slow = slow_if_any(a, H_RAX, FL_TF | FL_AC | FL_NT, slow);
    asm_op_reg(a, false, 0xf7, 0, H_RAX); /* test eax, IF */
    asm_32(a, FL_IF);
    uint32_t off = asm_jcc(a, CC_E);
    slow = compare_byte(a, HOT(irq_waits), 0, CC_NE, slow);
    asm_here(a, off);
    return slow;
}

/* r11 = site. No flags are live: the instruction loads them. */
uint32_t stub_sysret(struct asm_buf *a)
{
    uint32_t at = a->len, slow = 0;
    asm_store(a, HOT(tmp[0]), H_RAX);
    asm_store(a, HOT(tmp[1]), H_RCX);
    asm_store(a, HOT(tmp[2]), H_R11);
    asm_load(a, H_R15, HOT(cpu));
    slow = slow_if_null(a, HOT(side[DBT_LEVEL_USER].base), slow);
    slow = slow_if_bits(a, CPU(efer), EFER_SCE, CC_E, slow);
    slow = slow_if_noncanonical(a, H_RCX, slow);
    asm_load32(a, H_RAX, HOT(reg[0]));
    slow = check_flags(a, slow);
    return_to(a, DBT_LEVEL_USER);
    asm_here_all(a, slow);
    to_slow(a);
    return at;
}

/* Is the descriptor at this host address the flat one? */
static uint32_t check_descriptor(struct asm_buf *a, struct asm_mem at, uint64_t flat, uint32_t slow)
{
    asm_load(a, H_RCX, at);
    asm_op_reg(a, true, 0x85, H_RCX, H_RCX);
    slow = asm_jcc_also(a, CC_E, slow);
    asm_mov_imm64(a, H_RAX, flat);
    asm_op_mem(a, true, 0x39, H_RAX, MEM_BASE(H_RCX, 0));
    return asm_jcc_also(a, CC_NE, slow);
}

/* cmp ax, [frame + at] */
static uint32_t check_selector(struct asm_buf *a, unsigned at, uint32_t slow)
{
    asm_8(a, 0x66);
    asm_op_mem(a, false, 0x3b, H_RAX, MEM_BASE(H_R11, (int32_t)at));
    return asm_jcc_also(a, CC_NE, slow);
}

/* The frame at r11 names the level's segments as STAR does, and their descriptors are such that the
 * same comes of it. */
static uint32_t check_segments(struct asm_buf *a, enum dbt_level level, uint32_t slow)
{
    bool user = level == DBT_LEVEL_USER;
    asm_load32(a, H_RAX, HOT(side[level].sel));
    slow = check_selector(a, FRAME_CS, slow);
    shift(a, false, SHIFT_RIGHT, H_RAX, 16);
    slow = check_selector(a, FRAME_SS, slow);
    slow = check_descriptor(a, HOT(side[level].cs), user ? FLAT_USER_CS : FLAT_KERNEL_CS, slow);
    return check_descriptor(a, HOT(side[level].ss), user ? FLAT_USER_SS : FLAT_KERNEL_SS, slow);
}

/*
 * From kernel to kernel with a null SS, as in handlers that came from user mode: neither register
 * changes, if CS is flat already.
 */
static uint32_t check_same_segments(struct asm_buf *a, uint32_t slow)
{
    const uint64_t flat = (uint64_t)UINT32_MAX << 32 | FLAT_KERNEL_ATTR << 16;
    slow = compare_byte(a, HOT(level), DBT_LEVEL_SAME, CC_NE, slow);
    slow = compare_byte(a, CPU(seg[SEG_SS].unusable), 0, CC_E, slow);
    asm_load32(a, H_RAX, HOT(sel));
    op_imm(a, false, OP_CMP, H_RAX, UINT16_MAX); /* SS is null? */
    slow = asm_jcc_also(a, CC_A, slow);
    slow = check_selector(a, FRAME_CS, slow);
    asm_8(a, 0x66);
    asm_op_mem(a, false, 0x3b, H_RAX, HOT(side[DBT_LEVEL_KERNEL].sel));
    slow = asm_jcc_also(a, CC_NE, slow);
    asm_mov_imm64(a, H_RCX, flat);
    asm_op_reg(a, true, 0x09, H_RCX, H_RAX);
    asm_op_mem(a, true, 0x39, H_RAX, CPU(seg[SEG_CS])); /* selector, attributes, limit */
    slow = asm_jcc_also(a, CC_NE, slow);
    return check_descriptor(a, HOT(side[DBT_LEVEL_KERNEL].cs), FLAT_KERNEL_CS, slow);
}

/* Segments that an outer level may not hold are dropped: only those that hold none stay so. */
static uint32_t check_null(struct asm_buf *a, uint32_t slow)
{
    static const uint8_t segs[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    for (unsigned i = 0; i < sizeof(segs); i++)
        slow = compare_byte(a, CPU(seg[segs[i]].unusable), 0, CC_E, slow);
    return slow;
}

/* The frame is at r11. Leaves its rip in rcx, and its flags in eax. */
static uint32_t check_iret(struct asm_buf *a, enum dbt_level level, uint32_t slow)
{
    asm_load(a, H_R15, HOT(cpu));
    slow = compare_byte(a, CPU(nmi_masked), 0, CC_NE, slow);
    if (level == DBT_LEVEL_USER)
        slow = check_null(a, slow);
    slow = slow_if_bits(a, HOT(rflags), FL_NT, CC_NE, slow);
    if (level == DBT_LEVEL_SAME) {
        slow = check_same_segments(a, slow);
    } else {
        slow = slow_if_null(a, HOT(side[level].base), slow);
        slow = check_segments(a, level, slow);
    }
    asm_load(a, H_RCX, MEM_BASE(H_R11, FRAME_RIP));
    slow = slow_if_noncanonical(a, H_RCX, slow);
    asm_load32(a, H_RAX, MEM_BASE(H_R11, FRAME_FLAGS));
    return check_flags(a, slow);
}

/* IRET to this level; returns the jumps to the slow path. */
static uint32_t iret_to(struct asm_buf *a, enum dbt_level level, uint32_t slow)
{
    slow = check_iret(a, level, slow);
    asm_store(a, HOT(tmp[1]), H_RCX);
    asm_load(a, H_RSP, MEM_BASE(H_R11, FRAME_RSP));
    asm_load(a, H_RCX, HOT(tmp[3]));
    return_to(a, level);
    return slow;
}

/* r11 = site, r15 = what to add to rsp: its page was looked up and touched. */
uint32_t stub_iret(struct asm_buf *a)
{
    uint32_t at = a->len;
    asm_store(a, HOT(tmp[0]), H_RAX);
    asm_store(a, HOT(tmp[3]), H_RCX);
    asm_store(a, HOT(tmp[2]), H_R11);
    asm_op_reg(a, false, 0x89, H_RSP, H_RAX);
    op_imm(a, false, OP_AND, H_RAX, GUEST_PAGE_SIZE - 1);
    op_imm(a, false, OP_CMP, H_RAX, GUEST_PAGE_SIZE - FRAME);
    uint32_t slow = asm_jcc_also(a, CC_A, 0);
    asm_lea(a, H_R11, MEM_INDEXED(H_RSP, H_R15, 0));
    asm_op_mem(a, false, 0xf6, 0, MEM_BASE(H_R11, FRAME_CS)); /* test byte [cs], 3 */
    asm_8(a, 3);
    uint32_t kernel = asm_jcc(a, CC_E);
    slow = iret_to(a, DBT_LEVEL_USER, slow);
    asm_here(a, kernel);
    asm_8(a, 0x66);
    asm_op_mem(a, false, 0x83, 7, MEM_BASE(H_R11, FRAME_SS)); /* cmp word [ss], 0 */
    asm_8(a, 0);
    uint32_t null = asm_jcc(a, CC_E);
    slow = iret_to(a, DBT_LEVEL_KERNEL, slow);
    asm_here(a, null);
    slow = iret_to(a, DBT_LEVEL_SAME, slow);
    asm_here_all(a, slow);
    asm_load(a, H_RCX, HOT(tmp[3]));
    to_slow(a);
    return at;
}
