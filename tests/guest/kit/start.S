/*
 * From the PVH entry (32-bit protected mode, paging off) to main() in 64-bit mode, and the entry
 * points of all 256 vectors. Physical memory below 4 GiB is mapped one to one by 2 MiB pages.
 */
#include "asm.h"

    .section .note.pvh, "a", @note
    .long 4, 4, 18 /* name size, desc size, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long start32

    .section .text.start, "ax"
    .code32
    .globl start32
start32:
    cld
    mov $boot_stack_top, %esp
    call build_tables
    call enter_long
    /* not reached */

build_tables:
    movl $pdpt + 3, pml4
    movl $pd + 3, %eax
    mov $pdpt, %edi
    mov $4, %ecx
1:  mov %eax, (%edi)
    add $0x1000, %eax
    add $8, %edi
    loop 1b
    mov $0x83, %eax /* present, writable, 2 MiB */
    mov $pd, %edi
    mov $2048, %ecx
1:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    ret

/* Also the way of the other CPUs: eax, ecx, edx are lost, then on at *long_entry with its stack. */
    .globl enter_long
enter_long:
    mov $pml4, %eax
    mov %eax, %cr3
    mov $CR4_BOOT, %eax
    mov %eax, %cr4
    mov $MSR_EFER, %ecx
    mov $EFER_BOOT, %eax
    xor %edx, %edx
    wrmsr
    mov $CR0_BOOT, %eax
    mov %eax, %cr0
    lgdt gdt_pointer
    ljmp $SEL_KCODE, $start64

    .code64
start64:
    mov $SEL_KDATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    xor %eax, %eax
    mov %eax, %fs
    mov %eax, %gs
    lidt idt_pointer(%rip)
    mov next_stack, %rsp
    xor %ebp, %ebp
    mov next_entry, %rax
    call *%rax
    ud2

/* ---- traps ---- */

    .text
    .globl trap_stubs
    .align 16
trap_stubs:
    vector = 0
    .rept 256
    .align 16
    .if (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21)
    push $0
    .endif
    push $vector
    jmp trap_common
    vector = vector + 1
    .endr

trap_common:
    push %r15
    push %r14
    push %r13
    push %r12
    push %r11
    push %r10
    push %r9
    push %r8
    push %rbp
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rbx
    push %rax
    cld
    mov %rsp, %rdi
    mov %rsp, %rbx
    and $-16, %rsp
    call trap_entry
    mov %rbx, %rsp
    .globl trap_return
trap_return:
    pop %rax
    pop %rbx
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    pop %rbp
    pop %r8
    pop %r9
    pop %r10
    pop %r11
    pop %r12
    pop %r13
    pop %r14
    pop %r15
    add $16, %rsp
    iretq

/* ---- to user mode and back: uint64_t user_run(rip, rsp, rflags, cs, ss) ---- */

    .globl user_run
user_run:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, user_return_rsp
    push %r8
    push %rsi
    push %rdx
    push %rcx
    push %rdi
    iretq
/* trap_entry() resumes here, on the stack of user_run, with interrupts off. */
    .globl user_back
user_back:
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    mov user_rax, %rax
    ret

/* ---- start-up of the other CPUs: copied to AP_START, entered in real mode ---- */

    .globl ap_trampoline, ap_trampoline_end
    .code16
ap_trampoline:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl AP_START + (ap_gdt_pointer - ap_trampoline)
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $SEL_CODE32, $ap_start32
ap_gdt_pointer:
    .word GDT_LIMIT
    .long gdt
ap_trampoline_end:

    .code32
ap_start32:
    mov $SEL_KDATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $boot_stack_top, %esp /* one CPU at a time; only for the call */
    jmp enter_long

/* ---- tables ---- */

    .data
    .globl gdt, gdt_pointer, idt_pointer, next_entry, next_stack, user_return_rsp, user_rax
    .align 16
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* SEL_CODE32 */
    .quad 0x00af9b000000ffff /* SEL_KCODE */
    .quad 0x00cf93000000ffff /* SEL_KDATA */
    .quad 0x00cffb000000ffff /* SEL_UCODE32 */
    .quad 0x00cff3000000ffff /* SEL_UDATA */
    .quad 0x00affb000000ffff /* SEL_UCODE */
    .quad 0x00008f000000ffff /* SEL_CODE16: conforming-free 16-bit code, set by modes.S */
    .quad 0x000093000000ffff /* SEL_DATA16 */
    .quad 0x00cf13000000ffff /* SEL_ABSENT: data, not present */
    .fill 2 * MAX_CPUS, 8, 0 /* SEL_TSS + 16 * cpu */
    .globl gdt_end
gdt_end:
    .word 0, 0, 0
gdt_pointer:
    .word GDT_LIMIT
    .quad gdt
    .word 0, 0, 0
idt_pointer:
    .word 4095
    .quad idt
next_entry: .quad guest_start
next_stack: .quad boot_stack_top
user_return_rsp: .quad 0
user_rax: .quad 0

    .bss
    .globl pml4, pdpt, pd, idt, boot_stack_top
    .align 4096
pml4: .skip 4096
pdpt: .skip 4096
pd:   .skip 4 * 4096
idt:  .skip 4096
    .skip 16384
boot_stack_top:
