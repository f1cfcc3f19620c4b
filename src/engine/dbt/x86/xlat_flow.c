/*
 * Control flow. Inside the page blocks are linked directly, since wherever the page is mapped they
 * are mapped together; everything else goes through the space's jump table:
 *     r11 = guest address
 *     mov   r15, rcx
 *     mov   ecx, 0
 *     crc32 rcx, r11
 *     pdep  rcx, rcx, gs:[jump_mask]
 *     jmp   gs:[rcx + jump_table]
 * and the entry found there checks that it is the right one. Backward jumps in the page poll for
 * attention, and a jump mask of 0 makes all others attend, so every loop can be stopped.
 */
#include "engine/dbt/x86/stubs.h"
#include "engine/dbt/x86/xlat_anchor.h"

uint32_t xlat_new_link(struct xlat *x, int64_t target, uint32_t ctx)
{
    uint32_t n = x->nlinks++;
    x->links[n] = (struct code_link){.off = (int32_t)target, .ctx = ctx};
    return n;
}

static uint32_t new_link(struct xlat *x, int64_t target)
{
    return xlat_new_link(x, target, x->ctx & ~(uint32_t)CTX_PLAIN);
}

static bool in_page(int64_t target)
{
    return target >= 0 && target < (int64_t)GUEST_PAGE_SIZE;
}

/* Can a jump to `target` be a link? Not if the instruction there goes on in the next page. */
static bool linkable(const struct xlat *x, int64_t target)
{
    return in_page(target) && !x->lockstep && !xlat_straddles(x->page, (unsigned)target);
}

/* The instruction of this block at `target`, already translated; or NULL. Plain code does not go
 * round by itself: the next round may have its anchors again; nor does code that checks itself. */
static const struct xlat_insn *emitted(const struct xlat *x, int64_t target)
{
    if ((x->ctx & CTX_PLAIN) || x->now)
        return NULL;
    for (unsigned k = 0; k <= x->i; k++) {
        if (x->insns[k].off == target)
            return &x->insns[k];
    }
    return NULL;
}

void xlat_jump_r11(struct xlat *x)
{
    if (x->lockstep) {
        asm_jmp_mem(&x->a, HOT(miss));
        return;
    }
    asm_jump_table(&x->a);
}

static void attend_tail(struct xlat *x, uint32_t from, int64_t target)
{
    struct xlat_tail *t = xlat_new_tail(x, TAIL_ATTEND, from);
    t->target = target;
}

/* Leave if attention is wanted, to go on at `target` later. */
static void poll(struct xlat *x, int64_t target, bool live)
{
    struct asm_buf *a = &x->a;
    if (!live) {
        asm_op_mem(a, false, 0x83, 7, HOT(attention)); /* cmp dword [attention], 0 */
        asm_8(a, 0);
        attend_tail(x, asm_jcc(a, CC_NE), target);
        return;
    }
    asm_mov(a, H_R11, H_RCX);
    asm_load32(a, H_RCX, HOT(attention));
    uint32_t ok = asm_jrcxz(a);
    asm_mov(a, H_RCX, H_R11);
    attend_tail(x, asm_jmp(a), target);
    asm_here8(a, ok);
    asm_mov(a, H_RCX, H_R11);
}

/* jmp rel32 to `target` in the page. */
static void link_in_page(struct xlat *x, int64_t target)
{
    uint32_t link = new_link(x, target);
    asm_align_field(&x->a, 1);
    uint32_t at = asm_jmp(&x->a);
    x->links[link].patch = at;
    xlat_new_tail(x, TAIL_LINK, at)->index = link;
}

static bool live_at_target(struct xlat *x, int64_t target)
{
    const struct xlat_insn *to = emitted(x, target);
    return to ? to->live : xlat_live_at(x, target, 1);
}

void xlat_jump(struct xlat *x, int64_t target)
{
    if (!linkable(x, target)) {
        asm_load(&x->a, H_R11, HOT(code_base));
        asm_lea(&x->a, H_R11, MEM_BASE(H_R11, target));
        xlat_jump_r11(x);
        return;
    }
    const struct xlat_insn *to = emitted(x, target);
    uint32_t label = to ? xlat_loop_back(x, to) : 0;
    if (target <= xlat_cur(x)->off)
        poll(x, target, live_at_target(x, target));
    if (to)
        asm_jmp_to(&x->a, label);
    else
        link_in_page(x, target);
}

static int64_t branch_target(struct xlat *x)
{
    return xlat_next_off(x) + (int64_t)xlat_cur(x)->in.imm;
}

unsigned xlat_join_of(const struct xlat *x, unsigned branch)
{
    const struct x86_insn *in = &x->insns[branch].in;
    if (in->iclass != X86_I_JCC || (x->ctx & CTX_PLAIN) || x->lockstep || x->now)
        return 0;
    int64_t target = x->insns[branch].off + in->len + (int64_t)in->imm;
    for (unsigned k = branch + 1; k < x->n && x->insns[k].off <= target; k++) {
        if (x->insns[k].off == target)
            return k;
    }
    return 0;
}

/* The forward branch may lead to its target's label: the loop that it is in has its anchors. */
static bool may_join(struct xlat *x, unsigned to)
{
    const struct xlat_loop *there = to ? xlat_loop_around(x, to) : NULL;
    return to && (!there || to == there->top || there == xlat_loop_around(x, x->i));
}

static void conditional(struct xlat *x, unsigned cc, int64_t target)
{
    struct asm_buf *a = &x->a;
    unsigned join = xlat_join_of(x, x->i);
    if (may_join(x, join)) {
        x->insns[join].joins = asm_jcc_also(a, cc, x->insns[join].joins);
    } else if (linkable(x, target) && target > xlat_cur(x)->off) {
        uint32_t link = new_link(x, target);
        asm_align_field(a, 2);
        uint32_t at = asm_jcc(a, cc);
        x->links[link].patch = at;
        xlat_new_tail(x, TAIL_LINK, at)->index = link;
    } else if (linkable(x, target)) {
        uint32_t over = asm_jcc(a, cc ^ 1);
        xlat_jump(x, target);
        asm_here(a, over);
    } else {
        xlat_new_tail(x, TAIL_CROSS, asm_jcc(a, cc))->target = target;
    }
}

void xlat_jcc(struct xlat *x)
{
    conditional(x, xlat_cur(x)->in.opcode & 15, branch_target(x));
}

/* JRCXZ and LOOP leave the flags alone; both are spelled with the host's own. */
void xlat_rcx_branch(struct xlat *x)
{
    struct asm_buf *a = &x->a;
    bool loop = xlat_cur(x)->in.iclass == X86_I_LOOP;
    if (loop)
        asm_lea(a, H_RCX, MEM_BASE(H_RCX, -1));
    uint32_t zero = asm_jrcxz(a);
    asm_8(a, 0xeb);
    asm_8(a, 0);
    uint32_t not_zero = a->len - 1;
    asm_here8(a, zero);
    uint32_t exit = asm_jmp(a);
    asm_here8(a, not_zero);
    if (loop) {
        xlat_jump(x, branch_target(x));
        asm_here(a, exit);
        xlat_jump(x, xlat_next_off(x));
    } else {
        xlat_jump(x, xlat_next_off(x));
        asm_here(a, exit);
        xlat_jump(x, branch_target(x));
    }
    x->ended = true;
}

/* Where an indirect branch goes, into r11. False: not a form for this. */
static bool load_indirect(struct xlat *x, const struct x86_insn *in)
{
    struct asm_buf *a = &x->a;
    if (!x86_is_mem(in)) {
        unsigned reg = in->op[0].reg;
        if (xlat_spilled(reg))
            asm_load(a, H_R11, xlat_spill_slot(reg));
        else
            asm_mov(a, H_R11, reg);
        return true;
    }
    struct xlat_mem m;
    xlat_address(x, in, &m);
    xlat_check(x, &m, (struct xlat_want){.size = 8, .data = true});
    xlat_access_here(x);
    asm_load(a, H_R11, m.host);
    return true;
}

void xlat_jmp(struct xlat *x)
{
    const struct x86_insn *in = &xlat_cur(x)->in;
    if (in->op[0].kind == X86_OP_REL)
        xlat_jump(x, branch_target(x));
    else if (load_indirect(x, in))
        xlat_jump_r11(x);
    x->ended = true;
}

/* Check the push of 8 bytes; *m is where. */
static void check_push(struct xlat *x, struct xlat_mem *m)
{
    *m = (struct xlat_mem){.guest = MEM_BASE(H_RSP, -8)};
    xlat_check(x, m, (struct xlat_want){.size = 8, .write = true});
}

static void push_return(struct xlat *x)
{
    struct xlat_mem m;
    check_push(x, &m);
    asm_load(&x->a, H_R11, HOT(code_base));
    asm_lea(&x->a, H_R11, MEM_BASE(H_R11, xlat_next_off(x)));
    xlat_access_here(x);
    asm_store(&x->a, m.host, H_R11);
    asm_lea(&x->a, H_RSP, MEM_BASE(H_RSP, -8));
}

void xlat_call(struct xlat *x)
{
    const struct x86_insn *in = &xlat_cur(x)->in;
    struct asm_buf *a = &x->a;
    x->ended = true;
    if (in->op[0].kind == X86_OP_REL) {
        push_return(x);
        xlat_jump(x, branch_target(x));
        return;
    }
    load_indirect(x, in);
    asm_store(a, HOT(tmp[2]), H_R11);
    push_return(x);
    asm_load(a, H_R11, HOT(tmp[2]));
    xlat_jump_r11(x);
}

void xlat_ret(struct xlat *x)
{
    struct xlat_mem m = {.guest = MEM_BASE(H_RSP, 0)};
    xlat_check(x, &m, (struct xlat_want){.size = 8});
    xlat_access_here(x);
    asm_load(&x->a, H_R11, m.host);
    asm_lea(&x->a, H_RSP, MEM_BASE(H_RSP, 8 + (int32_t)(uint16_t)xlat_cur(x)->in.imm));
    xlat_jump_r11(x);
    x->ended = true;
}

/*
 * Entered with r11 = guest address, rcx = slot, r15 = the guest's rcx; perhaps by a jump to another
 * address that shares the slot, so the flags must survive. The first 5 bytes may be overwritten by
 * a jump at any time.
 */
void xlat_entry(struct xlat *x, unsigned off)
{
    struct asm_buf *a = &x->a;
    asm_put(a, 0x441f0f, 5); /* nop [rax + rax] */
    asm_load(a, H_RCX, JUMP(H_RCX, key));
    asm_lea(a, H_RCX, MEM_INDEXED(H_RCX, H_R11, 0));
    uint32_t right = asm_jrcxz(a);
    asm_mov(a, H_RCX, H_R15);
    asm_jmp_mem(a, HOT(miss));
    asm_here8(a, right);
    asm_mov(a, H_RCX, H_R15);
    asm_lea_wide(a, H_R15, H_R11, -(int32_t)off);
    asm_store(a, HOT(code_base), H_R15);
    while (a->len < CODE_PROLOGUE)
        asm_8(a, 0x90);
}
