/*
 * The translator: guest x86-64 code of one page into host code, one block at a time.
 *
 * What translated code assumes and keeps (see docs/translation.md):
 * 1. Guest registers are in the host's of the same number; r11 and r15 are in the hot page, and the
 *    host's r11 and r15 are scratch between any two guest instructions.
 * 2. The arithmetic flags are in the host's wherever some later instruction may read them ("live").
 *    Where none are, translated code may destroy them.
 * 3. The direction flag of the host is clear; the guest's is in struct x86_cpu.
 * 4. A guest instruction changes nothing before its last check has passed. So any of its sites can
 *    leave it to the interpreter, from its beginning.
 * 5. No address is in the code: RIP is the hot page's code_base and an offset.
 */
#ifndef DOPPEL_ENGINE_DBT_X86_XLAT_H
#define DOPPEL_ENGINE_DBT_X86_XLAT_H

#include "engine/dbt/asm.h"
#include "engine/dbt/code.h"
#include "engine/dbt/space.h"
#include "engine/dbt/x86/ctx.h"
#include "isa/x86/insn.h"

enum {
    XLAT_INSNS = 64,
    XLAT_ANCHORS = 16,
    XLAT_LOOPS = 4,
    XLAT_BYTES = 1 << 15,
    XLAT_SITES = 4 * XLAT_INSNS,
    XLAT_LINKS = 2 * XLAT_INSNS + 2 + XLAT_ANCHORS,
    XLAT_TAILS = 6 * XLAT_INSNS,
    XLAT_LONGEST = 15, /* bytes of an instruction */
    XLAT_PADDING = 64, /* bytes that may be read behind the page's end; never part of code */
    XLAT_SELF = 96,    /* of a block that checks itself: comparisons, */
    XLAT_PART = 192,   /* and bytes, with some more */
};

#define STACK(field) MEM_GS(SPACE_STACK + offsetof(struct space_stack, field))
#define HOT(field)   MEM_GS(offsetof(struct dbt_hot, field))

/* A field of the jump table's slot whose place PDEP left in the register. */
#define JUMP(reg, field)                                                                           \
    ((struct asm_mem){(reg), ASM_NONE, 0, true,                                                    \
                      SPACE_JUMP_TABLE + (int32_t)offsetof(struct space_jump, field)})

/* Where a memory operand is, for the instruction being translated. */
struct xlat_mem {
    struct asm_mem guest; /* the guest address, in terms of host registers */
    bool r11;             /* which include r11 */
    struct asm_mem host;  /* after the check: the host address */
};

/* What became of the flags where code must destroy them, and what a tail must undo. */
enum xlat_flags { FLAGS_DEAD, FLAGS_IN_TMP };

/* Code that stands behind the block: taken rarely. */
enum xlat_tail_kind {
    TAIL_PLAIN,
    TAIL_SLOW,
    TAIL_MISALIGNED,
    TAIL_KEPT,
    TAIL_STACK,
    TAIL_LINK,
    TAIL_CROSS,
    TAIL_ATTEND,
    TAIL_STRING,
    TAIL_STALE
};
/* How tails end: xlat_tail.c. */
enum xlat_end { END_SLOW, END_SLOW_TMP, END_LINK, END_ATTEND, END_CROSS, END_COUNT };

struct xlat_tail {
    enum xlat_tail_kind kind;
    uint32_t from;  /* displacement that leads here */
    uint32_t from2; /* another one, or 0 */
    uint32_t index; /* site or link */
    /* Misaligned: */
    enum xlat_flags flags;
    uint32_t back; /* where to go on; what crosses pages is the next tail's */
    struct asm_mem guest;
    uint8_t size;
    bool in_r15; /* the guest address must be in r15 when going back */
    int32_t low; /* stack: of size bytes, `len` */
    uint32_t len;
    /* Kept: */
    uint8_t rcx; /* the register that holds the guest's */
    bool write;
    int64_t target; /* cross, attend: guest target relative to the page's start */
};

struct xlat_insn {
    struct x86_insn in;
    const uint8_t *raw; /* its bytes, and more that may be read */
    uint16_t off;       /* in the page */
    uint8_t live;       /* flags live before it: X86_FL_* */
    uint32_t label;     /* where its host code starts */
    uint8_t anchor[2];  /* of its accesses: number + 1, or 0 */
    bool entered;       /* some later jump of the block comes back here */
    uint32_t joins;     /* chain of forward jumps of the block that come here: asm_here_all() */
};

/* What a look ahead needs to know of the instruction at an offset of the page. */
enum xlat_flow { FLOW_ON, FLOW_TO, FLOW_EITHER, FLOW_AWAY };
struct xlat_peek {
    uint8_t len; /* 0: it does not decode, or not in this page */
    uint8_t read, killed;
    uint8_t flow;   /* enum xlat_flow: to the next one, to `target`, to either, or who knows */
    int32_t target; /* relative to the page's start */
};

/* See xlat_anchor.c. */
struct xlat_anchor {
    uint8_t base;     /* register */
    uint8_t at, last; /* made before this instruction, used last by that one */
    bool write;
    int32_t low;  /* the range starts at base + low, with the base as it is at `at` */
    uint32_t len; /* bytes */
    bool stack;   /* rsp's: the space's stack page, while the range lies there */
    /* Made at a loop's top, for all its rounds: */
    bool loop;
    uint8_t index, scale;   /* the range starts at base + index << scale + low */
    int32_t step;           /* and moves by this much a round */
    uint8_t reg;            /* keeps what to add in all rounds: r11 or r15; 0: none does */
    bool on_base, on_index; /* and that register's value with it */
};

/* See xlat_loop.c. */
struct xlat_loop {
    uint8_t top, end; /* first instruction, and the one that jumps back */
    uint8_t counter;  /* register compared with hot->loop_limit; X86_REG_NONE: ranges do not move */
    int32_t step;     /* of the counter */
    uint32_t label;   /* where a round begins, when all is well */
};

struct xlat {
    struct asm_buf a;
    const struct x86_cpu *c; /* for its CPUID model */
    /* The page as it was when translation began. */
    uint8_t page[GUEST_PAGE_SIZE + XLAT_PADDING];
    uint8_t straddler[XLAT_PADDING];         /* the bytes of an instruction in two pages */
    struct xlat_peek peeks[GUEST_PAGE_SIZE]; /* where `peeked` has a bit, of the page's bytes */
    uint64_t peeked[GUEST_PAGE_SIZE / 64];
    uint64_t lines; /* of 64 bytes that the translation depends on */
    uint32_t ctx;
    unsigned n, i;
    struct xlat_insn insns[XLAT_INSNS];
    struct code_site sites[XLAT_SITES];
    struct code_link links[XLAT_LINKS];
    uint32_t site_fix[XLAT_SITES], link_fix[XLAT_LINKS];
    uint32_t nsites, nlinks;
    struct xlat_tail tails[XLAT_TAILS];
    uint32_t ntails;
    uint32_t ends[END_COUNT]; /* where the last of each kind stands, or 0 */
    struct xlat_anchor anchors[XLAT_ANCHORS];
    unsigned nanchors;
    struct xlat_loop loops[XLAT_LOOPS];
    unsigned nloops;
    /* Blocks that check themselves (xlat_self.c): where the guest's bytes stand, NULL if the block
     * is watched; those in the second page; how many are checked; and where checks jump from. */
    const uint8_t *now, *more;
    uint16_t checked;
    bool loose;              /* leave immediates out (xlat_loose.c) */
    uint8_t mask[XLAT_PART]; /* of the checked bytes: 0xff where they are compared */
    unsigned nself;
    uint32_t self_from[XLAT_SELF];
    unsigned held;      /* number + 1 of the anchor that r15 holds; 0: none */
    unsigned naccesses; /* of the current instruction, checked so far */
    bool lockstep;      /* every block ends at its first branch and leaves through the miss stub */
    bool strict;        /* every flag counts as live everywhere */
    uint8_t live_out;
    bool ended; /* the last instruction left the block for good */
    uint8_t bytes[XLAT_BYTES];
};

/* Another page, or new contents, to translate from. */
void xlat_load_page(struct xlat *x, const uint8_t *bytes);
/* As much of it as a block at `off` that checks itself needs. */
void xlat_load_part(struct xlat *x, const uint8_t *bytes, unsigned off);

/*
 * Translate from `off` in x->page, noting in x->lines what was looked at. With `more` non-NULL the
 * first instruction straddles the page's end and goes on there; it is a block of its own. Fills all
 * of *d but the addresses and generations. Never fails: what cannot be translated is left to the
 * interpreter. With x->now the block checks itself against the bytes there, and in `more`.
 */
void xlat_block(struct xlat *x, struct code_draft *d, unsigned off, const uint8_t *more);

/* Does the instruction at the end of a page go on in the next one? */
bool xlat_straddles(const uint8_t *page, unsigned off);
/* The translation depends on these bytes of the page, no more than a line. */
void xlat_depends(struct xlat *x, unsigned off, unsigned len);

/* Of an instruction that was decoded at `off` of the page; or decoded now, if need be. */
void xlat_note_peek(struct xlat *x, unsigned off, const struct x86_insn *in);
const struct xlat_peek *xlat_peek_at(struct xlat *x, unsigned off);

/* xlat_flags.c: flags live at `off` of the page, as far as a short look ahead tells. */
uint8_t xlat_live_at(struct xlat *x, int64_t off, unsigned depth);
void xlat_liveness(struct xlat *x);

/* xlat_mem.c */
static inline bool xlat_spilled(unsigned guest_reg)
{
    return guest_reg == 11 || guest_reg == 15;
}
struct asm_mem xlat_spill_slot(unsigned guest_reg);
/* The instruction's memory operand without its segment, 64-bit registers; may load r11 and r15. */
struct asm_mem xlat_offset(struct xlat *x, const struct x86_insn *in);
/* The guest address of the memory operand, with an index only if it is anchored; likewise. */
void xlat_address(struct xlat *x, const struct x86_insn *in, struct xlat_mem *m);
/*
 * Check the access and set m->host, which uses r15 and perhaps r11. `aligned`: only aligned ones
 * may pass. With `data`, r11 is free for the caller afterwards; without, and not anchored, r15 is
 * what to add to the guest address.
 */
struct xlat_want {
    uint8_t size;
    bool write, aligned, data;
};
void xlat_check(struct xlat *x, struct xlat_mem *m, struct xlat_want want);
/* Number + 1 of the anchor that the next access to be checked has; 0: none. */
static inline unsigned xlat_anchor_of_next(const struct xlat *x)
{
    return x->naccesses < 2 ? x->insns[x->i].anchor[x->naccesses] : 0;
}
/* The next host instruction is the access of the last check. */
void xlat_access_here(struct xlat *x);
/* The page table's entry for a doubled page number in a register. */
struct asm_mem xlat_table_entry(unsigned index, bool write);
/* Bits of an address that are zero if an access of this size is aligned. */
unsigned xlat_align_mask(unsigned size);
void xlat_keep_flags(struct xlat *x, enum xlat_flags how);
void xlat_load_flags(struct asm_buf *a, enum xlat_flags how);
uint32_t xlat_new_link(struct xlat *x, int64_t target, uint32_t ctx);
uint32_t xlat_new_site(struct xlat *x, unsigned flags);

/* xlat_tail.c */
struct xlat_tail *xlat_new_tail(struct xlat *x, enum xlat_tail_kind kind, uint32_t from);
void xlat_emit_tails(struct xlat *x);
/* To the site's slow path, from where the flags are kept so. */
void xlat_slow(struct xlat *x, uint32_t site, enum xlat_flags flags);

/* xlat_plain.c: instructions that run as they are, memory operand apart. */
bool xlat_plain_ok(const struct xlat *x, const struct x86_insn *in);
bool xlat_plain(struct xlat *x);
/* Does it use scratch registers, beyond what its memory operand needs? */
bool xlat_plain_scratch(const struct x86_insn *in);
/* The instruction, its memory operand at `m`: r11 stands for registers as in xlat_plain(). */
void xlat_encode(struct xlat *x, const struct xlat_insn *xi, struct asm_mem m);

/* xlat_anchor.c: plan all; make those that belong before the current instruction; is it followed
 * by an access that relies on one? */
void xlat_plan_anchors(struct xlat *x);
void xlat_make_anchors(struct xlat *x);
/* When an instruction has been emitted: is the anchor that r15 holds still there? */
void xlat_settle_held(struct xlat *x);
bool xlat_in_anchor(struct xlat *x);

/* xlat_loop.c: what is to be done before the current instruction; and before a poll and a jump back
 * to `to`: returns where that is. Destroys flags, where the flags are dead at a loop's top. */
void xlat_enter_loop(struct xlat *x);
/* The host operand of an access whose anchor is kept in a register. */
struct asm_mem xlat_kept_operand(const struct xlat_anchor *an, struct asm_mem guest);
uint32_t xlat_loop_back(struct xlat *x, const struct xlat_insn *to);

/* xlat_self.c: does the block that checks itself end behind its last instruction? Emit the check.
 */
bool xlat_self_ends(const struct xlat *x);
void xlat_self_check(struct xlat *x, struct code_draft *d, unsigned off);
/* xlat_loose.c: leave changing fields out of the mask; translate the instruction with them. */
void xlat_loose_mask(struct xlat *x);
bool xlat_loose(struct xlat *x);
/* The check's tail, up to the site. */
void xlat_self_stale(struct xlat *x, uint32_t site);

/* The instruction of the block that a forward branch of its leads to; 0: none does. */
unsigned xlat_join_of(const struct xlat *x, unsigned branch);

/* xlat_flow.c, xlat_stack.c */
void xlat_entry(struct xlat *x, unsigned off);
void xlat_jump(struct xlat *x, int64_t target);
void xlat_jump_r11(struct xlat *x);
void xlat_jcc(struct xlat *x);
void xlat_jmp(struct xlat *x);
void xlat_call(struct xlat *x);
void xlat_ret(struct xlat *x);
bool xlat_push(struct xlat *x);
bool xlat_pop(struct xlat *x);
void xlat_leave(struct xlat *x);
void xlat_lea(struct xlat *x);
bool xlat_div(struct xlat *x);
void xlat_rcx_branch(struct xlat *x);

/* xlat_bits.c: a memory operand and a bit offset in a register */
bool xlat_bit_string(struct xlat *x);

/* xlat_string.c */
bool xlat_string(struct xlat *x);
void xlat_string_tail(struct xlat *x, const struct xlat_tail *t);

/* xlat_ring.c; they end the block. */
void xlat_syscall(struct xlat *x);
bool xlat_sysret(struct xlat *x);
bool xlat_iret(struct xlat *x);

/* xlat_system.c: in kernel mode, but for PUSHF and CLD */
void xlat_sti(struct xlat *x);
void xlat_cli(struct xlat *x);
void xlat_cld(struct xlat *x);
void xlat_swapgs(struct xlat *x);
void xlat_rdtsc(struct xlat *x);
bool xlat_pushf(struct xlat *x);
/* Leave the instruction to its site if the hot byte is not 0. Keeps the flags. */
void xlat_slow_unless_zero(struct xlat *x, struct asm_mem byte);
/* MOV from a segment register; MOV from a control register. */
bool xlat_read_seg(struct xlat *x);
bool xlat_read_cr(struct xlat *x);

static inline struct xlat_insn *xlat_cur(struct xlat *x)
{
    return &x->insns[x->i];
}

/* Offset of the instruction behind the current one. */
static inline int64_t xlat_next_off(struct xlat *x)
{
    return xlat_cur(x)->off + xlat_cur(x)->in.len;
}

#endif
