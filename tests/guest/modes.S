/*
 * Every mode and back: long -> compatibility -> long, and long -> compatibility -> 32-bit protected
 * without paging -> 16-bit protected -> real -> virtual-8086 is left out -> real mode interrupt ->
 * protected -> long. Called from modes.c: int all_modes(void) returns 0 or the step that failed.
 */
#include "asm.h"

#define TOP_RAM 0x01800000 /* what the last 4 MiB of 32-bit paging map */
#define REAL 0x9000 /* where the 16-bit part is copied, and its data and stack */

    .text
    .code64
    .globl all_modes, real_part, real_part_end, compat_result, wrap_result
all_modes:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, saved_rsp
    mov $0x1122334455667788, %r15 /* high registers outlive compatibility mode */
    /* far return to 32-bit code */
    pushq $SEL_CODE32
    pushq $in_compat
    lretq

    .code32
in_compat:
    mov $1, %eax
    mov %cs, %cx
    cmp $SEL_CODE32, %cx
    jne bad32
    /* 32-bit code: this byte is DEC ECX here, a REX prefix in 64-bit code */
    mov $5, %ecx
    .byte 0x49
    cmp $4, %ecx
    jne bad32
    mov $0x80000000, %edx
    lea 0x7fffffff(%edx), %edx
    add $1, %edx /* wraps at 32 bits */
    jnz bad32
    push $0x1234
    pop %edx
    cmp $0x1234, %edx
    jne bad32
    movl $0x600d, compat_result
    ljmp $SEL_KCODE, $back_in_long

bad32:
    mov %eax, failed_step
    mov saved_rsp, %esp
    ljmp $SEL_KCODE, $leave

    .code64
back_in_long:
    mov $2, %eax
    mov $0x1122334455667788, %rcx
    cmp %rcx, %r15
    jne bad64
    /* out of long mode: only from compatibility mode */
    pushq $SEL_CODE32
    pushq $leave_paging
    lretq

bad64:
    mov %eax, failed_step
    jmp leave

    .code32
leave_paging:
    mov $SEL_KDATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %cr0, %eax
    and $0x7fffffff, %eax
    mov %eax, %cr0
    mov $MSR_EFER, %ecx
    rdmsr
    mov %eax, %ebx
    mov $3, %eax
    test $0x400, %ebx /* LMA went with paging */
    jnz bad_unpaged
    /* 32-bit paging with 4 MiB pages for a moment */
    mov $4, %eax
    mov $paging32, %edi
    mov $0x83, %edx
    mov $1024, %ecx
1:  mov %edx, (%edi)
    add $0x400000, %edx
    add $4, %edi
    loop 1b
    movl $(TOP_RAM | 0x83), paging32 + 4 * 1023
    mov $paging32, %edx
    mov %edx, %cr3
    mov %cr4, %edx
    and $~0x20, %edx
    or $0x10, %edx
    mov %edx, %cr4
    mov $MSR_EFER, %ecx
    push %eax
    rdmsr
    and $~0x100, %eax /* LME */
    wrmsr
    pop %eax
    mov %cr0, %edx
    or $0x80000000, %edx
    mov %edx, %cr0
    movl $0xabcd, compat_result + 4
    cmpl $0xabcd, compat_result + 4
    jne bad_unpaged
    call wrap
    mov %cr0, %edx
    and $0x7fffffff, %edx
    mov %edx, %cr0
    /* down to real mode by way of 16-bit segments */
    mov $5, %eax
    lidt real_idt
    mov $SEL_DATA16, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    mov %ecx, %ss
    ljmp $SEL_CODE16, $REAL

bad_unpaged:
    mov %eax, failed_step
    jmp to_long

/* What crosses the top of a flat segment goes on at address 0: load, store, locked, code, stack. */
wrap:
    push (0)
    push (4)
    movl $0x55667788, 0xfffffffe
    mov 0xfffffffe, %ecx
    mov %ecx, wrap_result
    movzwl 0, %ecx
    mov %ecx, wrap_result + 4
    lock addl $0x00011000, 0xfffffffe
    mov 0xfffffffe, %ecx
    mov %ecx, wrap_result + 8
    movb $0xb9, 0xfffffffd /* mov $imm, %ecx; the immediate is what was just stored */
    movb $0xc3, 2
    mov $0xfffffffd, %edx
    call *%edx
    mov %ecx, wrap_result + 12
    mov %esp, %ecx
    mov $2, %esp
    push $0x12345678
    pop %edx
    mov %ecx, %esp
    mov %edx, wrap_result + 16
    pop (4)
    pop (0)
    ret

/* Copied to REAL. Here in 16-bit protected mode. */
    .code16
real_part:
    mov %cr0, %ecx
    and $~1, %ecx
    mov %ecx, %cr0
    ljmp $0, $(REAL + (in_real - real_part))
in_real:
    mov $REAL >> 4, %cx
    mov %cx, %ds
    mov %cx, %ss
    mov $0x800, %sp
    xor %cx, %cx
    mov %cx, %es
    /* a vector of the real-mode table: INT 0x21 */
    mov $(REAL + (on_int21 - real_part)), %cx
    mov %cx, %es:0x21 * 4
    movw $0, %es:0x21 * 4 + 2
    mov $0x1111, %ax
    int $0x21
    movw %ax, %es:(REAL + 0x900)
    /* 20-bit arithmetic and a segment above it: ffff:0010 is 1 MiB */
    mov $0xffff, %cx
    mov %cx, %es
    movw %es:0x10, %dx
    xor %cx, %cx
    mov %cx, %es
    movw %dx, %es:(REAL + 0x902)
    mov %cs, %cx
    movw %cx, %es:(REAL + 0x904)
    pushfw
    popw %cx
    movw %cx, %es:(REAL + 0x906)
    mov $5, %eax
    /* back up */
    lgdtl %cs:(REAL + (real_gdt - real_part))
    mov %cr0, %ecx
    or $1, %ecx
    mov %ecx, %cr0
    ljmpl $SEL_CODE32, $up_again
on_int21:
    add $0x2222, %ax
    iret
real_gdt:
    .word GDT_LIMIT
    .long gdt
real_part_end:

    .code32
up_again:
    mov $SEL_KDATA, %ecx
    mov %ecx, %ds
    mov %ecx, %es
    mov %ecx, %ss
    movl $0, failed_step
to_long:
    mov saved_rsp, %esp
    movl $resumed, next_entry
    movl saved_rsp, %eax
    mov %eax, next_stack
    jmp enter_long

    .code64
resumed:
    mov saved_rsp, %rsp
leave:
    mov saved_rsp, %rsp
    mov failed_step, %eax
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .data
    .align 8
saved_rsp: .quad 0
failed_step: .long 99
compat_result: .long 0, 0
wrap_result: .long 0, 0, 0, 0, 0
real_idt:
    .word 0x3ff
    .long 0
    .bss
    .align 4096
paging32: .skip 4096
