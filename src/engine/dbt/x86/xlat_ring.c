/*
 * Between user and kernel mode: what SYSCALL, SYSRET and IRET leave to the stubs (stubs_ring.c).
 * Each has a site, for all that is not as usual.
 */
#include "engine/dbt/x86/xlat.h"

/* `reg` = the site's number, and to the stub. */
static void to_stub(struct xlat *x, unsigned reg, struct asm_mem stub)
{
    uint32_t site = xlat_new_site(x, CODE_SITE_ENDS);
    asm_mov_imm32(&x->a, reg, 0);
    x->site_fix[site] = x->a.len - 4;
    asm_jmp_mem(&x->a, stub);
    x->ended = true;
}

void xlat_syscall(struct xlat *x)
{
    asm_load(&x->a, H_R11, HOT(code_base));
    asm_lea(&x->a, H_R11, MEM_BASE(H_R11, (int32_t)xlat_next_off(x)));
    to_stub(x, H_R15, HOT(syscall));
}

/* The stubs do not keep the flags, which these replace, unless they fault. */
static bool returns(const struct xlat *x, const struct x86_insn *in)
{
    return !(x->ctx & CTX_USER) && in->opsize == 8 && !x->strict;
}

bool xlat_sysret(struct xlat *x)
{
    if (!returns(x, &xlat_cur(x)->in))
        return false;
    to_stub(x, H_R11, HOT(sysret));
    return true;
}

/* The frame's first word is read here, where a stray access has a site. */
bool xlat_iret(struct xlat *x)
{
    struct xlat_mem m = {.guest = MEM_BASE(H_RSP, 0)};
    if (!returns(x, &xlat_cur(x)->in))
        return false;
    xlat_check(x, &m, (struct xlat_want){.size = 8});
    xlat_access_here(x);
    asm_load(&x->a, H_R11, m.host);
    to_stub(x, H_R11, HOT(iret));
    return true;
}
