/*
 * SYSCALL, SYSRET and IRET without C. [SDM 2, SDM 3A 5.8.8]
 *
 * Host code of the site loads what the stub needs and jumps here. A stub looks at everything that
 * would make the change of privilege more than the usual one, before it changes anything; then the
 * site's slow path does it. The usual one: both spaces of this address space are made (hot->other),
 * nothing wants to happen behind the instruction (trap flag, alignment checks, an interrupt that
 * was held back), and CS and SS are flat ones as STAR names them.
 *
 * CS, SS, CPL and what derives from them stay in struct x86_cpu as they were: hot->level says what
 * they are to be, and dbt_handle() catches up.
 */
#include <stddef.h>

#include "engine/dbt/code.h"
#include "engine/dbt/space.h"
#include "engine/dbt/x86/asm.h"
#include "engine/dbt/x86/stubs.h"
#include "isa/x86/regs.h"

#define HOT(field) MEM_GS(offsetof(struct dbt_hot, field))
#define CPU(field) MEM_BASE(H_R15, offsetof(struct x86_cpu, field))

/* What SYSRET and IRET may change in RFLAGS, of what the hot page keeps. */
#define SYSTEM_FLAGS (FL_DF | FL_IOPL | FL_NT | FL_AC | FL_VIF | FL_VIP | FL_ID)

enum { FRAME_RIP = 0, FRAME_CS = 8, FRAME_FLAGS = 16, FRAME_RSP = 24, FRAME_SS = 32, FRAME = 40 };

static void op_imm(struct asm_buf *a, bool w, unsigned op, unsigned reg, uint32_t imm)
{
    asm_op_reg(a, w, 0x81, op, reg);
    asm_32(a, imm);
}

enum { OP_OR = 1, OP_AND = 4, OP_CMP = 7 };

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
    const struct asm_mem space =
        MEM_GS(offsetof(struct dbt_hot, other) + level * sizeof(struct dbt_other) +
               offsetof(struct dbt_other, space));
    asm_op_mem(a, false, 0xc6, 0, HOT(level)); /* mov byte [level], level */
    asm_8(a, level);
    asm_load(a, scratch, space);
    asm_store(a, HOT(space), scratch);
}

static struct asm_mem other_base(enum dbt_level level)
{
    return MEM_GS(offsetof(struct dbt_hot, other) + level * sizeof(struct dbt_other) +
                  offsetof(struct dbt_other, base));
}

/* GS to the other space, and on at r11 with rax from the hot page, which both spaces show. */
static void go(struct asm_buf *a, enum dbt_level level)
{
    static const uint8_t wrgsbase_r15[] = {0xf3, 0x49, 0x0f, 0xae, 0xdf};
    asm_load(a, H_R15, other_base(level));
    asm_bytes(a, wrgsbase_r15, sizeof(wrgsbase_r15));
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
    slow = slow_if_null(a, other_base(DBT_LEVEL_KERNEL), slow);
    asm_store(a, HOT(reg[0]), H_RAX);
    set_system_flags(a, H_RCX, H_RAX);
    enter_level(a, DBT_LEVEL_KERNEL, H_RAX);
    asm_load(a, H_R15, CPU(lstar));
    asm_op_reg(a, false, 0x89, H_RCX, H_RAX);
    asm_mov(a, H_RCX, H_R11); /* the guest's */
    set_arithmetic_flags(a, H_R11);
    asm_mov(a, H_R11, H_R15);
    go(a, DBT_LEVEL_KERNEL);
    asm_here_all(a, slow);
    set_arithmetic_flags(a, H_RCX);
    asm_load(a, H_RCX, HOT(tmp[3]));
    to_slow(a);
    return at;
}

/* RFLAGS in eax, rip in tmp[1], rax in tmp[0]: all that is left of SYSRET and IRET. */
static void to_user(struct asm_buf *a)
{
    set_system_flags(a, H_RAX, H_R15);
    enter_level(a, DBT_LEVEL_USER, H_R15);
    set_arithmetic_flags(a, H_R15);
    asm_load(a, H_R11, HOT(tmp[1]));
    go(a, DBT_LEVEL_USER);
}

/* May these flags (in eax) be loaded just so? */
static uint32_t check_flags(struct asm_buf *a, uint32_t slow)
{
    slow = slow_if_any(a, H_RAX, FL_TF | FL_AC, slow);
    slow = slow_if_null(a, other_base(DBT_LEVEL_USER), slow);
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
    slow = slow_if_bits(a, CPU(efer), EFER_SCE, CC_E, slow);
    slow = slow_if_noncanonical(a, H_RCX, slow);
    asm_load32(a, H_RAX, HOT(reg[0]));
    slow = check_flags(a, slow);
    to_user(a);
    asm_here_all(a, slow);
    to_slow(a);
    return at;
}

/* The selector in the frame at r11 is STAR's (bits 48-63 in ecx) + `step`, and the segment it names
 * is the flat one that SYSRET would load: so says a look at the descriptor itself. */
static uint32_t check_selector(struct asm_buf *a, unsigned at, unsigned step, struct asm_mem desc,
                               uint64_t flat, uint32_t slow)
{
    asm_lea32(a, H_RAX, MEM_BASE(H_RCX, (int32_t)step));
    asm_op_reg(a, false, 0x83, OP_OR, H_RAX);
    asm_8(a, 3);
    asm_8(a, 0x66);
    asm_op_mem(a, false, 0x3b, H_RAX, MEM_BASE(H_R11, (int32_t)at)); /* cmp ax, [frame + at] */
    slow = asm_jcc_also(a, CC_NE, slow);
    asm_load(a, H_RAX, desc);
    asm_op_reg(a, true, 0x85, H_RAX, H_RAX);
    slow = asm_jcc_also(a, CC_E, slow);
    asm_load(a, H_R15, MEM_BASE(H_RAX, 0));
    asm_mov_imm64(a, H_RAX, flat);
    asm_op_reg(a, true, 0x39, H_R15, H_RAX);
    return asm_jcc_also(a, CC_NE, slow);
}

/* Segments that an outer level may not hold are dropped: only those that hold none stay so. */
static uint32_t check_null(struct asm_buf *a, uint32_t slow)
{
    static const uint8_t segs[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    for (unsigned i = 0; i < sizeof(segs); i++)
        slow = compare_byte(a, CPU(seg[segs[i]].unusable), 0, CC_E, slow);
    return slow;
}

static uint32_t check_iret(struct asm_buf *a, uint32_t slow)
{
    asm_load(a, H_R15, HOT(cpu));
    slow = compare_byte(a, CPU(nmi_masked), 0, CC_NE, slow);
    slow = check_null(a, slow);
    slow = slow_if_bits(a, HOT(rflags), FL_NT, CC_NE, slow);
    asm_op_mem(a, false, 0x0fb7, H_RCX, MEM_BASE(H_R15, offsetof(struct x86_cpu, star) + 6));
    slow = check_selector(a, FRAME_CS, 16, HOT(user_cs), FLAT_USER_CS, slow);
    slow = check_selector(a, FRAME_SS, 8, HOT(user_ss), FLAT_USER_SS, slow);
    asm_load(a, H_RCX, MEM_BASE(H_R11, FRAME_RIP));
    slow = slow_if_noncanonical(a, H_RCX, slow);
    asm_load32(a, H_RAX, MEM_BASE(H_R11, FRAME_FLAGS));
    slow = slow_if_any(a, H_RAX, FL_NT, slow);
    return check_flags(a, slow);
}

/* r11 = site, r15 = what to add to rsp: its page was looked up and touched. */
uint32_t stub_iret(struct asm_buf *a)
{
    uint32_t at = a->len, slow;
    asm_store(a, HOT(tmp[0]), H_RAX);
    asm_store(a, HOT(tmp[3]), H_RCX);
    asm_store(a, HOT(tmp[2]), H_R11);
    asm_op_reg(a, false, 0x89, H_RSP, H_RAX);
    op_imm(a, false, OP_AND, H_RAX, GUEST_PAGE_SIZE - 1);
    op_imm(a, false, OP_CMP, H_RAX, GUEST_PAGE_SIZE - FRAME);
    slow = asm_jcc_also(a, CC_A, 0);
    asm_lea(a, H_R11, MEM_INDEXED(H_RSP, H_R15, 0));
    slow = check_iret(a, slow);
    asm_store(a, HOT(tmp[1]), H_RCX);
    asm_load(a, H_RSP, MEM_BASE(H_R11, FRAME_RSP));
    asm_load(a, H_RCX, HOT(tmp[3]));
    to_user(a);
    asm_here_all(a, slow);
    asm_load(a, H_RCX, HOT(tmp[3]));
    to_slow(a);
    return at;
}
