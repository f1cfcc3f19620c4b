/* See host_call.h: the labels are what matters. */
#include "process/linux/host_call.h"

extern const char host_call_check[], host_call_entered[], host_call_stop[];
extern const char host_copy_at[], host_cas_at[], host_copy_failed[];

/* rcx and r11 are the kernel's to destroy; `stop` waits in rcx until then. */
__asm__(".text\n"
        ".globl host_call, host_copy, host_cas32, host_restorer\n"
        ".type host_call, @function\n"
        "host_call:\n"
        "    mov %rdi, %rcx\n"
        "    mov %rsi, %rax\n"
        "    mov %rdx, %r11\n"
        "    mov (%r11), %rdi\n"
        "    mov 8(%r11), %rsi\n"
        "    mov 16(%r11), %rdx\n"
        "    mov 24(%r11), %r10\n"
        "    mov 32(%r11), %r8\n"
        "    mov 40(%r11), %r9\n"
        "host_call_check:\n"
        "    cmpl $0, (%rcx)\n"
        "    jne host_call_stop\n"
        "    syscall\n"
        "host_call_entered:\n"
        "    ret\n"
        "host_call_stop:\n"
        "    mov $-512, %rax\n"
        "    ret\n"
        ".type host_copy, @function\n"
        "host_copy:\n"
        "    mov %rdx, %rcx\n"
        "host_copy_at:\n"
        "    rep movsb\n"
        "    xor %eax, %eax\n"
        "    ret\n"
        "host_copy_failed:\n"
        "    mov $-14, %rax\n"
        "    ret\n"
        ".type host_cas32, @function\n"
        "host_cas32:\n"
        "    mov %esi, %eax\n"
        "host_cas_at:\n"
        "    lock cmpxchg %edx, (%rdi)\n"
        "    mov %eax, %eax\n"
        "    ret\n"
        ".type host_restorer, @function\n"
        "host_restorer:\n"
        "    mov $15, %eax\n" /* rt_sigreturn */
        "    syscall\n"
        ".hidden host_call, host_copy, host_cas32, host_restorer, host_call_check\n"
        ".hidden host_call_entered, host_call_stop, host_copy_at, host_cas_at, host_copy_failed\n");

void host_call_interrupt(ucontext_t *uc)
{
    greg_t *pc = &uc->uc_mcontext.gregs[REG_RIP];
    if (*pc >= (greg_t)host_call_check && *pc < (greg_t)host_call_entered)
        *pc = (greg_t)host_call_stop;
}

bool host_copy_fault(ucontext_t *uc)
{
    greg_t *pc = &uc->uc_mcontext.gregs[REG_RIP];
    if (*pc != (greg_t)host_copy_at && *pc != (greg_t)host_cas_at)
        return false;
    *pc = (greg_t)host_copy_failed;
    return true;
}
