/*
 * The translator: RISC-V code of one page into x86-64 host code, one block at a time.
 *
 * What translated code assumes and keeps
 * 1. Guest registers are where regs.h says, between any two guest instructions.
 * 2. A guest instruction changes nothing before its last check has passed. So any of its sites can
 *    leave it to the interpreter, from its beginning.
 * 3. Paged memory: no address is in the code; a pc is code_base and an offset. Flat memory: the pc
 *    is a constant, and blocks lead to each other directly wherever they are.
 * 4. Every loop passes a poll: jumps backwards look at `attention`, jumps through the table can be
 *    turned away.
 * 5. Where the context says so (rvx_ctx_fp), MXCSR is the guest's: isa/riscv/fp_state.h.
 */
#ifndef DOPPEL_ENGINE_DBT_RISCV_XLAT_H
#define DOPPEL_ENGINE_DBT_RISCV_XLAT_H

#include "engine/dbt/code.h"
#include "engine/dbt/riscv/ctx.h"
#include "engine/dbt/riscv/regs.h"
#include "engine/dbt/space.h"
#include "isa/riscv/insn.h"

enum {
    RVX_INSNS = 64,
    RVX_BYTES = 1 << 15,
    RVX_SITES = 4 * RVX_INSNS + 2,
    RVX_GROUPS = 16,
    RVX_LINKS = 2 * RVX_INSNS + 2 + RVX_GROUPS,
    RVX_TAILS = 4 * RVX_INSNS,
    RVX_LONGEST = 4, /* bytes of an instruction */
    RVX_PADDING = 8, /* bytes that may be read behind the page's end */
    RVX_PROLOGUE = 40,
};

/* What is known of a register's value at the current instruction. */
enum rvx_known_kind { KNOWN_NOT, KNOWN_VALUE, KNOWN_CODE /* code_base + v */ };
struct rvx_known {
    enum rvx_known_kind kind;
    int64_t v;
};

/* Code that stands behind the block: taken rarely. Expects nothing in scratch registers. */
enum rvx_tail_kind {
    RVX_TAIL_SLOW,
    RVX_TAIL_LINK,
    RVX_TAIL_ATTEND,
    RVX_TAIL_CROSS,
    RVX_TAIL_PAGE,
    RVX_TAIL_NAN,
    RVX_TAIL_PLAIN,
};
struct rvx_tail {
    enum rvx_tail_kind kind;
    uint32_t from;  /* displacement that leads here */
    uint32_t index; /* site or link; NaN: the vector register */
    int64_t target; /* attend, cross: relative to the page's start */
    /* Plain: another displacement that leads here. Page: is the misaligned access, whose address is
     * in rcx, within one? Then back. NaN: the canonical one of that size, and back. */
    uint32_t back;
    uint8_t size;
};

struct rvx_insn {
    struct riscv_insn in;
    uint16_t off;   /* in the page */
    bool entered;   /* some jump of the block comes here: nothing is known of registers */
    uint32_t label; /* where its host code starts */
    uint8_t group;  /* of its access: number + 1, or 0 */
    uint32_t joins; /* chain of forward jumps of the block that come here: asm_here_all() */
};

/* See xlat_group.c. */
struct rvx_group {
    int32_t lo, hi;      /* the range, relative to the base register */
    uint8_t first, last; /* instructions */
    uint8_t word;        /* hot word that keeps what to add; 0: there is none, or no need */
    bool write;
};

struct rvx {
    struct asm_buf a;
    uint8_t page[GUEST_PAGE_SIZE + RVX_PADDING]; /* as it was when translation began */
    uint8_t straddler[RVX_LONGEST];              /* the bytes of an instruction in two pages */
    gva_t page_va;                               /* flat: its address */
    uint64_t lines;                              /* of 64 bytes that the translation depends on */
    uint32_t ctx;
    bool single; /* every block is one instruction, which leaves by the miss stub: lockstep */
    bool has_fma;
    unsigned n, i; /* instructions, and the current one */
    struct rvx_insn insns[RVX_INSNS];
    struct rvx_known known[32];
    struct rvx_group groups[RVX_GROUPS];
    unsigned ngroups;
    uint32_t boxed; /* f registers that are known to hold a float, boxed */
    struct code_site sites[RVX_SITES];
    struct code_link links[RVX_LINKS];
    uint32_t site_fix[RVX_SITES], link_fix[RVX_LINKS];
    uint32_t nsites, nlinks;
    struct rvx_tail tails[RVX_TAILS];
    uint32_t ntails;
    bool ended; /* the last instruction left the block for good */
    uint8_t bytes[RVX_BYTES];
};

/*
 * Translate from `off` in x->page, noting in x->lines what was looked at. With `more` non-NULL the
 * first instruction straddles the page's end and goes on there; it is a block of its own. Fills all
 * of *d but the addresses. Never fails: what cannot be translated is left to the interpreter.
 */
void rvx_block(struct rvx *x, struct code_draft *d, unsigned off, const uint8_t *more);
/* Does the instruction at the end of a page go on in the next one? */
bool rvx_straddles(const uint8_t *page, unsigned off);

static inline struct rvx_insn *rvx_cur(struct rvx *x)
{
    return &x->insns[x->i];
}

static inline bool rvx_flat(const struct rvx *x)
{
    return x->ctx & RVX_CTX_FLAT;
}

/* Offset of the instruction behind the current one. */
static inline int64_t rvx_next_off(struct rvx *x)
{
    return rvx_cur(x)->off + rvx_cur(x)->in.len;
}

/* xlat_regs.c: registers as operands. `r`: guest. */
/* The host register with guest register r's value: its own, or `scratch` after loading it. */
unsigned rvx_src(struct rvx *x, unsigned r, unsigned scratch);
/* Its value in just this scratch register. */
void rvx_load(struct rvx *x, unsigned r, unsigned scratch);
/* Where to compute a result: the register's own, or `scratch`; then rvx_done(). */
unsigned rvx_dst(unsigned r, unsigned scratch);
void rvx_done(struct rvx *x, unsigned r, unsigned host);
/* reg = reg op guest register r, which may be in memory. */
void rvx_op_src(struct rvx *x, bool w, enum asm_alu op, unsigned reg, unsigned r);
/* Registers' values, as far as they are known. */
void rvx_know(struct rvx *x, unsigned r, enum rvx_known_kind kind, int64_t v);
void rvx_forget(struct rvx *x, unsigned r);
/* r = a known value. */
void rvx_put_known(struct rvx *x, unsigned r, struct rvx_known k);
/* The pc of an offset in the page. */
struct rvx_known rvx_pc(const struct rvx *x, int64_t off);
/* host = that value */
void rvx_emit_known(struct rvx *x, unsigned host, struct rvx_known k);

/* xlat_tail.c */
uint32_t rvx_new_site(struct rvx *x, unsigned flags);
struct rvx_tail *rvx_new_tail(struct rvx *x, enum rvx_tail_kind kind, uint32_t from);
/* The jump at `from` leads to the current instruction's slow path. */
void rvx_slow_from(struct rvx *x, uint32_t from);
void rvx_emit_tails(struct rvx *x);
/* To a site's slow path, now. */
void rvx_to_slow(struct rvx *x, uint32_t site);
/* Leave the instruction to the interpreter, always. */
void rvx_whole(struct rvx *x);
/* May the context differ behind it, or control go elsewhere? */
bool rvx_ends_block(const struct riscv_insn *in);

/* Translate the current instruction; false: not theirs, or not now. */
bool rvx_int(struct rvx *x);    /* xlat_int.c */
bool rvx_mul(struct rvx *x);    /* xlat_mul.c */
bool rvx_bits(struct rvx *x);   /* xlat_bits.c */
bool rvx_mem(struct rvx *x);    /* xlat_mem.c */
bool rvx_atomic(struct rvx *x); /* xlat_atomic.c */
bool rvx_flow(struct rvx *x);   /* xlat_flow.c */
bool rvx_fp(struct rvx *x);     /* xlat_fp.c */
/* xlat_fcsr.c: a CSR instruction behind which the block goes on. */
bool rvx_is_fcsr(const struct riscv_insn *in);

/* xlat_fuse.c: it and some behind it, which x->i then counts, too. */
bool rvx_fuse(struct rvx *x);

/* xlat_mem.c: the host operand of an access of `size` bytes at rs1 + imm, checked; the next host
 * instruction but those that load rax must be the access, after rvx_access_here(). Uses rcx, rax;
 * value in rdx survives. */
struct asm_mem rvx_access(struct rvx *x, unsigned rs1, int32_t imm, unsigned size, bool write);
/* The same at an operand in terms of host registers (rax and rcx may be among them); flags of its
 * site. */
struct asm_mem rvx_access_at(struct rvx *x, struct asm_mem guest, unsigned size, unsigned flags);
void rvx_access_here(struct rvx *x);
/* Bytes that an integer load loads; 0: it is none. */
unsigned rvx_load_size(unsigned op);
/* The load itself, from what rvx_access() returned, into rd. */
void rvx_emit_load(struct rvx *x, unsigned op, unsigned rd, struct asm_mem m);

/* Entry of the page of rcx into rax, and flags of it. */
void rvx_table_lookup(struct asm_buf *a, bool write);

/* xlat_group.c */
void rvx_plan_groups(struct rvx *x);
/* The current instruction's; NULL: its access is checked by itself. */
const struct rvx_group *rvx_group_of(const struct rvx *x);
/* Does a later access rely on what an earlier one, or the current, has looked up? */
bool rvx_inside_group(const struct rvx *x);
struct asm_mem rvx_group_access(struct rvx *x, const struct rvx_group *g, unsigned rs1, int32_t imm,
                                unsigned flags);

/* xlat_flow.c */
/* A link to the current instruction's plain translation. */
uint32_t rvx_plain_link(struct rvx *x);
void rvx_entry(struct rvx *x, unsigned off);
/* On at an offset of the page, or of another one. */
void rvx_jump(struct rvx *x, int64_t target);
/* On at the guest address in rcx. */
void rvx_jump_rcx(struct rvx *x);
void rvx_note_joins(struct rvx *x);

/* To rcx by the jump table; arrives with its slot's address in rax. */
void rvx_jump_table(struct asm_buf *a);

#endif
