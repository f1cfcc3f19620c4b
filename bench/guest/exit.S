/*
 * The smallest machine: a multiboot kernel whose first instructions end it through the debug-exit port.
 * The time from exec to exit bounds the time to the first guest instruction.
 */
    .set FLAGS, 0

    .section .text
    .globl _start
    .code32
    .align 4
    .long 0x1badb002            /* [multiboot 0.6.96 3.1.1] magic, flags, checksum */
    .long FLAGS
    .long -(0x1badb002 + FLAGS)
_start:
    mov $42, %al
    out %al, $0xf4
1:  hlt
    jmp 1b

    .section .note.GNU-stack, "", @progbits
