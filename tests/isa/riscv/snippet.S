/*
 * Entry, and the step into and out of a snippet with all registers under the test's control.
 * x31 points to the state throughout; x30 is the snippet's address.
 */
    .option norelax
    .option norvc

    .globl _start
_start:
    beqz sp, bare_start /* Linux would have put the arguments there */
    ld a0, 0(sp)
    addi a1, sp, 8
    andi sp, sp, -16
    call test_main
    li a7, 93 /* exit */
    ecall

/* On the board: M-mode, a1 is the device tree. On with bare_main in S-mode under Sv39. */
bare_start:
    la t0, bare_trap
    csrw mtvec, t0
    li t0, -1
    srli t0, t0, 10
    csrw pmpaddr0, t0
    li t0, 0x1f /* all of it, to all */
    csrw pmpcfg0, t0
    li t0, 3 << 13 | 1 << 11 /* FS Dirty, MPP S */
    csrs mstatus, t0
    la t0, bare_root
    srli t0, t0, 12
    li t1, 8 << 60 /* Sv39 */
    or t0, t0, t1
    csrw satp, t0
    sfence.vma
    la t0, 1f
    csrw mepc, t0
    mret
1:  la sp, bare_stack_end
    mv a0, a1
    call bare_main

/* Nothing should: the machine ends with the cause as its status. */
    .balign 4
bare_trap:
    csrr t0, mcause
    slli t0, t0, 16
    li t1, 0x3333
    or t0, t0, t1
    li t1, 0x100000
    sw t0, 0(t1)
    j bare_trap

/* void snippet_run(struct state *s, const void *code) */
    .globl snippet_run
snippet_run:
    addi sp, sp, -112
    sd ra, 0(sp)
    sd gp, 8(sp)
    sd tp, 16(sp)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    sd s\n, (24 + 8 * \n)(sp)
    .endr
    la t0, saved
    sd sp, 0(t0)
    sd s11, 8(t0)
    sd a0, 16(t0)
    mv x31, a0
    mv x30, a1
    ld t0, 512(x31)
    fscsr t0
    ld t0, 520(x31)
    beqz t0, 1f
    fmv.d.x f0, x0
    fadd.d f0, f0, f0 /* raises nothing */
1:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fld f\n, (256 + 8 * \n)(x31)
    .endr
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    ld x\n, (8 * \n)(x31)
    .endr
    jr x30

/* Snippets jump here. */
    .globl snippet_done
snippet_done:
    la x31, saved
    ld x31, 16(x31)
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    sd x\n, (8 * \n)(x31)
    .endr
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fsd f\n, (256 + 8 * \n)(x31)
    .endr
    frcsr t0
    sd t0, 512(x31)
    la t0, saved
    ld sp, 0(t0)
    ld s11, 8(t0)
    ld ra, 0(sp)
    ld gp, 8(sp)
    ld tp, 16(sp)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ld s\n, (24 + 8 * \n)(sp)
    .endr
    addi sp, sp, 112
    ret

/* The board takes what has these for a program without a system. */
    .data
    .balign 64
    .globl tohost, fromhost
tohost: .dword 0
    .balign 64
fromhost: .dword 0

    .bss
    .balign 16
    .space 16384
bare_stack_end:
    .balign 8
saved:
    .space 24
